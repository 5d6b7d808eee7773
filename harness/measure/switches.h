/* Everything about an engine that can be switched, in one table: what `--NAME=VALUE` of the command
 * line, an arm of a comparison, and a report of the conditions have in common.
 *
 * Thread-safe: settings belong to whoever made them. */
#ifndef DYNO_HARNESS_MEASURE_SWITCHES_H
#define DYNO_HARNESS_MEASURE_SWITCHES_H

#include <stddef.h>

#include "runtime/engine.h"

/* An engine's options and the lists they point to; the strings themselves belong to the caller.
 * Initialise with DYNO_SETTINGS_DEFAULTS, free with dyno_settings_free. */
typedef struct dyno_settings {
  dyno_engine_options engine;
  const char **force, **plugins; /* owned; engine.registry points to them */
} dyno_settings;

#define DYNO_SETTINGS_DEFAULTS ((dyno_settings){.engine = DYNO_ENGINE_DEFAULTS})

enum { DYNO_SWITCH_TEXT = 4352 /* a path, and what may stand before it */ };

typedef struct dyno_switch {
  const char *name;
  const char *values; /* for people: "spin or mutex" */
  bool repeatable;    /* adds to a list */
  /* USAGE, saying what was wanted; MEMORY. */
  dyno_status (*set)(dyno_settings *settings, const struct dyno_switch *itself, const char *value,
                     dyno_error *error);
  /* The value as set would take it, number `index` of a list; false when there is none (a default
   * that cannot be spelled). */
  bool (*get)(const dyno_settings *settings, size_t index, char text[DYNO_SWITCH_TEXT]);
} dyno_switch;

/* The table; it ends with a NULL name. */
extern const dyno_switch dyno_switches[];

const dyno_switch *dyno_switch_find(const char *name); /* NULL: there is none */

/* Sets what "NAME=VALUE" says; value's memory must outlive the settings. USAGE, MEMORY. */
dyno_status dyno_settings_apply(dyno_settings *settings, const char *text, dyno_error *error);

/* The same from a name and a value. */
dyno_status dyno_settings_set(dyno_settings *settings, const char *name, const char *value,
                              dyno_error *error);

/* A copy of base; the lists are copied, the strings shared. MEMORY. */
dyno_status dyno_settings_copy(dyno_settings *copy, const dyno_engine_options *base,
                               dyno_error *error);

/* "quant=int8 pool=mutex": what is not as usual, but the model, threads and batch, which have
 * values of their own whether they were asked for or not. Cut off where there is no room. */
void dyno_settings_describe(char *text, size_t room, const dyno_engine_options *engine);

void dyno_settings_free(dyno_settings *settings);

#endif
