#include "tests/oracle/golden.h"

#include <errno.h>
#include <glob.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#define MAGIC "DYNOGOLD"
#define MAGIC_BYTES 8
#define VERSION 1
#define MOST_BYTES ((size_t)64 << 20) /* inflated; the largest golden has half a megabyte */
#define MOST_PROMPTS 1000
#define MOST_IDS 65536 /* they are stored in 16 bits */

/* The inflated file while it is parsed. */
typedef struct reader {
  const char *path;
  uint8_t *bytes;
  size_t size, offset;
} reader;

static dyno_status read_gzip(reader *in, gzFile file, dyno_error *error)
{
  size_t capacity = 0;
  for (;;) {
    if (in->size == capacity) {
      if (capacity >= MOST_BYTES)
        return dyno_fail(error, DYNO_ERROR_FORMAT, "%s: inflates to more than %zu bytes", in->path,
                         MOST_BYTES);
      capacity = capacity == 0 ? (size_t)1 << 20 : capacity * 2;
      uint8_t *grown = realloc(in->bytes, capacity);
      if (grown == NULL)
        return dyno_fail(error, DYNO_ERROR_MEMORY, "%s: no memory for %zu bytes", in->path,
                         capacity);
      in->bytes = grown;
    }
    int got = gzread(file, in->bytes + in->size, (unsigned)(capacity - in->size));
    if (got < 0) {
      int code;
      const char *reason = gzerror(file, &code);
      return dyno_fail(error, code == Z_ERRNO ? DYNO_ERROR_IO : DYNO_ERROR_FORMAT, "%s: %s",
                       in->path, reason);
    }
    if (got == 0)
      return DYNO_OK;
    in->size += (size_t)got;
  }
}

static dyno_status inflate_file(reader *in, dyno_error *error)
{
  errno = 0;
  gzFile file = gzopen(in->path, "rb");
  if (file == NULL)
    return dyno_fail(error, errno == ENOENT ? DYNO_ERROR_NOT_FOUND : DYNO_ERROR_IO,
                     "%s: cannot open: %s", in->path, strerror(errno));
  dyno_status status = read_gzip(in, file, error);
  bool plain = gzdirect(file) != 0;
  int closed = gzclose(file);
  if (status != DYNO_OK)
    return status;
  if (plain)
    return dyno_fail(error, DYNO_ERROR_FORMAT, "%s: not a gzip file", in->path);
  if (closed != Z_OK)
    return dyno_fail(error, DYNO_ERROR_FORMAT,
                     "%s: the gzip stream ends early, after %zu inflated bytes", in->path,
                     in->size);
  return DYNO_OK;
}

/* The next count items of item_bytes, or NULL when the file has fewer left. */
static const uint8_t *take(reader *in, size_t count, size_t item_bytes)
{
  if (count > (in->size - in->offset) / item_bytes)
    return NULL;
  const uint8_t *bytes = in->bytes + in->offset;
  in->offset += count * item_bytes;
  return bytes;
}

static uint32_t load_u16(const uint8_t *bytes)
{
  return (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8;
}

static uint32_t load_u32(const uint8_t *bytes)
{
  return load_u16(bytes) | load_u16(bytes + 2) << 16;
}

static float load_float(const uint8_t *bytes)
{
  uint32_t bits = load_u32(bytes);
  float value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

static dyno_status truncated(const reader *in, const char *field, dyno_error *error)
{
  return dyno_fail(error, DYNO_ERROR_FORMAT, "%s: ends at byte %zu, before the end of %s", in->path,
                   in->size, field);
}

static dyno_status out_of_range(const reader *in, const char *field, size_t offset, double value,
                                dyno_error *error)
{
  return dyno_fail(error, DYNO_ERROR_FORMAT, "%s: %s at byte %zu is %.9g, which is out of range",
                   in->path, field, offset, value);
}

static dyno_status read_header(reader *in, dyno_golden *golden, dyno_error *error)
{
  const uint8_t *magic = take(in, MAGIC_BYTES, 1);
  if (magic == NULL || memcmp(magic, MAGIC, MAGIC_BYTES) != 0)
    return dyno_fail(error, DYNO_ERROR_FORMAT, "%s: does not begin with " MAGIC, in->path);
  const struct {
    const char *name;
    size_t least, most;
  } fields[] = {
      {"version", VERSION, VERSION},         {"vocabulary size", 2, MOST_IDS},
      {"entries per position", 2, MOST_IDS}, {"prompt count", 1, MOST_PROMPTS},
      {"model CRC-32", 0, UINT32_MAX},
  };
  enum { FIELDS = sizeof fields / sizeof *fields };
  uint32_t values[FIELDS];
  for (size_t f = 0; f < FIELDS; f++) {
    const uint8_t *bytes = take(in, 1, 4);
    if (bytes == NULL)
      return truncated(in, fields[f].name, error);
    values[f] = load_u32(bytes);
    if (values[f] < fields[f].least || values[f] > fields[f].most)
      return out_of_range(in, fields[f].name, in->offset - 4, values[f], error);
  }
  golden->vocab = values[1];
  golden->top = values[2];
  golden->prompt_count = values[3];
  golden->model_crc32 = values[4];
  if (golden->top > golden->vocab)
    return dyno_fail(error, DYNO_ERROR_FORMAT, "%s: %zu entries per position for %zu tokens",
                     in->path, golden->top, golden->vocab);
  return DYNO_OK;
}

/* An entry must not be likelier than the one before it, nor equal to it with a lower id. */
static bool in_order(const dyno_golden_entry *before, const dyno_golden_entry *entry)
{
  return before->log_probability > entry->log_probability ||
         (before->log_probability == entry->log_probability && before->id < entry->id);
}

static dyno_status read_entries(reader *in, dyno_golden_entry *entries, const dyno_golden *golden,
                                size_t positions, dyno_error *error)
{
  size_t count = positions * golden->top; /* no more than there are bytes: see read_prompt */
  size_t ids_at = in->offset;
  const uint8_t *ids = take(in, count, 2);
  size_t values_at = in->offset;
  const uint8_t *values = ids == NULL ? NULL : take(in, count, 4);
  if (values == NULL)
    return truncated(in, "a prompt's entries", error);
  for (size_t i = 0; i < count; i++) {
    dyno_golden_entry *entry = &entries[i];
    *entry = (dyno_golden_entry){load_u16(ids + 2 * i), load_float(values + 4 * i)};
    if (entry->id >= golden->vocab)
      return out_of_range(in, "token id", ids_at + 2 * i, entry->id, error);
    if (!isfinite(entry->log_probability) || entry->log_probability > 0)
      return out_of_range(in, "log probability", values_at + 4 * i, (double)entry->log_probability,
                          error);
    if (i % golden->top != 0 && !in_order(entry - 1, entry))
      return dyno_fail(error, DYNO_ERROR_FORMAT,
                       "%s: the log probability at byte %zu is out of order", in->path,
                       values_at + 4 * i);
  }
  return DYNO_OK;
}

static dyno_status read_prompt(reader *in, dyno_golden_prompt *prompt, const dyno_golden *golden,
                               dyno_error *error)
{
  const uint8_t *bytes = take(in, 1, 4);
  if (bytes == NULL)
    return truncated(in, "a prompt's length", error);
  size_t length = load_u32(bytes);
  if (length == 0)
    return out_of_range(in, "prompt length", in->offset - 4, 0, error);
  size_t tokens_at = in->offset;
  const uint8_t *ids = take(in, length, 2);
  /* Before anything is allocated: what is left bounds the length. */
  if (ids == NULL || (in->size - in->offset) / (6 * golden->top) < length)
    return truncated(in, "a prompt", error);
  uint32_t *tokens = malloc(length * sizeof *tokens);
  dyno_golden_entry *entries = malloc(length * golden->top * sizeof *entries);
  *prompt = (dyno_golden_prompt){length, tokens, entries}; /* dyno_golden_close frees them */
  if (tokens == NULL || entries == NULL)
    return dyno_fail(error, DYNO_ERROR_MEMORY, "%s: no memory for a prompt of %zu tokens", in->path,
                     length);
  for (size_t t = 0; t < length; t++) {
    tokens[t] = load_u16(ids + 2 * t);
    if (tokens[t] >= golden->vocab)
      return out_of_range(in, "prompt token", tokens_at + 2 * t, tokens[t], error);
  }
  return read_entries(in, entries, golden, length, error);
}

static dyno_status parse(reader *in, dyno_golden *golden, dyno_error *error)
{
  dyno_status status = read_header(in, golden, error);
  if (status != DYNO_OK)
    return status;
  dyno_golden_prompt *prompts = calloc(golden->prompt_count, sizeof *prompts);
  golden->prompts = prompts;
  if (prompts == NULL)
    return dyno_fail(error, DYNO_ERROR_MEMORY, "%s: no memory for %zu prompts", in->path,
                     golden->prompt_count);
  for (size_t p = 0; p < golden->prompt_count; p++) {
    status = read_prompt(in, &prompts[p], golden, error);
    if (status != DYNO_OK)
      return status;
  }
  if (in->offset != in->size)
    return dyno_fail(error, DYNO_ERROR_FORMAT, "%s: %zu bytes follow the last prompt at byte %zu",
                     in->path, in->size - in->offset, in->offset);
  return DYNO_OK;
}

dyno_status dyno_golden_open(dyno_golden **golden, const char *path, dyno_error *error)
{
  reader in = {.path = path};
  *golden = calloc(1, sizeof **golden);
  if (*golden == NULL)
    return dyno_fail(error, DYNO_ERROR_MEMORY, "%s: no memory", path);
  dyno_status status = inflate_file(&in, error);
  if (status == DYNO_OK)
    status = parse(&in, *golden, error);
  free(in.bytes);
  if (status != DYNO_OK)
    dyno_golden_close(golden);
  return status;
}

void dyno_golden_close(dyno_golden **golden)
{
  if (*golden == NULL)
    return;
  /* prompts is NULL when reading failed before its allocation. */
  for (size_t p = 0; (*golden)->prompts != NULL && p < (*golden)->prompt_count; p++) {
    free((void *)(*golden)->prompts[p].tokens);
    free((void *)(*golden)->prompts[p].entries);
  }
  free((void *)(*golden)->prompts);
  free(*golden);
  *golden = NULL;
}

static dyno_status crc_of_file(uint32_t *crc, const char *path, dyno_error *error)
{
  FILE *file = fopen(path, "rb");
  if (file == NULL)
    return dyno_fail(error, errno == ENOENT ? DYNO_ERROR_NOT_FOUND : DYNO_ERROR_IO,
                     "%s: cannot open: %s", path, strerror(errno));
  uint8_t buffer[16384];
  size_t got;
  while ((got = fread(buffer, 1, sizeof buffer, file)) > 0)
    *crc = (uint32_t)crc32(*crc, buffer, (uInt)got);
  bool failed = ferror(file) != 0;
  fclose(file);
  if (failed)
    return dyno_fail(error, DYNO_ERROR_IO, "%s: cannot read", path);
  return DYNO_OK;
}

/* Adds the names that match folder/pattern to paths, sorted among themselves. */
static dyno_status add_matches(glob_t *paths, const char *folder, const char *pattern, int flags,
                               dyno_error *error)
{
  char name[4096];
  int length = snprintf(name, sizeof name, "%s/%s", folder, pattern);
  if (length < 0 || (size_t)length >= sizeof name)
    return dyno_fail(error, DYNO_ERROR_USAGE, "%s: the path is too long", folder);
  if (glob(name, flags, NULL, paths) != 0)
    return dyno_fail(error, DYNO_ERROR_NOT_FOUND, "%s: no such file", name);
  return DYNO_OK;
}

dyno_status dyno_golden_check_model(const dyno_golden *golden, const char *folder,
                                    dyno_error *error)
{
  glob_t paths = {0};
  uint32_t crc = 0;
  /* "config.json" comes before "model...", so this is the order of all names. */
  dyno_status status = add_matches(&paths, folder, "config.json", 0, error);
  if (status == DYNO_OK)
    status = add_matches(&paths, folder, "*.safetensors", GLOB_APPEND, error);
  for (size_t p = 0; status == DYNO_OK && p < paths.gl_pathc; p++)
    status = crc_of_file(&crc, paths.gl_pathv[p], error);
  globfree(&paths);
  if (status == DYNO_OK && crc != golden->model_crc32)
    return dyno_fail(error, DYNO_ERROR_WRONG_OUTPUT,
                     "%s: its files have the CRC-32 %08x, the golden was made from files with %08x;"
                     " make both anew with make_goldens.py",
                     folder, (unsigned)crc, (unsigned)golden->model_crc32);
  return status;
}

static double log_of_sum(const float *logits, size_t vocab)
{
  double largest = -INFINITY, sum = 0;
  for (size_t i = 0; i < vocab; i++)
    largest = fmax(largest, (double)logits[i]);
  for (size_t i = 0; i < vocab; i++)
    sum += exp((double)logits[i] - largest);
  return largest + log(sum);
}

static uint32_t argmax(const float *logits, size_t vocab)
{
  size_t best = 0;
  for (size_t i = 1; i < vocab; i++)
    if (logits[i] > logits[best])
      best = i;
  return (uint32_t)best;
}

void dyno_golden_compare(const dyno_golden *golden, dyno_golden_difference *difference,
                         size_t prompt, size_t position, const float *logits, double tolerance)
{
  const dyno_golden_entry *entries = golden->prompts[prompt].entries + position * golden->top;
  double normaliser = log_of_sum(logits, golden->vocab);
  for (size_t e = 0; e < golden->top; e++) {
    double expected = (double)entries[e].log_probability;
    double off = fabs((double)logits[entries[e].id] - normaliser - expected);
    if (isnan(off)) /* NaN is smaller than nothing, so it would go unseen */
      off = INFINITY;
    if (off > difference->largest) {
      difference->largest = off;
      difference->prompt = prompt;
      difference->position = position;
      difference->id = entries[e].id;
    }
  }
  double margin = (double)entries[0].log_probability - (double)entries[1].log_probability;
  if (margin > tolerance && argmax(logits, golden->vocab) != entries[0].id)
    difference->argmax_differences++;
  difference->positions++;
}
