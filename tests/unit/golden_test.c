#include <criterion/criterion.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include "tests/oracle/golden.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

static const char *const models[] = {"f32",   "bf16-odd",    "bf16-sharded",
                                     "mxfp4", "f16-unusual", "bf16-deep"};
static const size_t lengths[] = {1, 5, 127, 128, 129, 400, 1000};

static void oracle_path(char *path, size_t size, const char *format, const char *name)
{
  const char *top = getenv("top_srcdir");
  int length = snprintf(path, size, "%s/tests/oracle/", top != NULL ? top : ".");
  snprintf(path + length, size - (size_t)length, format, name);
}

static dyno_golden *open_golden(const char *name)
{
  char path[4096];
  dyno_error error = {0};
  dyno_golden *golden;
  oracle_path(path, sizeof path, "goldens/%s.golden.gz", name);
  cr_assert(dyno_golden_open(&golden, path, &error) == DYNO_OK, "%s", error.message);
  return golden;
}

Test(golden, every_golden_has_the_prompts_of_the_issue)
{
  for (size_t m = 0; m < COUNT(models); m++) {
    dyno_golden *golden = open_golden(models[m]);
    cr_assert(golden->top == 50, "%s: %zu entries", models[m], golden->top);
    cr_assert(golden->prompt_count == COUNT(lengths), "%s: %zu prompts", models[m],
              golden->prompt_count);
    for (size_t p = 0; p < COUNT(lengths); p++)
      cr_assert(golden->prompts[p].length == lengths[p], "%s: prompt %zu has %zu tokens", models[m],
                p, golden->prompts[p].length);
    dyno_golden_close(&golden);
    cr_assert(golden == NULL, "still there");
  }
}

Test(golden, every_golden_belongs_to_its_model)
{
  for (size_t m = 0; m < COUNT(models); m++) {
    char folder[4096];
    dyno_error error = {0};
    dyno_golden *golden = open_golden(models[m]);
    oracle_path(folder, sizeof folder, "models/%s", models[m]);
    cr_assert(dyno_golden_check_model(golden, folder, &error) == DYNO_OK, "%s", error.message);
    oracle_path(folder, sizeof folder, "models/%s", models[(m + 1) % COUNT(models)]);
    cr_assert(dyno_golden_check_model(golden, folder, &error) == DYNO_ERROR_WRONG_OUTPUT,
              "%s passes for %s", folder, models[m]);
    oracle_path(folder, sizeof folder, "goldens%s", "");
    cr_assert(dyno_golden_check_model(golden, folder, &error) == DYNO_ERROR_NOT_FOUND,
              "a folder without a model passes");
    dyno_golden_close(&golden);
  }
}

/* Logits whose log-softmax is the position's entries, the rest of the probability being shared
 * evenly by the other tokens, and then moved by a constant, which softmax does not see. */
static float *logits_of(const dyno_golden *golden, size_t prompt, size_t position)
{
  const dyno_golden_entry *entries = golden->prompts[prompt].entries + position * golden->top;
  double mass = 0;
  for (size_t e = 0; e < golden->top; e++)
    mass += exp((double)entries[e].log_probability);
  cr_assert(mass > 0 && mass < 1 + 1e-6, "probabilities add up to %.9f", mass);
  float *logits = malloc(golden->vocab * sizeof *logits);
  cr_assert(logits != NULL, "no memory");
  double rest = fmax(1 - mass, 1e-30) / (double)(golden->vocab - golden->top);
  for (size_t i = 0; i < golden->vocab; i++)
    logits[i] = (float)log(rest);
  for (size_t e = 0; e < golden->top; e++)
    logits[entries[e].id] = entries[e].log_probability;
  for (size_t i = 0; i < golden->vocab; i++)
    logits[i] += 3.0F;
  return logits;
}

Test(golden, comparing_sees_agreement_everywhere)
{
  for (size_t m = 0; m < COUNT(models); m++) {
    dyno_golden *golden = open_golden(models[m]);
    dyno_golden_difference difference = {0};
    for (size_t p = 0; p < golden->prompt_count; p++)
      for (size_t t = 0; t < golden->prompts[p].length; t++) {
        float *logits = logits_of(golden, p, t);
        dyno_golden_compare(golden, &difference, p, t, logits, 2e-3);
        free(logits);
      }
    cr_assert(difference.positions == 1790, "%zu positions", difference.positions);
    cr_assert(difference.largest < 4e-6, "%s: off by %g", models[m], difference.largest);
    cr_assert(difference.argmax_differences == 0, "%zu argmaxes differ",
              difference.argmax_differences);
    dyno_golden_close(&golden);
  }
}

/* A position whose first two tokens are further apart than 2e-3 and closer than 1. */
static size_t position_with_a_margin(const dyno_golden *golden, size_t prompt)
{
  const dyno_golden_prompt *here = &golden->prompts[prompt];
  for (size_t t = 1; t < here->length; t++) {
    const dyno_golden_entry *first = here->entries + t * golden->top;
    float margin = first[0].log_probability - first[1].log_probability;
    if (margin > 4e-3F && margin < 1.0F)
      return t;
  }
  cr_assert(false, "no such position");
  return 0;
}

Test(golden, comparing_sees_and_places_a_difference)
{
  dyno_golden *golden = open_golden("f32");
  size_t t = position_with_a_margin(golden, 3);
  const dyno_golden_entry *entries = golden->prompts[3].entries + t * golden->top;
  float *logits = logits_of(golden, 3, t);

  dyno_golden_difference difference = {0};
  logits[entries[49].id] -= 0.01F;
  dyno_golden_compare(golden, &difference, 3, t, logits, 2e-3);
  cr_assert(fabs(difference.largest - 0.01) < 1e-3, "found %g", difference.largest);
  cr_assert(difference.prompt == 3 && difference.position == t && difference.id == entries[49].id,
            "placed at prompt %zu, position %zu, token %u", difference.prompt, difference.position,
            (unsigned)difference.id);
  cr_assert(difference.argmax_differences == 0, "argmax");

  float likeliest = logits[entries[0].id];
  logits[entries[0].id] = logits[entries[1].id];
  logits[entries[1].id] = likeliest;
  dyno_golden_compare(golden, &difference, 3, t, logits, 2e-3);
  cr_assert(difference.argmax_differences == 1, "a swapped argmax is not seen");
  dyno_golden_compare(golden, &difference, 3, t, logits, 2.0);
  cr_assert(difference.argmax_differences == 1, "a margin below the tolerance counts");

  logits[entries[0].id] = NAN;
  dyno_golden_compare(golden, &difference, 3, t, logits, 2e-3);
  cr_assert(isinf(difference.largest), "NaN is not seen: %g", difference.largest);
  cr_assert(difference.positions == 4, "%zu positions", difference.positions);
  free(logits);
  dyno_golden_close(&golden);
}

/* A golden of two prompts for a vocabulary of 4, before it is compressed; offsets on the right. */
static const unsigned char small[] = "DYNOGOLD"                  /* 0 */
                                     "\1\0\0\0"                  /* 8 */
                                     "\4\0\0\0"                  /* 12 */
                                     "\2\0\0\0"                  /* 16 */
                                     "\2\0\0\0"                  /* 20 */
                                     "\x78\x56\x34\x12"          /* 24 */
                                     "\1\0\0\0"                  /* 28 */
                                     "\3\0"                      /* 32 */
                                     "\1\0\2\0"                  /* 34 */
                                     "\0\0\0\xbf\0\0\x80\xbf"    /* 38: -0.5, -1 */
                                     "\2\0\0\0"                  /* 46 */
                                     "\0\0\3\0"                  /* 50 */
                                     "\0\0\1\0\2\0\3\0"          /* 54 */
                                     "\0\0\0\xbf\0\0\x80\xbf"    /* 62 */
                                     "\0\0\x80\xbf\0\0\x80\xbf"; /* 70 */
#define SMALL_BYTES (sizeof small - 1)

/* Makes an empty file; the caller unlinks it. */
static void temporary(char path[64])
{
  strcpy(path, "/tmp/dyno_golden_XXXXXX");
  int file = mkstemp(path);
  cr_assert(file >= 0, "no temporary file");
  close(file);
}

static dyno_status open_bytes(const unsigned char *bytes, size_t size, dyno_golden **golden,
                              dyno_error *error)
{
  char path[64];
  temporary(path);
  gzFile file = gzopen(path, "wb");
  cr_assert(file != NULL, "cannot write %s", path);
  cr_assert(size == 0 || gzwrite(file, bytes, (unsigned)size) == (int)size, "cannot write");
  cr_assert(gzclose(file) == Z_OK, "cannot write %s", path);
  dyno_status status = dyno_golden_open(golden, path, error);
  unlink(path);
  return status;
}

Test(golden, the_format_is_as_described)
{
  dyno_golden *golden;
  dyno_error error = {0};
  cr_assert(open_bytes(small, SMALL_BYTES, &golden, &error) == DYNO_OK, "%s", error.message);
  cr_assert(golden->vocab == 4 && golden->top == 2 && golden->prompt_count == 2, "header");
  cr_assert(golden->model_crc32 == 0x12345678, "crc %08x", (unsigned)golden->model_crc32);
  const dyno_golden_prompt *first = &golden->prompts[0], *second = &golden->prompts[1];
  cr_assert(first->length == 1 && first->tokens[0] == 3, "first prompt");
  cr_assert(first->entries[0].id == 1 && first->entries[0].log_probability == -0.5F, "entry 0");
  cr_assert(first->entries[1].id == 2 && first->entries[1].log_probability == -1.0F, "entry 1");
  cr_assert(second->length == 2 && second->tokens[0] == 0 && second->tokens[1] == 3, "second");
  cr_assert(second->entries[3].id == 3 && second->entries[3].log_probability == -1.0F, "entry 3");
  dyno_golden_close(&golden);
}

Test(golden, every_field_out_of_range_is_an_error)
{
  const struct {
    size_t offset;
    unsigned char value;
    const char *message;
  } changes[] = {
      {0, 'X', "does not begin with DYNOGOLD"},
      {8, 2, "version at byte 8 is 2"},
      {12, 0, "vocabulary size at byte 12 is 0"},
      {14, 2, "vocabulary size at byte 12 is 131076"},
      {16, 1, "entries per position at byte 16 is 1"},
      {16, 5, "5 entries per position for 4 tokens"},
      {20, 0, "prompt count at byte 20 is 0"},
      {20, 3, "before the end of a prompt's length"},
      {20, 1, "bytes follow the last prompt at byte 46"},
      {22, 1, "prompt count at byte 20 is 65538"},
      {28, 0, "prompt length at byte 28 is 0"},
      {31, 255, "before the end of a prompt"},
      {32, 4, "prompt token at byte 32 is 4"},
      {34, 4, "token id at byte 34 is 4"},
      {41, 0x3f, "log probability at byte 38 is 0.5"},
      {45, 0x3e, "log probability at byte 42 is 0.25"},
      {45, 0xbe, "log probability at byte 42 is out of order"},
      {58, 3, "log probability at byte 74 is out of order"},
      {46, 3, "before the end of a prompt"},
  };
  for (size_t c = 0; c < COUNT(changes); c++) {
    unsigned char bytes[SMALL_BYTES];
    memcpy(bytes, small, SMALL_BYTES);
    bytes[changes[c].offset] = changes[c].value;
    dyno_golden *golden;
    dyno_error error = {0};
    cr_assert(open_bytes(bytes, SMALL_BYTES, &golden, &error) == DYNO_ERROR_FORMAT,
              "byte %zu = %d: status %d", changes[c].offset, changes[c].value, (int)error.status);
    cr_assert(golden == NULL, "not freed");
    cr_assert(strstr(error.message, changes[c].message) != NULL, "byte %zu = %d: %s",
              changes[c].offset, changes[c].value, error.message);
  }
}

Test(golden, every_truncation_is_an_error)
{
  for (size_t size = 0; size < SMALL_BYTES; size++) {
    dyno_golden *golden;
    dyno_error error = {0};
    cr_assert(open_bytes(small, size, &golden, &error) == DYNO_ERROR_FORMAT, "%zu bytes: status %d",
              size, (int)error.status);
  }
}

Test(golden, a_damaged_gzip_stream_is_an_error)
{
  char source[4096], path[64];
  oracle_path(source, sizeof source, "goldens/%s.golden.gz", "f32");
  FILE *in = fopen(source, "rb");
  cr_assert(in != NULL, "no %s", source);
  static unsigned char bytes[1 << 20];
  size_t size = fread(bytes, 1, sizeof bytes, in);
  fclose(in);
  cr_assert(size > 1000 && size < sizeof bytes, "%zu bytes", size);
  temporary(path);

  const struct {
    size_t size, offset;
    unsigned char flip;
  } damages[] = {
      {size - 1, 0, 0}, {size / 2, 0, 0}, {size, size / 2, 1}, {size, size - 6, 1}, {size, 0, 255}};
  for (size_t d = 0; d < COUNT(damages); d++) {
    bytes[damages[d].offset] ^= damages[d].flip;
    FILE *out = fopen(path, "wb");
    cr_assert(out != NULL && fwrite(bytes, 1, damages[d].size, out) == damages[d].size, "write");
    fclose(out);
    bytes[damages[d].offset] ^= damages[d].flip;
    dyno_golden *golden;
    dyno_error error = {0};
    cr_assert(dyno_golden_open(&golden, path, &error) == DYNO_ERROR_FORMAT, "damage %zu: status %d",
              d, (int)error.status);
    cr_assert(strstr(error.message, path) != NULL, "%s", error.message);
  }
  unlink(path);
  dyno_golden *golden;
  dyno_error error = {0};
  cr_assert(dyno_golden_open(&golden, path, &error) == DYNO_ERROR_NOT_FOUND, "opened nothing");
  cr_assert(golden == NULL, "golden of nothing");
}
