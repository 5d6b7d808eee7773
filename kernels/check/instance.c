/* The memory and the reports of a case. */
#include "kernels/check/instance.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct dyno_allocation {
  dyno_allocation *next;
  void *memory;
};

void *dyno_instance_alloc(dyno_instance *instance, size_t bytes)
{
  dyno_allocation *allocation = malloc(sizeof *allocation);
  void *memory = calloc(1, bytes == 0 ? 1 : bytes);
  if (allocation == NULL || memory == NULL)
    dyno_child_give_up(instance->child, DYNO_ERROR_MEMORY, "no %zu bytes of memory", bytes);
  *allocation = (dyno_allocation){instance->allocations, memory};
  instance->allocations = allocation;
  return memory;
}

static const unsigned char poisons[DYNO_VIEW_COUNT] = {
    [DYNO_VIEW_FLUSH] = 0xff, /* NaN, -1 */
    [DYNO_VIEW_SHIFTED] = 0xa5,
    [DYNO_VIEW_REFERENCE] = 0xff,
    [DYNO_VIEW_TWIN] = 0xff,
};

dyno_guarded *dyno_instance_buffer(dyno_instance *instance, dyno_view view, const char *name,
                                   size_t bytes, size_t alignment, bool fill)
{
  dyno_tracked *tracked = dyno_instance_alloc(instance, sizeof *tracked);
  bool shifted = view == DYNO_VIEW_SHIFTED;
  /* Buffers of one case begin at different offsets: shift, 3 shift, 5 shift, ... */
  size_t shift = instance->shift * (2 * instance->buffers++ + 1) % 64 / alignment * alignment;
  if (!dyno_guarded_open(&tracked->buffer, instance->pool, name, bytes, alignment,
                         shifted ? DYNO_PLACE_SHIFTED : DYNO_PLACE_FLUSH, shift, poisons[view],
                         fill))
    dyno_child_give_up(instance->child, DYNO_ERROR_MEMORY, "cannot map %zu bytes for %s", bytes,
                       name);
  tracked->next = instance->child->buffers;
  instance->child->buffers = tracked;
  return &tracked->buffer;
}

const void *dyno_instance_input(dyno_instance *instance, dyno_view view, const char *name,
                                const void *bytes, size_t count, size_t alignment)
{
  dyno_guarded *buffer = dyno_instance_buffer(instance, view, name, count, alignment, true);
  if (count != 0)
    memcpy(buffer->data, bytes, count);
  if (!dyno_guarded_protect(buffer))
    dyno_child_give_up(instance->child, DYNO_ERROR_MEMORY, "cannot protect %s", name);
  return buffer->data;
}

dyno_check_output *dyno_instance_outputs(dyno_instance *instance, size_t count)
{
  instance->outputs = dyno_instance_alloc(instance, count * sizeof *instance->outputs);
  instance->output_count = count;
  return instance->outputs;
}

void dyno_instance_place(dyno_instance *instance, dyno_check_output *output, const char *name,
                         dyno_unit unit, size_t units, size_t columns, size_t alignment)
{
  size_t bytes = units * (unit == DYNO_UNIT_BYTE ? 1 : 4);
  output->name = name;
  output->unit = unit;
  output->units = units;
  output->columns = columns;
  output->row = dyno_instance_alloc(instance, units * sizeof *output->row);
  output->token = dyno_instance_alloc(instance, units * sizeof *output->token);
  output->whole = dyno_instance_alloc(instance, bytes);
  output->expected = dyno_instance_alloc(instance, bytes);
  output->done = dyno_instance_alloc(instance, units * sizeof *output->done);
  memset(output->row, 0xff, units * sizeof *output->row);
  memset(output->token, 0xff, units * sizeof *output->token);
  for (unsigned view = 0; view < DYNO_VIEW_COUNT; view++)
    if (instance->kernels[view] != NULL)
      output->place[view] =
          dyno_instance_buffer(instance, (dyno_view)view, name, bytes, alignment, true);
}

void dyno_instance_all_rows(dyno_instance *instance, size_t rows, size_t tokens)
{
  instance->rows = rows;
  instance->tokens = tokens;
  instance->ranges = dyno_instance_alloc(instance, sizeof *instance->ranges);
  instance->ranges[0] = (dyno_range){0, rows};
  instance->range_count = 1;
}

bool dyno_instance_has_bounds(const dyno_instance *instance)
{
  return instance->tolerance != DYNO_TOLERANCE_EXACT && instance->input != DYNO_INPUT_SPECIAL;
}

void dyno_instance_free(dyno_instance *instance)
{
  /* The buffers' records are allocations themselves. */
  for (dyno_tracked *tracked = instance->child->buffers; tracked != NULL; tracked = tracked->next)
    dyno_guarded_close(&tracked->buffer, instance->pool);
  instance->child->buffers = NULL;
  while (instance->allocations != NULL) {
    dyno_allocation *next = instance->allocations->next;
    free(instance->allocations->memory);
    free(instance->allocations);
    instance->allocations = next;
  }
}

void dyno_instance_step(const dyno_instance *instance, const char *format, ...)
{
  dyno_child_report *report = instance->child->report;
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(report->step, sizeof report->step, format, arguments);
  va_end(arguments);
}

static bool open_failure(dyno_instance *instance)
{
  dyno_child_report *report = instance->child->report;
  dyno_check_summary *summary = &report->summary;
  if (instance->failed)
    return false;
  instance->failed = true;
  if (summary->failures++ != 0)
    return false;
  memcpy(summary->first.problem, report->problem, sizeof summary->first.problem);
  memcpy(summary->first.input, report->input, sizeof summary->first.input);
  return true;
}

void dyno_instance_fail(dyno_instance *instance, const char *format, ...)
{
  if (!open_failure(instance))
    return;
  dyno_check_failure *first = &instance->child->report->summary.first;
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(first->what, sizeof first->what, format, arguments);
  va_end(arguments);
}

void dyno_instance_fail_element(dyno_instance *instance, const char *element, double got,
                                double want, double bound, const char *against)
{
  if (!open_failure(instance))
    return;
  dyno_check_failure *first = &instance->child->report->summary.first;
  snprintf(first->element, sizeof first->element, "%s", element);
  first->got = got;
  first->want = want;
  first->bound = bound;
  snprintf(first->what, sizeof first->what,
           bound == 0 ? "%s is %.9g, %s %.9g; they must be the same"
                      : "%s is %.9g, %s %.9g; off by %.3g, bound %.3g",
           element, got, against, want, got > want ? got - want : want - got, bound);
}

void dyno_instance_note(dyno_instance *instance, double share)
{
  dyno_check_summary *summary = &instance->child->report->summary;
  if (!(share > summary->worst))
    return;
  summary->worst = share;
  memcpy(summary->worst_problem, instance->child->report->problem, sizeof summary->worst_problem);
}
