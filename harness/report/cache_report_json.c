#include <math.h>

#include "harness/report/cache_report.h"
#include "runtime/cache/kv.h"

static json_t *number(double value)
{
  return isfinite(value) ? json_real(value) : json_null();
}

static json_t *whole(uint64_t value)
{
  return json_integer((json_int_t)value);
}

static double share(uint64_t part, uint64_t all)
{
  return all > 0 ? (double)part / (double)all : (double)NAN;
}

static json_t *curve_json(const dyno_cache_report *report)
{
  dyno_cache_point points[DYNO_CACHE_CURVE_POINTS];
  json_t *list = json_array();
  dyno_cache_curve(points, report);
  for (int i = 0; i < DYNO_CACHE_CURVE_POINTS; i++)
    json_array_append_new(list,
                          json_pack("{s:f, s:o, s:o, s:o, s:o, s:o, s:o}", "factor",
                                    points[i].factor, "l1_rows", whole(points[i].rows), "l1_bytes",
                                    whole(points[i].rows * report->sizes.row_bytes), "l1_hits",
                                    number(points[i].row_hits), "l2_nodes", whole(points[i].nodes),
                                    "l2_bytes", whole(points[i].nodes * report->sizes.node_bytes),
                                    "l2_hits", number(points[i].node_hits)));
  return list;
}

static json_t *distances_json(const dyno_recency_counts *counts)
{
  return json_pack("{s:o, s:o, s:o, s:o}", "lookups", whole(counts->lookups), "never_before",
                   whole(counts->never), "median", whole(dyno_recency_quantile(counts, 0.5)), "p90",
                   whole(dyno_recency_quantile(counts, 0.9)));
}

static json_t *levels_json(const dyno_cache_report *report)
{
  const dyno_cache_statistics *s = report->statistics;
  const dyno_cache_prefixes *p = &s->prefixes;
  uint64_t found = p->found - DYNO_KV_BLOCK_TOKENS * p->restored;
  return json_pack(
      "{s:{s:o, s:o, s:o, s:f, s:o, s:o, s:o, s:o}, s:{s:o, s:o, s:o, s:f, s:o, s:o, s:o, s:o}}",
      "l1", "lookups", whole(s->rows.lookups), "hits", whole(s->rows.hits), "share",
      number(share(s->rows.hits, s->rows.lookups)), "guide", dyno_cache_guide_hits[0], "bytes",
      whole(s->rows.bytes), "evicted", whole(s->rows.evictions), "expected",
      whole(s->rows.expected), "awaited", whole(s->rows.awaited), "l2", "lookups", whole(p->asked),
      "hits", whole(found), "share", number(share(found, p->asked)), "guide",
      dyno_cache_guide_hits[1], "bytes", whole((uint64_t)p->nodes * p->node_bytes), "evicted",
      whole(p->evicted), "restored", whole(p->restored), "refused", whole(p->refused));
}

/* Lookups and hits are of nodes. */
static json_t *level3_json(const dyno_cache_compressed *c)
{
  uint64_t hits = c->restored + c->recalled;
  return json_pack(
      "{s:o, s:o, s:o, s:f, s:o, s:o, s:o, s:f, s:f, s:f, s:o}", "lookups", whole(c->asked), "hits",
      whole(hits), "share", number(share(hits, c->asked)), "guide", dyno_cache_guide_hits[2],
      "bytes", whole(c->bytes), "evicted", whole(c->evicted), "compressed_to",
      number(share(c->compressed_out, c->compressed_in)), "guide_compressed_to",
      dyno_cache_guide_compression, "compress_seconds", (double)c->compress_ns * 1e-9,
      "restore_seconds", (double)c->restore_ns * 1e-9, "not_kept", whole(c->dropped + c->refused));
}

static dyno_status sum_json(json_t **json, const dyno_cache_answers *answers,
                            const dyno_cache_answers *hits, dyno_cache_hit hit, dyno_error *error)
{
  dyno_cache_sum sum;
  dyno_status status = dyno_cache_answers_sum(&sum, answers, hits, hit, error);
  *json = NULL;
  if (status == DYNO_OK)
    *json = json_pack("{s:o, s:o, s:o, s:f, s:f, s:o}", "requests", whole(sum.requests),
                      "prompt_tokens", whole(sum.prompt), "taken", whole(sum.taken),
                      "prefill_seconds", sum.first_seconds, "answer_seconds", sum.answer_seconds,
                      "first_token_median_seconds", number(sum.first_median));
  return status;
}

static dyno_status classes_json(json_t *root, const char *key, const dyno_cache_report *report,
                                const dyno_cache_answers *answers, dyno_error *error)
{
  static const char *const keys[] = {"nothing", "less_than_half", "l2", "l3", "all"};
  json_t *classes = json_object();
  dyno_status status = DYNO_OK;
  for (dyno_cache_hit hit = 0; hit <= DYNO_CACHE_HIT_COUNT && status == DYNO_OK; hit++) {
    json_t *sum;
    status = sum_json(&sum, answers, report->cached, hit, error);
    json_object_set_new(classes, keys[hit], sum);
  }
  json_object_set_new(root, key, classes);
  return status;
}

json_t *dyno_cache_report_json(const dyno_cache_report *report, dyno_error *error)
{
  const dyno_cache_simulation *s = report->simulation;
  json_t *root = json_pack(
      "{s:s, s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:{s:o, s:o, s:o}, s:o, s:o, s:o}", "schema",
      "dyno.cache/1", "trace", report->trace, "model", report->model, "seed", whole(report->seed),
      "cache_bytes", whole(report->sizes.limit), "requests", whole(s->requests), "prompt_tokens",
      whole(s->prompt_tokens), "answer_tokens", whole(s->answer_tokens), "simulated",
      "computed_tokens", whole(s->computed), "node_tokens", whole(DYNO_KV_BLOCK_TOKENS),
      "node_bytes", whole(report->sizes.node_bytes), "curve", curve_json(report), "row_distances",
      distances_json(&s->rows), "node_distances", distances_json(&s->prefixes));
  dyno_status status =
      root != NULL ? DYNO_OK : dyno_fail(error, DYNO_ERROR_MEMORY, "out of memory");
  if (status == DYNO_OK && report->cached != NULL) {
    json_t *levels = levels_json(report);
    json_object_set_new(levels, "l3", level3_json(&report->statistics->compressed));
    json_object_set_new(root, "levels", levels);
    status = classes_json(root, "cached", report, report->cached, error);
  }
  if (status == DYNO_OK && report->plain != NULL) {
    status = classes_json(root, "uncached", report, report->plain, error);
    json_object_set_new(root, "different_logits", whole(dyno_cache_different(report)));
  }
  if (status == DYNO_OK)
    return root;
  json_decref(root);
  return NULL;
}

json_t *dyno_prefix_report_json(const dyno_prefix_rounds *rounds, const char *model,
                                dyno_error *error)
{
  static const char *const keys[DYNO_PREFIX_LANES] = {"uncached", "l2", "l3"};
  json_t *root =
      json_pack("{s:s, s:s, s:o, s:o, s:o, s:b}", "schema", "dyno.cache.prefix/1", "model", model,
                "prefix_tokens", whole(rounds->tokens), "rounds", whole(rounds->rounds),
                "restored_nodes", whole(rounds->restored), "equal_logits", rounds->equal);
  for (dyno_prefix_lane lane = 0; lane < DYNO_PREFIX_LANES; lane++) {
    dyno_prefix_summary summary;
    if (lane == DYNO_PREFIX_L3 && !rounds->has_l3)
      continue;
    if (dyno_prefix_summarize(&summary, rounds, lane, error) != DYNO_OK) {
      json_decref(root);
      return NULL;
    }
    json_t *seconds = json_array();
    for (size_t i = 0; i < rounds->rounds; i++)
      json_array_append_new(seconds, json_real(rounds->seconds[lane][i]));
    json_object_set_new(root, keys[lane],
                        json_pack("{s:o, s:f, s:f, s:o, s:o}", "taken", whole(rounds->taken[lane]),
                                  "median_seconds", summary.seconds, "share", summary.share,
                                  "promised", number(dyno_prefix_promise[lane]), "seconds",
                                  seconds));
  }
  return root;
}
