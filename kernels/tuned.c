#include "config.h"

#include "kernels/tuned.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/base/atomic_file.h"
#include "kernels/registry_internal.h"

#define STRINGIFY_(x) #x
#define STRINGIFY(x) STRINGIFY_(x)

static const char first_line[] = "dyno-tuned 1";

static const char *compiler(void)
{
#if defined(__clang__)
  return "clang " STRINGIFY(__clang_major__) "." STRINGIFY(__clang_minor__) "." STRINGIFY(
      __clang_patchlevel__);
#elif defined(__GNUC__)
  return "gcc " STRINGIFY(__GNUC__) "." STRINGIFY(__GNUC_MINOR__) "." STRINGIFY(
      __GNUC_PATCHLEVEL__);
#else
  return "unknown compiler";
#endif
}

void dyno_tuned_key_of(dyno_tuned_key *key, const dyno_registry *registry)
{
  *key = (dyno_tuned_key){
      .isa = registry->isa,
      .threads = registry->threads,
      .kernels = dyno_registry_hash(registry),
  };
  memcpy(key->cpu, registry->cpu.name, sizeof key->cpu);
  snprintf(key->compiler, sizeof key->compiler, "%s", compiler());
}

enum { KEY_LINES = 5, KEY_LINE_BYTES = 96 };

/* The key as the file's lines 2 to 6. */
static void format_key(char lines[KEY_LINES][KEY_LINE_BYTES], const dyno_tuned_key *key)
{
  snprintf(lines[0], KEY_LINE_BYTES, "cpu %s", key->cpu);
  snprintf(lines[1], KEY_LINE_BYTES, "isa %s", dyno_isa_name(key->isa));
  snprintf(lines[2], KEY_LINE_BYTES, "threads %u", key->threads);
  snprintf(lines[3], KEY_LINE_BYTES, "compiler %s", key->compiler);
  snprintf(lines[4], KEY_LINE_BYTES, "kernels %016" PRIx64, key->kernels);
}

dyno_status dyno_tuned_write(const char *path, const dyno_tuned_key *key,
                             const dyno_tuned_entry *entries, size_t count, dyno_error *error)
{
  dyno_atomic_file file;
  dyno_status status = dyno_atomic_file_open(&file, path, error);
  if (status != DYNO_OK)
    return status;
  fprintf(file.stream, "%s\n", first_line);
  char lines[KEY_LINES][KEY_LINE_BYTES];
  format_key(lines, key);
  for (size_t i = 0; i < KEY_LINES; i++)
    fprintf(file.stream, "%s\n", lines[i]);
  for (size_t i = 0; i < count; i++) {
    char text[DYNO_PROBLEM_TEXT];
    dyno_problem_format(text, &entries[i].problem);
    fprintf(file.stream, "%" PRIu64 " %s %s\n", entries[i].nanoseconds, entries[i].kernel->name,
            text);
  }
  fprintf(file.stream, "end %zu\n", count);
  return dyno_atomic_file_commit(&file, error);
}

struct dyno_tuned {
  dyno_tuned_entry *entries;
  size_t count;
};

/* A tuned file being read. */
typedef struct reader {
  FILE *stream;
  const char *path;
  char *line; /* without its newline; owned */
  size_t capacity, number;
  dyno_error *error;
} reader;

static dyno_status malformed(reader *in, const char *what)
{
  return dyno_fail(in->error, DYNO_ERROR_FORMAT,
                   "%s, line %zu: %s; delete the file and run `dyno tune` again", in->path,
                   in->number, what);
}

static bool next_line(reader *in)
{
  ssize_t length = getline(&in->line, &in->capacity, in->stream);
  if (length < 0)
    return false;
  in->number++;
  if (length > 0 && in->line[length - 1] == '\n')
    in->line[length - 1] = '\0';
  return true;
}

/* "NANOSECONDS NAME PROBLEM" */
static dyno_status parse_entry(dyno_tuned_entry *entry, reader *in, const dyno_registry *registry)
{
  char *name;
  errno = 0;
  unsigned long long nanoseconds = strtoull(in->line, &name, 10);
  if (in->line[0] < '0' || in->line[0] > '9' || *name != ' ' || nanoseconds == 0 || errno != 0)
    return malformed(in, "nanoseconds, a variant and a problem are wanted");
  char *problem = strchr(++name, ' ');
  if (problem == NULL)
    return malformed(in, "the problem is missing");
  *problem++ = '\0';
  entry->nanoseconds = nanoseconds;
  entry->kernel = dyno_registry_find(registry, name);
  if (entry->kernel == NULL)
    return malformed(in, "it names an unknown variant");
  dyno_error detail;
  if (dyno_problem_parse(&entry->problem, problem, &detail) != DYNO_OK)
    return malformed(in, detail.message);
  return DYNO_OK;
}

static dyno_status parse_entries(dyno_tuned *tuned, reader *in, const dyno_registry *registry)
{
  size_t capacity = 0;
  while (next_line(in)) {
    if (strncmp(in->line, "end ", 4) == 0) {
      char expected[32];
      snprintf(expected, sizeof expected, "end %zu", tuned->count);
      if (strcmp(in->line, expected) != 0)
        return malformed(in, "the count does not match the lines before it");
      return next_line(in) ? malformed(in, "there is text after the end") : DYNO_OK;
    }
    if (tuned->count == capacity) {
      capacity = capacity == 0 ? 64 : 2 * capacity;
      dyno_tuned_entry *longer = realloc(tuned->entries, capacity * sizeof *longer);
      if (longer == NULL)
        return dyno_fail(in->error, DYNO_ERROR_MEMORY, "%s: out of memory", in->path);
      tuned->entries = longer;
    }
    dyno_status status = parse_entry(&tuned->entries[tuned->count], in, registry);
    if (status != DYNO_OK)
      return status;
    tuned->count++;
  }
  in->number++;
  return malformed(in, "the file is cut short: its last line must be `end COUNT`");
}

/* Reads the first six lines. Leaves a note when the key is another. */
static dyno_status parse_key(char note[DYNO_TUNED_NOTE], reader *in, const dyno_registry *registry)
{
  dyno_tuned_key key;
  char lines[KEY_LINES][KEY_LINE_BYTES];
  dyno_tuned_key_of(&key, registry);
  format_key(lines, &key);
  if (!next_line(in) || strcmp(in->line, first_line) != 0)
    return malformed(in, "it is no tuned file of version 1");
  for (size_t i = 0; i < KEY_LINES; i++) {
    size_t word = strcspn(lines[i], " ") + 1;
    if (!next_line(in) || strncmp(in->line, lines[i], word) != 0)
      return malformed(in, "cpu, isa, threads, compiler and kernels are wanted here, in order");
    if (strcmp(in->line, lines[i]) != 0 && note[0] == '\0')
      snprintf(note, DYNO_TUNED_NOTE,
               "%.60s is for '%.60s', this is '%.60s'; run `dyno tune` again", in->path, in->line,
               lines[i]);
  }
  return DYNO_OK;
}

dyno_status dyno_tuned_read(dyno_tuned **tuned, char note[DYNO_TUNED_NOTE], const char *path,
                            const dyno_registry *registry, dyno_error *error)
{
  *tuned = NULL;
  note[0] = '\0';
  reader in = {.stream = fopen(path, "re"), .path = path, .error = error};
  if (in.stream == NULL && errno == ENOENT) {
    snprintf(note, DYNO_TUNED_NOTE, "%s does not exist; `dyno tune -o %s` makes it", path, path);
    return DYNO_OK;
  }
  if (in.stream == NULL)
    return dyno_fail(error, DYNO_ERROR_IO, "%s: %s", path, strerror(errno));

  dyno_tuned *read = calloc(1, sizeof *read);
  dyno_status status = read != NULL
                           ? parse_key(note, &in, registry)
                           : dyno_fail(error, DYNO_ERROR_MEMORY, "%s: out of memory", path);
  if (status == DYNO_OK && note[0] == '\0')
    status = parse_entries(read, &in, registry);
  if (status == DYNO_OK && ferror(in.stream))
    status = dyno_fail(error, DYNO_ERROR_IO, "%s: cannot read it", path);
  free(in.line);
  fclose(in.stream);
  if (status != DYNO_OK || note[0] != '\0')
    dyno_tuned_free(&read);
  *tuned = read;
  return status;
}

void dyno_tuned_free(dyno_tuned **tuned)
{
  if (*tuned != NULL)
    free((*tuned)->entries);
  free(*tuned);
  *tuned = NULL;
}

/* A size that may differ between what was measured and what is asked for. */
static size_t *free_sizes(dyno_problem *problem, size_t which)
{
  switch (which) {
  case 0:
    return &problem->m;
  case 1:
    return problem->op == DYNO_OP_ATTENTION ? &problem->n : NULL;
  default:
    return problem->groups > 1 ? &problem->groups : NULL;
  }
}

/* Whether a measured on `candidate` is nearer to `wanted` than `best` is. */
static bool nearer(dyno_problem candidate, dyno_problem best, dyno_problem wanted)
{
  for (size_t i = 0; i < 3; i++) {
    size_t *c = free_sizes(&candidate, i), *b = free_sizes(&best, i), *w = free_sizes(&wanted, i);
    if (c == NULL || *c == *b)
      continue;
    if ((*c <= *w) != (*b <= *w))
      return *c <= *w;
    return *c <= *w ? *c > *b : *c < *b;
  }
  return false;
}

static bool comparable(dyno_problem measured, dyno_problem wanted)
{
  if ((measured.groups > 1) != (wanted.groups > 1) || measured.op != wanted.op)
    return false;
  for (size_t i = 0; i < 3; i++) {
    size_t *a = free_sizes(&measured, i), *b = free_sizes(&wanted, i);
    if (a != NULL)
      *a = *b;
  }
  return dyno_problem_equal(&measured, &wanted);
}

uint64_t dyno_tuned_nanoseconds(const dyno_tuned *tuned, const dyno_kernel *kernel,
                                const dyno_problem *problem)
{
  const dyno_tuned_entry *best = NULL;
  for (size_t i = 0; i < tuned->count; i++) {
    const dyno_tuned_entry *entry = &tuned->entries[i];
    if (entry->kernel != kernel || !comparable(entry->problem, *problem))
      continue;
    if (best == NULL || nearer(entry->problem, best->problem, *problem))
      best = entry;
  }
  return best != NULL ? best->nanoseconds : 0;
}
