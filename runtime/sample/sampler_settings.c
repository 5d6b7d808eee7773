/* The settings of the sampler: one table says what each of them may be. */
#include "config.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/sample/sampler.h"

#define REAL(member, low, high, usual)                                                             \
  .offset = offsetof(dyno_sampler_settings, member), .kind = DYNO_SAMPLER_REAL, .least = (low),    \
  .greatest = (high), .fallback = (usual)
#define WHOLE(member, high, usual)                                                                 \
  .offset = offsetof(dyno_sampler_settings, member), .kind = DYNO_SAMPLER_WHOLE,                   \
  .greatest_whole = (high), .fallback = (usual)

static const dyno_sampler_field fields[] = {
    {.name = "temperature",
     REAL(temperature, 0, 100, 1),
     .help = "Divide logits by this; 0 takes the likeliest token"},
    {.name = "top-k",
     WHOLE(top_k, 1 << 24, 0),
     .help = "Choose among this many of the likeliest tokens; 0 for all"},
    {.name = "top-p",
     REAL(top_p, 0, 1, 1),
     .help = "Choose among the likeliest tokens that have this probability together"},
    {.name = "min-p",
     REAL(min_p, 0, 1, 0),
     .help = "Choose among tokens at least this probable, relative to the likeliest"},
    {.name = "repetition-penalty",
     REAL(repetition_penalty, 0.01, 100, 1),
     .help = "Make tokens that were there before less likely; 1 for not at all"},
    {.name = "repetition-window",
     WHOLE(repetition_window, 1 << 20, 0),
     .help = "How many tokens back the penalty looks; 0 for all"},
    {.name = "seed", WHOLE(seed, UINT64_MAX, 0), .help = "Which random numbers are used"},
};
enum { FIELD_COUNT = sizeof fields / sizeof *fields };

const dyno_sampler_field *dyno_sampler_fields(size_t *count)
{
  *count = FIELD_COUNT;
  return fields;
}

static void store(dyno_sampler_settings *settings, const dyno_sampler_field *field, double real,
                  uint64_t whole)
{
  char *member = (char *)settings + field->offset;
  if (field->kind == DYNO_SAMPLER_REAL)
    memcpy(member, &real, sizeof real);
  else
    memcpy(member, &whole, sizeof whole);
}

dyno_sampler_settings dyno_sampler_defaults(void)
{
  dyno_sampler_settings settings = {0};
  for (size_t i = 0; i < FIELD_COUNT; i++)
    store(&settings, &fields[i], fields[i].fallback, (uint64_t)fields[i].fallback);
  return settings;
}

static dyno_status out_of_range(const dyno_sampler_field *field, const char *value,
                                dyno_error *error)
{
  if (field->kind == DYNO_SAMPLER_REAL)
    return dyno_fail(error, DYNO_ERROR_USAGE, "%s: %.40s is not a number from %g to %g",
                     field->name, value, field->least, field->greatest);
  return dyno_fail(error, DYNO_ERROR_USAGE, "%s: %.40s is not a whole number from 0 to %" PRIu64,
                   field->name, value, field->greatest_whole);
}

/* NaN is in no range. */
static bool in_range(const dyno_sampler_field *field, double real, uint64_t whole)
{
  return field->kind == DYNO_SAMPLER_REAL ? real >= field->least && real <= field->greatest
                                          : whole <= field->greatest_whole;
}

/* Decimal only: strtod would also take "inf", "nan", and hexadecimal; strtoull takes "-1". */
static bool parse(const dyno_sampler_field *field, const char *value, double *real, uint64_t *whole)
{
  bool is_real = field->kind == DYNO_SAMPLER_REAL;
  if (value[0] == '\0' ||
      strspn(value, is_real ? "0123456789.+-eE" : "0123456789") != strlen(value))
    return false;
  char *end;
  errno = 0;
  if (is_real) {
    *real = strtod(value, &end);
    return *end == '\0' && isfinite(*real);
  }
  *whole = strtoull(value, &end, 10);
  return *end == '\0' && errno == 0;
}

dyno_status dyno_sampler_set(dyno_sampler_settings *settings, const char *name, const char *value,
                             dyno_error *error)
{
  for (size_t i = 0; i < FIELD_COUNT; i++) {
    if (strcmp(fields[i].name, name) != 0)
      continue;
    double real = 0;
    uint64_t whole = 0;
    if (!parse(&fields[i], value, &real, &whole) || !in_range(&fields[i], real, whole))
      return out_of_range(&fields[i], value, error);
    store(settings, &fields[i], real, whole);
    return DYNO_OK;
  }
  return dyno_fail(error, DYNO_ERROR_USAGE, "the sampler has no setting '%.40s'", name);
}

dyno_status dyno_sampler_check(const dyno_sampler_settings *settings, dyno_error *error)
{
  for (size_t i = 0; i < FIELD_COUNT; i++) {
    const char *member = (const char *)settings + fields[i].offset;
    double real;
    uint64_t whole;
    memcpy(&real, member, sizeof real);
    memcpy(&whole, member, sizeof whole);
    if (in_range(&fields[i], real, whole))
      continue;
    char value[40];
    if (fields[i].kind == DYNO_SAMPLER_REAL)
      snprintf(value, sizeof value, "%g", real);
    else
      snprintf(value, sizeof value, "%" PRIu64, whole);
    return out_of_range(&fields[i], value, error);
  }
  return DYNO_OK;
}
