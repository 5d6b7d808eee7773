/* The registry: what is chosen, why, and what is refused. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kernels/registry.h"
#include "kernels/table.h"
#include "kernels/tuned.h"

static const dyno_problem expert = {.op = DYNO_OP_MATMUL,
                                    .weight = DYNO_MXFP4,
                                    .activation = DYNO_A8,
                                    .m = 4,
                                    .n = 2880,
                                    .k = 2880,
                                    .groups = 4};

static dyno_registry *open_registry(const dyno_registry_options *options)
{
  dyno_registry *registry = NULL;
  dyno_error error = {0};
  dyno_status status = dyno_registry_open(&registry, options, &error);
  cr_assert(status == DYNO_OK, "%s", error.message);
  return registry;
}

static dyno_registry *open_at(dyno_isa isa)
{
  dyno_registry_options options = DYNO_REGISTRY_DEFAULTS;
  options.isa = isa;
  return open_registry(&options);
}

static dyno_choice choose(const dyno_registry *registry, const dyno_problem *problem)
{
  dyno_choice choice;
  dyno_error error = {0};
  dyno_status status = dyno_select(&choice, registry, problem, NULL, NULL, &error);
  cr_assert(status == DYNO_OK, "%s", error.message);
  return choice;
}

Test(registry, every_builtin_variant_has_a_reference_and_its_own_name)
{
  dyno_registry *registry = open_at(DYNO_ISA_COUNT);
  cr_assert(dyno_registry_count(registry) > 20, "%zu variants", dyno_registry_count(registry));
  for (size_t i = 0; i < dyno_registry_count(registry); i++) {
    const dyno_kernel *kernel = dyno_registry_kernel(registry, i);
    cr_assert(dyno_reference_kernel(kernel) != NULL, "%s has no reference", kernel->name);
    cr_assert(dyno_registry_find(registry, kernel->name) == kernel, "%s", kernel->name);
    const char *tier = strstr(kernel->name, "__");
    cr_assert(tier != NULL && strncmp(tier + 2, dyno_isa_name(kernel->isa),
                                      strlen(dyno_isa_name(kernel->isa))) == 0,
              "%s does not end in its tier", kernel->name);
    cr_assert(strncmp(kernel->name, dyno_op_name(kernel->op), strlen(dyno_op_name(kernel->op))) ==
                  0,
              "%s does not begin with its op", kernel->name);
    cr_assert(dyno_registry_origin(registry, kernel) == NULL, "%s is built in", kernel->name);
  }
  dyno_registry_close(&registry);
  cr_assert(registry == NULL, "close leaves NULL behind");
}

Test(registry, tiers_mask)
{
  dyno_cpu cpu;
  dyno_cpu_detect(&cpu);
  for (dyno_isa isa = DYNO_ISA_REF; isa <= cpu.isa; isa++) {
    dyno_registry *registry = open_at(isa);
    dyno_choice choice = choose(registry, &expert);
    cr_assert(choice.kernel->isa <= isa, "%s at %s", choice.kernel->name, dyno_isa_name(isa));
    cr_assert(strncmp(choice.reason, "rank", 4) == 0, "%s", choice.reason);
    for (size_t i = 0; i < dyno_registry_count(registry); i++) {
      const dyno_kernel *kernel = dyno_registry_kernel(registry, i);
      char reason[DYNO_REASON_TEXT];
      bool usable = dyno_registry_usable(registry, kernel, NULL, reason);
      cr_assert(usable == (kernel->isa <= isa), "%s: %s", kernel->name, reason);
      cr_assert(usable == (reason[0] == '\0'), "%s: %s", kernel->name, reason);
    }
    dyno_registry_close(&registry);
  }
}

Test(registry, a_tier_the_cpu_lacks_is_an_error)
{
  dyno_cpu cpu;
  dyno_cpu_detect(&cpu);
  if (cpu.isa + 1 == DYNO_ISA_COUNT)
    cr_skip_test("this CPU has every tier");
  dyno_registry_options options = DYNO_REGISTRY_DEFAULTS;
  options.isa = cpu.isa + 1;
  dyno_registry *registry;
  dyno_error error = {0};
  cr_assert(dyno_registry_open(&registry, &options, &error) == DYNO_ERROR_UNAVAILABLE, "%s",
            error.message);
  cr_assert(registry == NULL, "nothing is left open");
  cr_assert(strstr(error.message, cpu.missing[cpu.isa + 1]) != NULL, "%s", error.message);
}

Test(registry, force_by_name_and_by_part)
{
  static const char *const names[] = {"matmul=matmul_mxfp4_a8__ref", "matmul=mxfp4_a8__ref"};
  for (size_t i = 0; i < 2; i++) {
    dyno_registry_options options = DYNO_REGISTRY_DEFAULTS;
    options.force = &names[i];
    options.force_count = 1;
    dyno_registry *registry = open_registry(&options);
    dyno_choice choice = choose(registry, &expert);
    cr_assert(strcmp(choice.kernel->name, "matmul_mxfp4_a8__ref") == 0, "%s", choice.kernel->name);
    cr_assert(strstr(choice.reason, "forced") != NULL, "%s", choice.reason);
    dyno_problem other = expert;
    other.weight = DYNO_Q8_0;
    choice = choose(registry, &other);
    cr_assert(strstr(choice.reason, "forced") == NULL, "it concerns MXFP4 only: %s", choice.reason);
    dyno_registry_close(&registry);
  }
}

Test(registry, force_refuses)
{
  static const struct {
    const char *force, *message;
  } cases[] = {
      {"matmul=mxfp4_a9__ref", "mxfp4_a8"}, {"matmull=x", "no family or op 'matmull'"},
      {"matmul=", "FAMILY=NAME"},           {"nonsense", "FAMILY=NAME"},
      {"rmsnorm=swiglu", "rmsnorm"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    dyno_registry_options options = DYNO_REGISTRY_DEFAULTS;
    options.force = &cases[i].force;
    options.force_count = 1;
    dyno_registry *registry;
    dyno_error error = {0};
    cr_assert(dyno_registry_open(&registry, &options, &error) == DYNO_ERROR_USAGE, "%s",
              cases[i].force);
    cr_assert(strstr(error.message, cases[i].message) != NULL, "%s: %s", cases[i].force,
              error.message);
  }
}

Test(registry, an_ambiguous_part_is_an_error_that_lists_the_matches)
{
  static const char *const force[] = {"matmul=mxfp4_a8"};
  dyno_registry_options options = DYNO_REGISTRY_DEFAULTS;
  options.force = force;
  options.force_count = 1;
  dyno_registry *registry = open_registry(&options);
  dyno_choice choice;
  dyno_error error = {0};
  cr_assert(dyno_select(&choice, registry, &expert, NULL, NULL, &error) == DYNO_ERROR_USAGE, "%s",
            error.message);
  cr_assert(strstr(error.message, "matmul_mxfp4_a8__ref") != NULL, "%s", error.message);
  dyno_registry_close(&registry);
}

Test(registry, a_forced_variant_that_is_masked_is_an_error)
{
  dyno_cpu cpu;
  dyno_cpu_detect(&cpu);
  if (cpu.isa < DYNO_ISA_AVX2)
    cr_skip_test("this CPU has no tier to mask");
  dyno_registry *all = open_at(DYNO_ISA_COUNT);
  char force[128];
  snprintf(force, sizeof force, "matmul=%s", choose(all, &expert).kernel->name);
  dyno_registry_close(&all);

  const char *const list[] = {force};
  dyno_registry_options options = {.isa = DYNO_ISA_REF, .force = list, .force_count = 1};
  dyno_registry *registry = open_registry(&options);
  dyno_choice choice;
  dyno_error error = {0};
  cr_assert(dyno_select(&choice, registry, &expert, NULL, NULL, &error) == DYNO_ERROR_UNAVAILABLE,
            "%s", error.message);
  cr_assert(strstr(error.message, "masked by --isa=ref") != NULL, "%s", error.message);
  cr_assert(dyno_select_layout(&(const dyno_layout *){NULL}, &choice, registry, &expert, 1,
                               &error) == DYNO_ERROR_UNAVAILABLE,
            "%s", error.message);
  dyno_registry_close(&registry);
}

Test(registry, layout_serves_decode_and_prefill_with_one_numerics)
{
  dyno_cpu cpu;
  dyno_cpu_detect(&cpu);
  for (dyno_isa isa = DYNO_ISA_REF; isa <= cpu.isa; isa++) {
    dyno_registry *registry = open_at(isa);
    dyno_problem problems[2] = {expert, expert};
    problems[1].m = 2048;
    problems[1].groups = 32;
    const dyno_layout *layout;
    dyno_choice choices[2];
    dyno_error error = {0};
    dyno_status status = dyno_select_layout(&layout, choices, registry, problems, 2, &error);
    cr_assert(status == DYNO_OK, "%s", error.message);
    const char *numerics[2];
    for (size_t i = 0; i < 2; i++) {
      const dyno_kernel *kernel = choices[i].kernel;
      cr_assert(dyno_kernel_layout(kernel) == layout, "%s", kernel->name);
      numerics[i] = kernel->numerics != NULL ? kernel->numerics : kernel->name;
    }
    cr_assert(strcmp(numerics[0], numerics[1]) == 0, "%s and %s", numerics[0], numerics[1]);
    dyno_registry_close(&registry);
  }
}

Test(registry, a_problem_without_a_kernel)
{
  dyno_registry *registry = open_at(DYNO_ISA_COUNT);
  dyno_problem problem = expert;
  problem.weight = DYNO_I32;
  dyno_choice choice;
  dyno_error error = {0};
  cr_assert(dyno_select(&choice, registry, &problem, NULL, NULL, &error) == DYNO_ERROR_NOT_FOUND,
            "%s", error.message);
  dyno_registry_close(&registry);
}

/* A tuned file in a folder of its own. */
static char folder[] = "/tmp/dyno-registry-XXXXXX";
static char path[sizeof folder + 16];

static void make_folder(void)
{
  cr_assert(mkdtemp(folder) != NULL, "mkdtemp");
  snprintf(path, sizeof path, "%s/tuned", folder);
}

static void remove_folder(void)
{
  unlink(path);
  rmdir(folder);
}

static void write_tuned(const dyno_registry *registry, unsigned threads)
{
  dyno_tuned_key key;
  dyno_tuned_key_of(&key, registry);
  key.threads = threads;
  dyno_problem wide = expert;
  wide.m = 512;
  const dyno_tuned_entry entries[] = {
      {dyno_registry_find(registry, "matmul_mxfp4_a8__ref"), expert, 1000},
      {choose(registry, &expert).kernel, expert, 5000},
      {dyno_registry_find(registry, "matmul_mxfp4_a8__ref"), wide, 9000},
      {choose(registry, &expert).kernel, wide, 700},
  };
  dyno_error error = {0};
  cr_assert(dyno_tuned_write(path, &key, entries, 4, &error) == DYNO_OK, "%s", error.message);
}

static dyno_registry *open_tuned(void)
{
  dyno_registry_options options = DYNO_REGISTRY_DEFAULTS;
  options.tuned_path = path;
  return open_registry(&options);
}

Test(tuned, the_fastest_measured_is_chosen, .init = make_folder, .fini = remove_folder)
{
  dyno_registry *plain = open_at(DYNO_ISA_COUNT);
  if (choose(plain, &expert).kernel->isa == DYNO_ISA_REF)
    cr_skip_test("this CPU runs the reference only");
  write_tuned(plain, 1);
  dyno_registry *registry = open_tuned();
  cr_assert(dyno_registry_tuned_note(registry) == NULL, "%s", dyno_registry_tuned_note(registry));
  dyno_choice choice = choose(registry, &expert);
  cr_assert(strcmp(choice.kernel->name, "matmul_mxfp4_a8__ref") == 0, "%s", choice.kernel->name);
  cr_assert(strstr(choice.reason, "tuned") != NULL, "%s", choice.reason);

  dyno_problem between = expert; /* measured at 4 and 512: the nearest below counts */
  between.m = 100;
  cr_assert(choose(registry, &between).kernel == choice.kernel, "m=100 is nearest to m=4");
  between.m = 4096;
  between.groups = 32;
  cr_assert(choose(registry, &between).kernel != choice.kernel, "m=4096 is nearest to m=512");
  dyno_problem other = expert;
  other.k = 64;
  cr_assert(strstr(choose(registry, &other).reason, "rank") != NULL, "k=64 was not measured");
  dyno_registry_close(&registry);
  dyno_registry_close(&plain);
}

Test(tuned, a_file_for_other_conditions_is_left_out, .init = make_folder, .fini = remove_folder)
{
  dyno_registry *plain = open_at(DYNO_ISA_COUNT);
  write_tuned(plain, 7);
  dyno_registry *registry = open_tuned();
  const char *note = dyno_registry_tuned_note(registry);
  cr_assert(note != NULL && strstr(note, "threads 7") != NULL, "%s", note);
  cr_assert(strstr(choose(registry, &expert).reason, "rank") != NULL, "it is not used");
  dyno_registry_close(&registry);
  dyno_registry_close(&plain);
}

Test(tuned, a_missing_file_counts_as_none, .init = make_folder, .fini = remove_folder)
{
  dyno_registry *registry = open_tuned();
  cr_assert(strstr(dyno_registry_tuned_note(registry), "does not exist") != NULL, "note");
  dyno_registry_close(&registry);
}

/* Rewrites the file with its first `from` replaced by `to`, or cut before it when to is NULL. */
static void damage(const char *from, const char *to)
{
  char text[8192];
  FILE *file = fopen(path, "r");
  size_t length = fread(text, 1, sizeof text - 1, file);
  fclose(file);
  text[length] = '\0';
  char *at = strstr(text, from);
  cr_assert(at != NULL, "'%s' is in the file", from);
  file = fopen(path, "w");
  fwrite(text, 1, (size_t)(at - text), file);
  if (to != NULL)
    fprintf(file, "%s%s", to, at + strlen(from));
  fclose(file);
}

Test(tuned, a_malformed_file_is_an_error_that_names_the_line, .init = make_folder,
     .fini = remove_folder)
{
  static const struct {
    const char *from, *to, *line;
  } cases[] = {
      {"dyno-tuned 1", "dyno-tuned 2", "line 1"},
      {"isa ", "iso ", "line 3"},
      {"matmul_mxfp4_a8__ref", "matmul_none", "line 7"},
      {"\n1000 ", "\n-1000 ", "line 7"},
      {"\n1000 ", "\n0 ", "line 7"},
      {"\n1000 ", "\n99999999999999999999999 ", "line 7"},
      {"weight=mxfp4", "weight=mxfp5", "line 7"},
      {"end 4", "end 5", "line 11"},
      {"end 4", "end 4\nmore", "line 12"},
      {"end 4", NULL, "cut short"},
      {"\n9000 ", NULL, "cut short"},
  };
  dyno_registry *plain = open_at(DYNO_ISA_COUNT);
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    write_tuned(plain, 1);
    damage(cases[i].from, cases[i].to);
    dyno_registry_options options = DYNO_REGISTRY_DEFAULTS;
    options.tuned_path = path;
    dyno_registry *registry;
    dyno_error error = {0};
    cr_assert(dyno_registry_open(&registry, &options, &error) == DYNO_ERROR_FORMAT,
              "case %zu: '%s'", i, error.message);
    cr_assert(strstr(error.message, cases[i].line) != NULL, "case %zu: '%s'", i, error.message);
    cr_assert(strstr(error.message, path) != NULL, "case %zu: '%s'", i, error.message);
  }
  dyno_registry_close(&plain);
}

Test(tuned, a_folder_that_cannot_be_written)
{
  dyno_tuned_key key = {.cpu = "x", .compiler = "y"};
  dyno_error error = {0};
  cr_assert(dyno_tuned_write("/nonexistent/tuned", &key, NULL, 0, &error) == DYNO_ERROR_IO, "%s",
            error.message);
  cr_assert(strstr(error.message, "/nonexistent/tuned") != NULL, "%s", error.message);
}
