/* Choosing: forced by name, else by measurement, else by tier and rank. */
#include "config.h"

#include "kernels/registry_internal.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const char *numerics_of(const dyno_kernel *kernel)
{
  return kernel->numerics != NULL ? kernel->numerics : kernel->name;
}

static bool same_layout(const dyno_layout *a, const dyno_layout *b)
{
  /* By name: a plug-in may carry a copy of a built-in layout. */
  return a == b || (a != NULL && b != NULL && strcmp(a->name, b->name) == 0);
}

static bool computes(const dyno_kernel *kernel, const dyno_problem *problem)
{
  return kernel->op == problem->op && kernel->weight == problem->weight &&
         kernel->activation == problem->activation;
}

bool dyno_registry_usable(const dyno_registry *registry, const dyno_kernel *kernel,
                          const dyno_problem *problem, char reason[DYNO_REASON_TEXT])
{
  char unused[DYNO_REASON_TEXT];
  if (reason == NULL)
    reason = unused;
  reason[0] = '\0';
  if (problem != NULL && !computes(kernel, problem)) {
    snprintf(reason, DYNO_REASON_TEXT, "computes %s weight=%s activation=%s",
             dyno_op_name(kernel->op), dyno_dtype_name(kernel->weight),
             dyno_dtype_name(kernel->activation));
  } else if (kernel->isa > registry->cpu.isa) {
    snprintf(reason, DYNO_REASON_TEXT, "needs %s, which this CPU lacks",
             registry->cpu.missing[kernel->isa]);
  } else if (kernel->isa > registry->isa) {
    snprintf(reason, DYNO_REASON_TEXT, "masked by --isa=%s", dyno_isa_name(registry->isa));
  } else if (problem != NULL && kernel->supports != NULL && !kernel->supports(problem)) {
    char text[DYNO_PROBLEM_TEXT];
    dyno_problem_format(text, problem);
    snprintf(reason, DYNO_REASON_TEXT, "does not support %.*s", DYNO_REASON_TEXT - 20, text);
  } else {
    return true;
  }
  return false;
}

/* What dyno_select may choose from. */
typedef struct candidates {
  const dyno_registry *registry;
  const dyno_problem *problem;
  const dyno_layout *layout; /* NULL: any */
  const char *numerics;      /* NULL: any */
} candidates;

/* Why the constraints rule a variant out, or NULL when they do not. */
static const char *ruled_out(const candidates *from, const dyno_kernel *kernel)
{
  if (from->layout != NULL && !same_layout(dyno_kernel_layout(kernel), from->layout))
    return "it reads another layout than the tensor has";
  if (from->numerics != NULL && strcmp(numerics_of(kernel), from->numerics) != 0)
    return "it rounds differently from the tensor's other kernels";
  return NULL;
}

static bool is_candidate(const candidates *from, const dyno_kernel *kernel)
{
  return dyno_registry_usable(from->registry, kernel, from->problem, NULL) &&
         ruled_out(from, kernel) == NULL;
}

/* Static preference: variants without a known quirk of this CPU before those with one, those
 * before the reference, then by tier, then by rank. */
static int static_score(const dyno_registry *registry, const dyno_kernel *kernel)
{
  int class = kernel->isa == DYNO_ISA_REF ? 0 : (kernel->avoid & registry->cpu.quirks) != 0 ? 1 : 2;
  return class * 1000000 + (int)kernel->isa * 10000 + kernel->rank;
}

static bool names(const forced_choice *forced, const dyno_kernel *kernel)
{
  bool in_scope = forced->op != DYNO_OP_COUNT ? kernel->op == forced->op
                                              : dyno_op_family(kernel->op) == forced->family;
  return in_scope && strstr(kernel->name, forced->part) != NULL;
}

/* The variant that a --kernel option names for this problem: NULL when none concerns it. An exact
 * name wins over parts; later options win over earlier ones. */
static dyno_status find_forced(const dyno_kernel **kernel, const forced_choice **by,
                               const candidates *from, dyno_error *error)
{
  const dyno_registry *registry = from->registry;
  *kernel = NULL;
  for (size_t f = registry->forced_count; f-- > 0 && *kernel == NULL;) {
    const forced_choice *forced = &registry->forced[f];
    char matches[512];
    size_t count = 0, used = 0;
    for (size_t i = 0; i < registry->count; i++) {
      const dyno_kernel *candidate = registry->entries[i].kernel;
      if (!computes(candidate, from->problem) || !names(forced, candidate))
        continue;
      *kernel = candidate;
      count++;
      if (strcmp(candidate->name, forced->part) == 0) {
        count = 1;
        break;
      }
      int written = snprintf(matches + used, sizeof matches - used, "%s%s", used == 0 ? "" : ", ",
                             candidate->name);
      if (written > 0 && (size_t)written < sizeof matches - used)
        used += (size_t)written;
    }
    *by = forced;
    if (count > 1)
      return dyno_fail(error, DYNO_ERROR_USAGE, "--kernel: '%s' names several variants: %s",
                       forced->part, matches);
  }
  return DYNO_OK;
}

static dyno_status take_forced(dyno_choice *choice, const candidates *from,
                               const dyno_kernel *kernel, const forced_choice *by,
                               dyno_error *error)
{
  char why[DYNO_REASON_TEXT];
  const char *reason = why;
  if (dyno_registry_usable(from->registry, kernel, from->problem, why))
    reason = ruled_out(from, kernel);
  if (reason != NULL)
    return dyno_fail(error, DYNO_ERROR_UNAVAILABLE,
                     "--kernel: %s was asked for and cannot be used: %s", kernel->name, reason);
  choice->kernel = kernel;
  snprintf(choice->reason, sizeof choice->reason, "forced by --kernel=%s=%s",
           by->op != DYNO_OP_COUNT ? dyno_op_name(by->op) : dyno_family_name(by->family), by->part);
  return DYNO_OK;
}

static bool choose_tuned(dyno_choice *choice, const candidates *from)
{
  const dyno_registry *registry = from->registry;
  uint64_t best = 0;
  for (size_t i = 0; i < registry->count; i++) {
    const dyno_kernel *kernel = registry->entries[i].kernel;
    if (!is_candidate(from, kernel))
      continue;
    uint64_t time = dyno_tuned_nanoseconds(registry->tuned, kernel, from->problem);
    if (time != 0 && (best == 0 || time < best)) {
      best = time;
      choice->kernel = kernel;
    }
  }
  if (best == 0)
    return false;
  snprintf(choice->reason, sizeof choice->reason, "tuned: fastest measured, %.6g ms",
           (double)best * 1e-6);
  return true;
}

static bool choose_ranked(dyno_choice *choice, const candidates *from)
{
  const dyno_registry *registry = from->registry;
  const dyno_kernel *best = NULL;
  size_t usable = 0;
  for (size_t i = 0; i < registry->count; i++) {
    const dyno_kernel *kernel = registry->entries[i].kernel;
    if (!is_candidate(from, kernel))
      continue;
    usable++;
    if (best == NULL || static_score(registry, kernel) > static_score(registry, best))
      best = kernel;
  }
  if (best == NULL)
    return false;
  choice->kernel = best;
  const char *quirk = best->isa != DYNO_ISA_REF && (best->avoid & registry->cpu.quirks) != 0
                          ? ", though slow on this CPU"
                          : "";
  snprintf(choice->reason, sizeof choice->reason, "rank: %s %d, first of %zu usable%s",
           dyno_isa_name(best->isa), best->rank, usable, quirk);
  return true;
}

dyno_status dyno_select(dyno_choice *choice, const dyno_registry *registry,
                        const dyno_problem *problem, const dyno_layout *layout,
                        const char *numerics, dyno_error *error)
{
  const candidates from = {registry, problem, layout, numerics};
  *choice = (dyno_choice){0};
  const dyno_kernel *forced;
  const forced_choice *by = NULL;
  dyno_status status = find_forced(&forced, &by, &from, error);
  if (status != DYNO_OK)
    return status;
  if (forced != NULL)
    return take_forced(choice, &from, forced, by, error);
  if (registry->tuned != NULL && choose_tuned(choice, &from))
    return DYNO_OK;
  if (choose_ranked(choice, &from))
    return DYNO_OK;
  char text[DYNO_PROBLEM_TEXT];
  dyno_problem_format(text, problem);
  return dyno_fail(error, DYNO_ERROR_NOT_FOUND, "no usable kernel for %s%s%s", text,
                   layout != NULL ? " in layout " : "", layout != NULL ? layout->name : "");
}

/* How good a set of choices is: measured when every one was, else by static preference. */
typedef struct layout_score {
  bool measured;
  double log_time; /* summed: the geometric mean weighs decode and prefill alike */
  int total, first;
} layout_score;

static layout_score score_choices(const dyno_registry *registry, const dyno_problem *problems,
                                  const dyno_choice *choices, size_t count)
{
  layout_score score = {.measured = registry->tuned != NULL};
  for (size_t i = 0; i < count; i++) {
    uint64_t time = 0;
    if (registry->tuned != NULL)
      time = dyno_tuned_nanoseconds(registry->tuned, choices[i].kernel, &problems[i]);
    score.measured = score.measured && time != 0;
    score.log_time += time != 0 ? log((double)time) : 0;
    score.total += static_score(registry, choices[i].kernel);
  }
  score.first = static_score(registry, choices[0].kernel);
  return score;
}

static bool better(const layout_score *a, const layout_score *b)
{
  if (a->measured && b->measured)
    return a->log_time < b->log_time;
  if (a->measured != b->measured)
    return a->measured;
  return a->total != b->total ? a->total > b->total : a->first > b->first;
}

enum { MOST_PROBLEMS = 16 };

/* Each problem by itself: an error of a forced choice is reported as such. */
static dyno_status check_problems(const dyno_registry *registry, const dyno_problem *problems,
                                  size_t count, const dyno_layout *layout, dyno_error *error)
{
  if (count == 0 || count > MOST_PROBLEMS)
    return dyno_fail(error, DYNO_ERROR_USAGE, "a layout is chosen on 1 to %d problems, not %zu",
                     MOST_PROBLEMS, count);
  dyno_status status = DYNO_OK;
  for (size_t i = 0; i < count && status == DYNO_OK; i++) {
    dyno_choice ignored;
    status = dyno_select(&ignored, registry, &problems[i], layout, NULL, error);
  }
  return status;
}

/* The best layout and numerics, or none: then *layout is NULL. required is the only layout
 * considered, or NULL. */
static void search_layouts(const dyno_layout **layout, dyno_choice *choices,
                           const dyno_registry *registry, const dyno_problem *problems,
                           size_t count, const dyno_layout *required)
{
  dyno_choice trial[MOST_PROBLEMS];
  layout_score best = {0};
  *layout = NULL;
  for (size_t k = 0; k < registry->count; k++) {
    const dyno_kernel *kernel = registry->entries[k].kernel;
    if (!dyno_registry_usable(registry, kernel, &problems[0], NULL))
      continue;
    const dyno_layout *candidate = dyno_kernel_layout(kernel);
    if (required != NULL && !same_layout(candidate, required))
      continue;
    size_t served = 0;
    while (served < count && dyno_select(&trial[served], registry, &problems[served], candidate,
                                         numerics_of(kernel), NULL) == DYNO_OK)
      served++;
    if (served < count)
      continue;
    layout_score score = score_choices(registry, problems, trial, count);
    if (*layout == NULL || better(&score, &best)) {
      best = score;
      *layout = candidate;
      memcpy(choices, trial, count * sizeof *choices);
    }
  }
}

static dyno_status unserved(const dyno_problem *problems, size_t count, dyno_error *error)
{
  char text[DYNO_PROBLEM_TEXT];
  dyno_problem_format(text, &problems[0]);
  return dyno_fail(error, DYNO_ERROR_UNAVAILABLE,
                   "no layout serves %s and the %zu other problems of its tensor with one "
                   "numerics; a forced kernel may be the reason",
                   text, count - 1);
}

dyno_status dyno_select_layout(const dyno_layout **layout, dyno_choice *choices,
                               const dyno_registry *registry, const dyno_problem *problems,
                               size_t count, dyno_error *error)
{
  *layout = NULL;
  dyno_status status = check_problems(registry, problems, count, NULL, error);
  if (status != DYNO_OK)
    return status;
  search_layouts(layout, choices, registry, problems, count, NULL);
  return *layout != NULL ? DYNO_OK : unserved(problems, count, error);
}

dyno_status dyno_select_in_layout(dyno_choice *choices, const dyno_registry *registry,
                                  const dyno_problem *problems, size_t count,
                                  const dyno_layout *layout, dyno_error *error)
{
  dyno_status status = check_problems(registry, problems, count, layout, error);
  if (status != DYNO_OK)
    return status;
  const dyno_layout *found;
  search_layouts(&found, choices, registry, problems, count, layout);
  return found != NULL ? DYNO_OK : unserved(problems, count, error);
}
