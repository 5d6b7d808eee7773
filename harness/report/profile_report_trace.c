/* Formats that show every event: folded stacks, and the trace event format
 * (Google, "Trace Event Format", 2016). */
#include <jansson.h>
#include <math.h>

#include "harness/report/profile_report.h"

/* What stands first in a stack: the phase, and the threads where there are several runs. */
#define STACK_TEXT (DYNO_PROFILE_PHASE_TEXT + 32)

static void stack_name(char text[STACK_TEXT], const dyno_profile_report *report,
                       const dyno_profile_run *run, const dyno_profile_phase *phase)
{
  char name[DYNO_PROFILE_PHASE_TEXT];
  dyno_profile_phase_name(name, phase);
  if (report->run_count > 1)
    snprintf(text, STACK_TEXT, "%u thread%s;%s", run->threads, run->threads > 1 ? "s" : "", name);
  else
    snprintf(text, STACK_TEXT, "%s", name);
}

static void fold_phase(FILE *stream, const char *stack, const dyno_profile_summary *summary)
{
  for (size_t i = 0; i < summary->row_count; i++) {
    const dyno_profile_row *row = &summary->rows[i];
    if (row->kernel != NULL)
      fprintf(stream, "%s;%s;%s %.0f\n", stack, row->op, row->kernel->name, row->seconds * 1e6);
    else
      fprintf(stream, "%s;%s %.0f\n", stack, row->op, row->seconds * 1e6);
    if (row->waited_seconds > 0)
      fprintf(stream, "%s;%s;%s %.0f\n", stack, DYNO_PROFILE_BARRIER, row->op,
              row->waited_seconds * 1e6);
  }
  fprintf(stream, "%s;between ops %.0f\n", stack, fmax(summary->between_seconds, 0) * 1e6);
}

dyno_status dyno_profile_report_folded(const dyno_profile_report *report, FILE *stream,
                                       dyno_error *error)
{
  for (size_t i = 0; i < report->run_count; i++)
    for (size_t j = 0; j < report->runs[i].phase_count; j++) {
      const dyno_profile_phase *phase = &report->runs[i].phases[j];
      char stack[STACK_TEXT];
      stack_name(stack, report, &report->runs[i], phase);
      if (phase->recorder != NULL)
        fold_phase(stream, stack, &phase->summary);
    }
  return ferror(stream) ? dyno_fail(error, DYNO_ERROR_IO, "cannot write stacks: %m") : DYNO_OK;
}

/* The trace under way. */
typedef struct tracer {
  FILE *stream;
  uint64_t start_ns; /* of the first call, so that times are small */
  bool any, failed;
} tracer;

/* Writes one event, which may be NULL for want of memory, and frees it. */
static void emit(tracer *trace, json_t *event)
{
  fputs(trace->any ? ",\n" : "[\n", trace->stream);
  trace->any = true;
  if (event == NULL || json_dumpf(event, trace->stream,
                                  JSON_COMPACT | JSON_PRESERVE_ORDER | JSON_REAL_PRECISION(15)))
    trace->failed = true;
  json_decref(event);
}

static void emit_name(tracer *trace, const char *what, size_t process, size_t thread,
                      const char *name)
{
  emit(trace, json_pack("{s:s, s:s, s:I, s:I, s:{s:s}}", "name", what, "ph", "M", "pid",
                        (json_int_t)process, "tid", (json_int_t)thread, "args", "name", name));
}

static double microseconds(const tracer *trace, uint64_t ns)
{
  return ((double)ns - (double)trace->start_ns) * 1e-3;
}

static void trace_event(tracer *trace, size_t process, const dyno_probe_event *event)
{
  json_t *object = json_pack("{s:s, s:s, s:s, s:f, s:f, s:I, s:I}", "name", event->op, "cat",
                             event->kernel == NULL ? "engine" : dyno_op_name(event->kernel->op),
                             "ph", "X", "ts", microseconds(trace, event->begin_ns), "dur",
                             (double)(event->end_ns - event->begin_ns) * 1e-3, "pid",
                             (json_int_t)process, "tid", (json_int_t)event->thread);
  json_t *more =
      json_pack("{s:i, s:I, s:I, s:I}", "layer", event->layer, "tokens", (json_int_t)event->tokens,
                "bytes", (json_int_t)event->bytes, "macs", (json_int_t)event->macs);
  if (event->kernel != NULL)
    json_object_set_new(more, "kernel", json_string(event->kernel->name));
  json_object_set_new(object, "args", more);
  emit(trace, object);
}

/* The engine's calls lie on a track of their own, below the threads'. */
static void trace_phase(tracer *trace, size_t process, const dyno_profile_phase *phase,
                        unsigned threads)
{
  char name[DYNO_PROFILE_PHASE_TEXT];
  dyno_profile_phase_name(name, phase);
  for (size_t i = 0; i < phase->step_count; i++) {
    const dyno_profile_step *step = &phase->steps[i];
    emit(trace,
         json_pack("{s:s, s:s, s:s, s:f, s:f, s:I, s:I, s:{s:I}}", "name", name, "cat", "call",
                   "ph", "X", "ts", microseconds(trace, step->begin_ns), "dur",
                   (double)(step->end_ns - step->begin_ns) * 1e-3, "pid", (json_int_t)process,
                   "tid", (json_int_t)threads, "args", "position", (json_int_t)(phase->depth + i)));
  }
  for (unsigned thread = 0; thread < threads; thread++)
    for (size_t i = 0; i < dyno_profile_recorder_count(phase->recorder, thread); i++)
      trace_event(trace, process, dyno_profile_recorder_event(phase->recorder, thread, i));
}

static void trace_run(tracer *trace, size_t process, const dyno_profile_run *run)
{
  char name[64];
  snprintf(name, sizeof name, "dyno, %u thread%s", run->threads, run->threads > 1 ? "s" : "");
  emit_name(trace, "process_name", process, 0, name);
  for (unsigned thread = 0; thread < run->threads; thread++) {
    snprintf(name, sizeof name, "thread %u", thread);
    emit_name(trace, "thread_name", process, thread, name);
  }
  emit_name(trace, "thread_name", process, run->threads, "calls");
  for (size_t i = 0; i < run->phase_count; i++)
    if (run->phases[i].recorder != NULL)
      trace_phase(trace, process, &run->phases[i], run->threads);
}

static uint64_t first_step(const dyno_profile_report *report)
{
  for (size_t i = 0; i < report->run_count; i++)
    for (size_t j = 0; j < report->runs[i].phase_count; j++)
      if (report->runs[i].phases[j].step_count > 0)
        return report->runs[i].phases[j].steps[0].begin_ns;
  return 0;
}

dyno_status dyno_profile_report_trace(const dyno_profile_report *report, FILE *stream,
                                      dyno_error *error)
{
  tracer trace = {.stream = stream, .start_ns = first_step(report)};
  for (size_t i = 0; i < report->run_count; i++)
    trace_run(&trace, i + 1, &report->runs[i]);
  fputs(trace.any ? "\n]\n" : "[]\n", stream);
  if (ferror(stream))
    return dyno_fail(error, DYNO_ERROR_IO, "cannot write the trace: %m");
  return trace.failed ? dyno_fail(error, DYNO_ERROR_MEMORY, "no memory for the trace") : DYNO_OK;
}
