/* Packed files: the same weights, the same logits, whatever was packed for whatever tier. */
#include <criterion/criterion.h>

#include <dirent.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "runtime/engine.h"
#include "tests/unit/model_fixture.h"
#include "tests/unit/packed_fixture.h"

/* Every dtype, every kind of container, everything that is read in another way. */
static const struct {
  const dyno_dialect *dialect;
  fixture_model model;
  bool rows_of_256;
} models[] = {
    {&dyno_dialect_ggml_org, {DYNO_Q8_0, DYNO_MXFP4, DYNO_F32, DYNO_F32, 1}, false},
    {&dyno_dialect_ollama_2025_08, {DYNO_BF16, DYNO_MXFP4, DYNO_F32, DYNO_F32, 2}, false},
    {&dyno_dialect_ollama, {DYNO_Q4_0, DYNO_Q8_0, DYNO_F16, DYNO_Q5_0, 3}, false},
    {&dyno_dialect_ggml_org, {DYNO_Q4_1, DYNO_Q4_0, DYNO_F32, DYNO_F16, 4}, false},
    {&dyno_dialect_ggml_org, {DYNO_Q4_K, DYNO_Q5_K, DYNO_F32, DYNO_Q6_K, 5}, true},
    {&dyno_dialect_hugging_face, {DYNO_BF16, DYNO_MXFP4, DYNO_BF16, DYNO_BF16, 6}, false},
    {&dyno_dialect_hugging_face, {DYNO_BF16, DYNO_BF16, DYNO_BF16, DYNO_BF16, 7}, false},
    {&dyno_dialect_openai, {DYNO_F32, DYNO_MXFP4, DYNO_F32, DYNO_F32, 8}, false},
};
enum { MODEL_COUNT = sizeof models / sizeof *models };

static fixture_folder folder;

static void make_folder(void)
{
  fixture_folder_make(&folder);
}

static void remove_folder(void)
{
  fixture_folder_remove(&folder);
}

TestSuite(packed, .init = make_folder, .fini = remove_folder, .timeout = 60);

static dyno_isa highest_tier(void)
{
  dyno_cpu cpu;
  dyno_cpu_detect(&cpu);
  return cpu.isa;
}

/* "model" and "packed" in the folder. */
static void make_pair(size_t index, dyno_isa isa)
{
  dyno_model_config config = models[index].rows_of_256 ? fixture_config_256() : fixture_config();
  dyno_error error = {0};
  fixture_folder_remove(&folder);
  fixture_folder_make(&folder);
  fixture_write_model(fixture_path(&folder, "model"), &models[index].model, &config,
                      models[index].dialect, 0);
  cr_assert(packed_make(fixture_path(&folder, "packed"), fixture_path(&folder, "model"), isa,
                        &error) == DYNO_OK,
            "model %zu: %s", index, error.message);
}

static dyno_checkpoint *open_file(const char *name)
{
  dyno_checkpoint *checkpoint;
  dyno_error error = {0};
  cr_assert(dyno_checkpoint_open(&checkpoint, fixture_path(&folder, name), &error) == DYNO_OK, "%s",
            error.message);
  return checkpoint;
}

/* All rows at once, and a few in the middle. Returns how many tensors are in a packed layout. */
static size_t check_rows(const dyno_checkpoint *packed, const fixture_model *model)
{
  size_t in_layout = 0;
  for (size_t i = 0; i < dyno_checkpoint_tensor_count(packed); i++) {
    const dyno_tensor *tensor = dyno_checkpoint_tensor_at(packed, i);
    size_t bytes = tensor->n * tensor->row_bytes, middle = tensor->n / 3;
    uint8_t *wanted = malloc(bytes), *found = malloc(bytes);
    dyno_error error = {0};
    in_layout += tensor->layout != NULL;
    for (size_t g = 0; g < tensor->groups; g++) {
      fixture_rows(model, wanted, tensor, g, 0, tensor->n);
      cr_assert(dyno_checkpoint_read_rows(packed, found, tensor, g, 0, tensor->n, &error) ==
                        DYNO_OK &&
                    memcmp(wanted, found, bytes) == 0,
                "%s, group %zu: %s", tensor->name, g, error.message);
      cr_assert(dyno_checkpoint_read_rows(packed, found, tensor, g, middle, tensor->n, &error) ==
                        DYNO_OK &&
                    memcmp(wanted + middle * tensor->row_bytes, found,
                           bytes - middle * tensor->row_bytes) == 0,
                "%s, group %zu, rows from %zu", tensor->name, g, middle);
      cr_assert(tensor->data == NULL ||
                    memcmp(wanted, (const uint8_t *)tensor->data + g * bytes, bytes) == 0,
                "%s in place", tensor->name);
      dyno_checkpoint_prefetch_rows(packed, tensor, g, 0, tensor->n);
      dyno_checkpoint_release_rows(packed, tensor, g, 0, tensor->n, DYNO_FILE_RECLAIM);
    }
    free(wanted);
    free(found);
  }
  return in_layout;
}

Test(packed, rows_come_back_from_every_tier)
{
  size_t in_layout = 0;
  for (size_t i = 0; i < MODEL_COUNT; i++)
    for (int end = 0; end < 2; end++) { /* the tiers in between have the highest one's layouts */
      make_pair(i, end == 0 ? DYNO_ISA_REF : DYNO_ISA_COUNT);
      dyno_checkpoint *model = open_file("model"), *packed = open_file("packed");
      char hashes[2][DYNO_CHECKPOINT_HASH_TEXT];
      dyno_error error = {0};
      dyno_checkpoint_hash(model, hashes[0]);
      dyno_checkpoint_hash(packed, hashes[1]);
      cr_assert(strcmp(hashes[0], hashes[1]) == 0, "the hash is another model's");
      cr_assert(strcmp(dyno_checkpoint_dialect(packed), "dyno, packed") == 0, "%s",
                dyno_checkpoint_dialect(packed));
      cr_assert(memcmp(dyno_checkpoint_config(model), dyno_checkpoint_config(packed),
                       sizeof(dyno_model_config)) == 0,
                "model %zu: another configuration", i);
      in_layout += check_rows(packed, &models[i].model);
      cr_assert(dyno_packed_verify(dyno_checkpoint_packed(packed), NULL, NULL, NULL, &error) ==
                    DYNO_OK,
                "%s", error.message);
      cr_assert(dyno_checkpoint_check_weights(packed, NULL, NULL, &error) == DYNO_OK, "%s",
                error.message);
      dyno_checkpoint_close(&model);
      dyno_checkpoint_close(&packed);
    }
  cr_assert((in_layout > 0) == (highest_tier() > DYNO_ISA_REF), "%zu tensors in packed layouts",
            in_layout);
}

Test(packed, the_words_of_a_gguf_file_come_along)
{
  make_pair(0, DYNO_ISA_COUNT);
  dyno_checkpoint *model = open_file("model"), *packed = open_file("packed");
  const dyno_gguf *from = dyno_checkpoint_gguf(model), *to = dyno_checkpoint_gguf(packed);
  size_t kept = 0;
  for (size_t i = 0; i < dyno_gguf_entry_count(from); i++) {
    const dyno_gguf_entry *entry = dyno_gguf_entry_at(from, i);
    char key[128];
    snprintf(key, sizeof key, "%.*s", (int)entry->key.size, entry->key.bytes);
    const dyno_gguf_entry *copy = dyno_gguf_find(to, key);
    if (strncmp(key, "tokenizer.", 10) != 0)
      continue;
    kept++;
    cr_assert(copy != NULL && copy->type == entry->type && copy->is_array == entry->is_array &&
                  copy->count == entry->count &&
                  dyno_gguf_entry_bytes(copy) == dyno_gguf_entry_bytes(entry) &&
                  memcmp(copy->values, entry->values, dyno_gguf_entry_bytes(entry)) == 0,
              "%s is missing or changed", key);
  }
  cr_assert(kept == 4, "%zu words of the tokenizer", kept);
  cr_assert(dyno_gguf_find(to, "gpt-oss.block_count") == NULL, "a second configuration");
  for (size_t i = 0; i < dyno_gguf_tensor_count(to); i++)
    cr_assert(dyno_gguf_tensor_at(to, i)->offset % 4096 == 0, "tensor %zu is not aligned", i);
  dyno_checkpoint_close(&model);
  dyno_checkpoint_close(&packed);
}

static bool same_files(const char *a, const char *b)
{
  size_t sizes[2];
  uint8_t *bytes[2] = {fixture_read(fixture_path(&folder, a), &sizes[0], 0),
                       fixture_read(fixture_path(&folder, b), &sizes[1], 0)};
  bool same = sizes[0] == sizes[1] && memcmp(bytes[0], bytes[1], sizes[0]) == 0;
  free(bytes[0]);
  free(bytes[1]);
  return same;
}

Test(packed, packing_again_gives_the_same_file)
{
  dyno_error error = {0};
  for (size_t i = 0; i < MODEL_COUNT; i++) {
    make_pair(i, DYNO_ISA_COUNT);
    cr_assert(packed_make(fixture_path(&folder, "again"), fixture_path(&folder, "packed"),
                          DYNO_ISA_COUNT, &error) == DYNO_OK,
              "%s", error.message);
    cr_assert(same_files("packed", "again"), "model %zu: another file", i);
    /* By way of another tier. */
    cr_assert(packed_make(fixture_path(&folder, "rows"), fixture_path(&folder, "packed"),
                          DYNO_ISA_REF, &error) == DYNO_OK,
              "%s", error.message);
    cr_assert(packed_make(fixture_path(&folder, "again"), fixture_path(&folder, "rows"),
                          DYNO_ISA_COUNT, &error) == DYNO_OK,
              "%s", error.message);
    cr_assert(same_files("packed", "again"), "model %zu: another file by way of plain rows", i);
  }
}

/* How an engine is opened, and what came of it. */
typedef struct run {
  const char *path;
  dyno_precision precision;
  dyno_isa isa;
  unsigned threads;
  uint64_t own_bytes;    /* of weights, in memory of the engine's own */
  uint64_t router_bytes; /* of all routers, as F32 */
} run;

enum { PROMPT = 40, BATCH = 24 };

static dyno_status open_run(dyno_engine **engine, const run *how, dyno_error *error)
{
  dyno_engine_options options = DYNO_ENGINE_DEFAULTS;
  options.model = how->path;
  options.precision = how->precision;
  options.registry.isa = how->isa;
  options.registry.threads = how->threads;
  options.batch = 16; /* so that a prompt is cut */
  return dyno_engine_open(engine, &options, error);
}

typedef struct recording {
  float *logits; /* [PROMPT][vocab] */
  size_t vocab, seen;
} recording;

static void record(void *context, size_t position, const float *logits)
{
  recording *into = context;
  memcpy(into->logits + position * into->vocab, logits, into->vocab * sizeof *logits);
  into->seen++;
}

/* The logits of every position of a prompt: first as a batch, then token by token. */
static recording logits_of(run *how)
{
  dyno_engine *engine;
  dyno_sequence *sequence;
  dyno_error error = {0};
  cr_assert(open_run(&engine, how, &error) == DYNO_OK, "%s", error.message);
  recording made = {.vocab = dyno_engine_config(engine)->vocab};
  made.logits = calloc(PROMPT * made.vocab, sizeof *made.logits);
  int32_t tokens[PROMPT];
  for (size_t i = 0; i < PROMPT; i++)
    tokens[i] = (int32_t)(i * 37 % made.vocab);
  cr_assert(dyno_sequence_open(&sequence, engine, PROMPT, &error) == DYNO_OK, "%s", error.message);
  for (size_t i = 0; i < PROMPT; i += i < BATCH ? BATCH : 1)
    cr_assert(dyno_sequence_append(sequence, tokens + i, i < BATCH ? BATCH : 1, record, &made,
                                   &error) == DYNO_OK,
              "%s", error.message);
  cr_assert(made.seen == PROMPT, "%zu positions", made.seen);
  const dyno_model_config *config = dyno_engine_config(engine);
  how->own_bytes = dyno_engine_packed_bytes(engine);
  how->router_bytes = config->layers * config->experts * config->d_model * sizeof(float);
  dyno_sequence_close(&sequence);
  dyno_engine_close(&engine);
  return made;
}

static void compare(run *a, run *b)
{
  recording left = logits_of(a), right = logits_of(b);
  cr_assert(left.vocab == right.vocab &&
                memcmp(left.logits, right.logits, PROMPT * left.vocab * sizeof(float)) == 0,
            "%s (%s, precision %d) and %s (%s) differ", a->path, dyno_isa_name(a->isa),
            a->precision, b->path, dyno_isa_name(b->isa));
  free(left.logits);
  free(right.logits);
}

/* Only routers that are not F32 already are brought into memory. */
static bool is_mapped(const run *how)
{
  return how->own_bytes == 0 || how->own_bytes == how->router_bytes;
}

static const char *const oracle_models[] = {
    "f32",   "bf16-odd",       "bf16-odd/original", "bf16-sharded",
    "mxfp4", "mxfp4/original", "f16-unusual",       "bf16-deep",
};
enum { ORACLE_COUNT = sizeof oracle_models / sizeof *oracle_models };

static void oracle_path(char path[512], size_t index)
{
  const char *tree = getenv("top_srcdir");
  snprintf(path, 512, "%s/tests/oracle/models/%s", tree != NULL ? tree : ".", oracle_models[index]);
}

Test(packed, logits_are_the_same_bits_at_every_tier)
{
  for (size_t i = 0; i < ORACLE_COUNT; i++)
    for (dyno_isa isa = DYNO_ISA_REF; isa <= highest_tier(); isa++) {
      char path[512];
      dyno_error error = {0};
      const char *packed_path = fixture_path(&folder, "packed");
      oracle_path(path, i);
      cr_assert(packed_make(packed_path, path, isa, &error) == DYNO_OK, "%s", error.message);
      run model = {path, DYNO_PRECISION_FAST, isa, 1, 0, 0};
      run packed = {packed_path, DYNO_PRECISION_FAST, isa, 2, 0, 0};
      compare(&model, &packed);
      cr_assert(is_mapped(&packed), "%s at %s: %llu bytes were packed again", path,
                dyno_isa_name(isa), (unsigned long long)packed.own_bytes);
    }
}

Test(packed, reference_precision_unpacks)
{
  for (size_t i = 0; i < ORACLE_COUNT; i++) {
    char path[512];
    dyno_error error = {0};
    const char *packed_path = fixture_path(&folder, "packed");
    oracle_path(path, i);
    cr_assert(packed_make(packed_path, path, DYNO_ISA_COUNT, &error) == DYNO_OK, "%s",
              error.message);
    run model = {path, DYNO_PRECISION_REFERENCE, DYNO_ISA_COUNT, 1, 0, 0};
    run packed = {packed_path, DYNO_PRECISION_REFERENCE, DYNO_ISA_COUNT, 2, 0, 0};
    compare(&model, &packed);
  }
}

/* Where every dtype has its packed layout: the fixture's models, too. */
Test(packed, every_format_is_mapped_as_it_is)
{
  for (size_t i = 0; i < MODEL_COUNT; i++) {
    make_pair(i, DYNO_ISA_COUNT);
    run model = {fixture_path(&folder, "model"), DYNO_PRECISION_FAST, DYNO_ISA_COUNT, 1, 0, 0};
    run packed = {fixture_path(&folder, "packed"), DYNO_PRECISION_FAST, DYNO_ISA_COUNT, 2, 0, 0};
    compare(&model, &packed);
    cr_assert(is_mapped(&packed), "model %zu: %llu bytes were packed again", i,
              (unsigned long long)packed.own_bytes);
  }
}

Test(packed, other_tiers_read_it_or_say_why_not)
{
  if (highest_tier() == DYNO_ISA_REF)
    cr_skip_test("this CPU has one tier only");
  make_pair(0, DYNO_ISA_COUNT);
  char path[512];
  snprintf(path, sizeof path, "%s", fixture_path(&folder, "packed"));
  for (dyno_isa isa = DYNO_ISA_REF + 1; isa <= highest_tier(); isa++) {
    run model = {fixture_path(&folder, "model"), DYNO_PRECISION_FAST, isa, 1, 0, 0};
    run packed = {path, DYNO_PRECISION_FAST, isa, 1, 0, 0};
    compare(&model, &packed);
  }
  dyno_engine *engine;
  dyno_error error = {0};
  const run reference = {path, DYNO_PRECISION_FAST, DYNO_ISA_REF, 1, 0, 0};
  cr_assert(open_run(&engine, &reference, &error) == DYNO_ERROR_UNAVAILABLE, "%s", error.message);
  const char *const words[] = {path,
                               "blk.0.attn_q.weight",
                               "q8_0_panel16_v1",
                               "tier ref",
                               "dyno pack --model the test's model -o ",
                               " --isa=ref"};
  for (size_t i = 0; i < sizeof words / sizeof *words; i++)
    cr_assert(strstr(error.message, words[i]) != NULL, "no '%s' in: %s", words[i], error.message);
}

static size_t files_in_folder(void)
{
  DIR *stream = opendir(folder.path);
  size_t count = 0;
  for (const struct dirent *entry; (entry = readdir(stream)) != NULL;)
    count += entry->d_name[0] != '.';
  closedir(stream);
  return count;
}

static bool stop_late(void *context, uint64_t done, uint64_t total)
{
  (void)context;
  return done < total / 2;
}

/* Packs "model" to a name, and expects a failure that leaves nothing behind. */
static void expect_no_file(const char *name, dyno_checkpoint_progress show, dyno_status wanted,
                           const char *message)
{
  dyno_checkpoint *checkpoint = open_file("model");
  dyno_registry *registry;
  dyno_pool *pool;
  dyno_error error = {0};
  const dyno_registry_options choice = DYNO_REGISTRY_DEFAULTS;
  const dyno_pack_options options = {.source = "model", .prefill_tokens = 64, .show = show};
  size_t before = files_in_folder();
  cr_assert(dyno_registry_open(&registry, &choice, &error) == DYNO_OK &&
                dyno_pool_open(&pool, 2, &error) == DYNO_OK,
            "%s", error.message);
  dyno_status status =
      dyno_pack(fixture_path(&folder, name), NULL, checkpoint, registry, pool, &options, &error);
  cr_assert(status == wanted && strstr(error.message, message) != NULL, "%s: %s", name,
            error.message);
  cr_assert(files_in_folder() == before, "something is left behind");
  dyno_pool_close(&pool);
  dyno_registry_close(&registry);
  dyno_checkpoint_close(&checkpoint);
}

Test(packed, what_fails_leaves_nothing_behind)
{
  make_pair(0, DYNO_ISA_COUNT);
  cr_assert(mkdir(fixture_path(&folder, "folder"), 0777) == 0, "mkdir");
  expect_no_file("new", stop_late, DYNO_ERROR_INTERRUPTED, "packing was stopped");
  expect_no_file("model", NULL, DYNO_ERROR_USAGE, "this is the model itself");
  expect_no_file("folder", NULL, DYNO_ERROR_USAGE, "no regular file");
  expect_no_file("nowhere/new", NULL, DYNO_ERROR_IO, "nowhere/new");
}

Test(packed, a_bad_scale_is_not_packed)
{
  make_pair(0, DYNO_ISA_COUNT);
  const char *path = fixture_path(&folder, "model");
  dyno_checkpoint *checkpoint = open_file("model");
  const dyno_tensor *tensor = dyno_checkpoint_tensor(checkpoint, DYNO_TENSOR_DOWN_WEIGHT, 1);
  size_t size, place = (size_t)((const uint8_t *)tensor->data -
                                dyno_gguf_file(dyno_checkpoint_gguf(checkpoint))->bytes);
  dyno_checkpoint_close(&checkpoint);
  uint8_t *bytes = fixture_read(path, &size, 0);
  bytes[place] = 0xff;
  fixture_write(path, bytes, size);
  free(bytes);
  expect_no_file("new", NULL, DYNO_ERROR_FORMAT, "blk.1.ffn_down_exps.weight");
}

/* One byte in every tensor, one after the other. */
Test(packed, damage_is_found_and_named)
{
  make_pair(0, DYNO_ISA_COUNT);
  const char *path = fixture_path(&folder, "packed");
  dyno_checkpoint *checkpoint = open_file("packed");
  const dyno_gguf *gguf = dyno_checkpoint_gguf(checkpoint);
  size_t size, count = dyno_gguf_tensor_count(gguf) - 1;
  uint64_t *offsets = calloc(count, sizeof *offsets);
  char(*names)[DYNO_TENSOR_NAME] = calloc(count, sizeof *names);
  for (size_t i = 0; i < count; i++) {
    const dyno_gguf_tensor *tensor = dyno_gguf_tensor_at(gguf, i);
    offsets[i] = tensor->offset + tensor->bytes * i / count;
    memcpy(names[i], tensor->name.bytes, tensor->name.size);
  }
  dyno_checkpoint_close(&checkpoint);
  uint8_t *bytes = fixture_read(path, &size, 0);
  dyno_pool *pool;
  cr_assert(dyno_pool_open(&pool, 2, NULL) == DYNO_OK, "no pool");
  for (size_t i = 0; i < count; i++) {
    dyno_error error = {0};
    bytes[offsets[i]] ^= 0x10;
    fixture_write(path, bytes, size);
    bytes[offsets[i]] ^= 0x10;
    checkpoint = open_file("packed");
    cr_assert(dyno_packed_verify(dyno_checkpoint_packed(checkpoint), i % 2 == 0 ? pool : NULL, NULL,
                                 NULL, &error) == DYNO_ERROR_FORMAT &&
                  strstr(error.message, names[i]) != NULL,
              "%s: %s", names[i], error.message);
    cr_assert(dyno_checkpoint_check_weights(checkpoint, NULL, NULL, &error) == DYNO_ERROR_FORMAT &&
                  strstr(error.message, "does not have its checksum") != NULL,
              "%s: %s", names[i], error.message);
    dyno_checkpoint_close(&checkpoint);
  }
  cr_assert(count > 40, "%zu tensors", count);
  dyno_pool_close(&pool);
  free(bytes);
  free(offsets);
  free(names);
}

static bool stop_at_once(void *context, uint64_t done, uint64_t total)
{
  (void)context, (void)done, (void)total;
  return false;
}

Test(packed, verification_can_be_stopped)
{
  make_pair(0, DYNO_ISA_COUNT);
  dyno_checkpoint *checkpoint = open_file("packed");
  dyno_error error = {0};
  cr_assert(dyno_packed_verify(dyno_checkpoint_packed(checkpoint), NULL, stop_at_once, NULL,
                               &error) == DYNO_ERROR_INTERRUPTED,
            "%s", error.message);
  dyno_checkpoint_close(&checkpoint);
}

Test(packed, a_tied_head_is_written_once)
{
  dyno_model_config config = fixture_config();
  config.tied_head = true;
  dyno_error error = {0};
  fixture_write_model(fixture_path(&folder, "model"), &models[6].model, &config,
                      &dyno_dialect_hugging_face, 0);
  cr_assert(packed_make(fixture_path(&folder, "packed"), fixture_path(&folder, "model"),
                        DYNO_ISA_REF, &error) == DYNO_OK,
            "%s", error.message);
  dyno_checkpoint *packed = open_file("packed");
  const dyno_tensor *head = dyno_checkpoint_tensor(packed, DYNO_TENSOR_HEAD, 0);
  const dyno_tensor *embedding = dyno_checkpoint_tensor(packed, DYNO_TENSOR_EMBEDDING, 0);
  cr_assert(head->data == embedding->data && head->data != NULL, "not the same");
  cr_assert(dyno_checkpoint_config(packed)->tied_head, "forgotten");
  dyno_checkpoint_close(&packed);
}
