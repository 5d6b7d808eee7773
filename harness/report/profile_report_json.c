#include "config.h"

#include <jansson.h>
#include <math.h>

#include "harness/report/profile_report.h"
#include "runtime/threads/pool.h"

/* NaN, which JSON does not have, becomes null; so does NULL. */
static json_t *number(double value)
{
  return isfinite(value) ? json_real(value) : json_null();
}

static json_t *count(size_t value)
{
  return json_integer((json_int_t)value);
}

static json_t *text(const char *value)
{
  return value == NULL ? json_null() : json_string(value);
}

/* null when nothing was measured. */
static json_t *summary_json(const dyno_summary *summary)
{
  if (summary->count == 0)
    return json_null();
  return json_pack("{s:o, s:o, s:[o, o], s:o, s:o, s:o, s:o}", "samples", count(summary->count),
                   "median", number(summary->median), "median_95",
                   number(summary->median_interval.low), number(summary->median_interval.high),
                   "minimum", number(summary->minimum), "maximum", number(summary->maximum), "mean",
                   number(summary->mean), "standard_deviation",
                   number(summary->standard_deviation));
}

static json_t *reads_json(const dyno_profile_reads *reads)
{
  return json_pack("{s:o, s:o, s:o}", "one_thread", number(reads->one), "all_threads",
                   number(reads->all), "samples", count(reads->samples));
}

static json_t *round_json(const dyno_profile_round *round)
{
  return json_pack("{s:o, s:o, s:o, s:o}", "seconds", number(round->seconds), "tokens_per_second",
                   number(round->rate), "read_bytes_per_second", reads_json(&round->reads),
                   "read_share", number(round->read_share));
}

static json_t *row_json(const dyno_profile_row *row, const dyno_profile_summary *summary)
{
  double all = summary->threads * summary->wall_seconds;
  return json_pack(
      "{s:s, s:o, s:o, s:i, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "op", row->op,
      "kernel", text(row->kernel == NULL ? NULL : row->kernel->name), "calls", count(row->calls),
      "threads", (int)row->threads, "thread_seconds", number(row->seconds), "share",
      number(row->seconds / all), "waited_thread_seconds", number(row->waited_seconds), "bytes",
      number(row->bytes), "macs", number(row->macs), "bytes_per_second",
      number(row->bytes_per_second), "macs_per_second", number(row->macs_per_second), "imbalance",
      number(row->imbalance), "limit",
      text(row->limit == DYNO_CEILING_KIND_COUNT ? NULL : dyno_ceiling_kind_name(row->limit)),
      "attained", number(row->attained));
}

static json_t *ceilings_json(const dyno_profile_ceilings *ceilings)
{
  json_t *object = json_object();
  for (dyno_ceiling_kind kind = 0; kind < DYNO_CEILING_KIND_COUNT; kind++)
    json_object_set_new(object, dyno_ceiling_kind_name(kind),
                        json_pack("{s:o, s:o}", "one_thread", number(ceilings->one[kind]),
                                  "all_threads", number(ceilings->all[kind])));
  return object;
}

static json_t *probed_json(const dyno_profile_phase *phase)
{
  const dyno_profile_summary *summary = &phase->summary;
  if (phase->recorder == NULL)
    return json_null();
  json_t *rows = json_array();
  for (size_t i = 0; i < summary->row_count; i++)
    json_array_append_new(rows, row_json(&summary->rows[i], summary));
  return json_pack(
      "{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "seconds",
      number(summary->wall_seconds), "tokens_per_second",
      number((double)phase->tokens / phase->probed_seconds), "op_thread_seconds",
      number(summary->op_seconds), "barrier_thread_seconds", number(summary->barrier_seconds),
      "between_thread_seconds", number(summary->between_seconds), "bytes", number(summary->bytes),
      "macs", number(summary->macs), "attained", number(summary->attained), "events",
      count(summary->events), "events_lost", count(summary->lost), "probe_share",
      number(phase->probe_share), "ceilings", ceilings_json(&phase->ceilings), "ops", rows);
}

static json_t *phase_json(const dyno_profile_phase *phase)
{
  char name[DYNO_PROFILE_PHASE_TEXT];
  json_t *rounds = json_array();
  dyno_profile_phase_name(name, phase);
  for (size_t i = 0; i < phase->round_count; i++)
    json_array_append_new(rounds, round_json(&phase->rounds[i]));
  return json_pack(
      "{s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "name", name, "phase",
      dyno_profile_kind_name(phase->kind), "tokens", count(phase->tokens), "depth",
      count(phase->depth), "tokens_per_second", summary_json(&phase->rate), "read_share",
      summary_json(&phase->read_share), "relative", summary_json(&phase->relative),
      "bytes_per_token", number(dyno_profile_bytes_per_token(phase)), "macs_per_token",
      number(dyno_profile_macs_per_token(phase)), "rounds", rounds, "probed", probed_json(phase));
}

static json_t *run_json(const dyno_profile_run *run)
{
  const dyno_engine_placement *at = &run->placement;
  double resident = at->resident > 0 ? (double)at->resident : NAN;
  json_t *phases = json_array();
  for (size_t i = 0; i < run->phase_count; i++)
    json_array_append_new(phases, phase_json(&run->phases[i]));
  return json_pack(
      "{s:i, s:s, s:s, s:b, s:i, s:o, s:o, s:o, s:I, s:o, s:o, s:o, s:o, s:o, s:o, s:b, s:o}",
      "threads", (int)run->threads, "tier", dyno_isa_name(run->isa), "pool",
      dyno_pool_kind_name(at->pool), "pinned", at->pinned, "nodes_used", (int)at->nodes_used,
      "load_seconds", number(run->load_seconds), "first_token_seconds",
      number(run->first_token_seconds), "first_token_since_start_seconds",
      number(run->first_token_age), "weight_bytes", (json_int_t)at->weights, "packed_bytes",
      number(run->packed_bytes), "resident_share", number(resident / (double)at->weights),
      "huge_page_share", number((double)at->huge / resident), "peak_memory_bytes",
      number(run->peak_memory), "read_loop", text(run->read_loop), "event_seconds",
      number(run->event_seconds), "interrupted", run->interrupted, "phases", phases);
}

static json_t *conditions_json(const dyno_profile_report *report)
{
  const dyno_profile_options *options = &report->options;
  return json_pack("{s:s, s:s, s:s, s:s, s:o, s:i, s:I, s:s, s:s, s:o, s:o, s:s, s:o}", "host",
                   report->host, "started", report->started, "cpu", report->cpu->name, "cpu_tier",
                   dyno_isa_name(report->cpu->isa), "cache_bytes", count(report->cache), "rounds",
                   (int)options->rounds, "seed", (json_int_t)options->seed, "depth_fill",
                   options->depth_copied ? "copy" : "prefill", "precision", report->precision,
                   "batch", report->batch == 0 ? json_null() : count(report->batch),
                   "read_sample_bytes", count(options->read_bytes), "tokens",
                   report->text ? "text" : "random", "seconds", number(report->seconds));
}

dyno_status dyno_profile_report_json(const dyno_profile_report *report, FILE *stream,
                                     dyno_error *error)
{
  json_t *runs = json_array();
  int failed = 0;
  for (size_t i = 0; i < report->run_count; i++)
    failed |= json_array_append_new(runs, run_json(&report->runs[i]));
  json_t *model = json_pack("{s:s, s:o, s:o, s:o}", "name", report->model, "path",
                            text(report->path), "dialect", text(report->dialect), "file_bytes",
                            number(report->run_count > 0 ? report->runs[0].file_bytes : NAN));
  json_t *root = json_pack("{s:s, s:i, s:s, s:o, s:o, s:b, s:o}", "what", "dyno profile", "schema",
                           1, "version", PACKAGE_VERSION, "conditions", conditions_json(report),
                           "model", model, "interrupted", report->interrupted, "runs", runs);
  failed |= root == NULL || json_dumpf(root, stream, JSON_INDENT(2));
  fputc('\n', stream);
  json_decref(root);
  if (ferror(stream))
    return dyno_fail(error, DYNO_ERROR_IO, "cannot write JSON: %m");
  return failed ? dyno_fail(error, DYNO_ERROR_MEMORY, "no memory for the JSON") : DYNO_OK;
}
