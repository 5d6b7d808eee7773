#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness/compare/ablate.h"
#include "harness/measure/cache_run.h"
#include "kernels/base/clock.h"
#include "runtime/data.h"

/* What is asked: of the traces that come with dyno the one that has a bit of everything. */
static const char trace_name[] = "traces/mixed.json";

/* Longer requests shrink to this, so that a large model is through with some in minutes. */
enum { MOST_CONTEXT = 1024, LEAST_REQUESTS = 20 };

/* Evicts and compresses as much as there is to, as an engine with nothing to do. */
static void rest(dyno_engine *engine)
{
  static const uint64_t slice = 100 * 1000 * 1000, most = 20;
  for (uint64_t i = 0; i < most && dyno_engine_idle(engine, slice); i++)
    ;
}

static bool stopped(const dyno_ablation *ablation)
{
  return ablation->compare.stop != NULL && *ablation->compare.stop != 0;
}

static dyno_status play(dyno_cache_lane *lane, dyno_trace_player *player, const dyno_trace *trace,
                        const dyno_ablation *ablation, dyno_error *error)
{
  uint64_t start = dyno_clock_ns();
  dyno_status status = DYNO_OK;
  for (size_t i = 0; i < trace->requests && status == DYNO_OK; i++) {
    dyno_trace_request request;
    dyno_cache_answer answer;
    bool ended = false;
    double elapsed = (double)(dyno_clock_ns() - start) * 1e-9;
    if (i >= LEAST_REQUESTS && elapsed > ablation->seconds)
      break;
    if (stopped(ablation))
      return dyno_fail(error, DYNO_ERROR_INTERRUPTED, "stopped");
    status = dyno_trace_player_next(player, &request, &ended, error);
    if (status == DYNO_OK)
      status = dyno_cache_lane_answer(lane, &answer, &request, error);
    rest(lane->engine);
    if (ablation->compare.progress != NULL)
      ablation->compare.progress(ablation->compare.progress_context, "putting requests to a cache");
  }
  return status;
}

static void share(double *percent, uint64_t part, uint64_t whole)
{
  *percent = whole > 0 ? 100 * (double)part / (double)whole : (double)NAN;
}

/* What the caches counted between two looks at them. */
static void count(dyno_cache_shares *shares, const dyno_cache_statistics *then,
                  const dyno_cache_statistics *now)
{
  const dyno_cache_prefixes *a = &then->prefixes, *b = &now->prefixes;
  const dyno_cache_compressed *c = &then->compressed, *d = &now->compressed;
  share(&shares->embeddings, now->rows.hits - then->rows.hits,
        now->rows.lookups - then->rows.lookups);
  share(&shares->blocks, b->found + b->found_in_part - a->found - a->found_in_part,
        b->asked - a->asked);
  share(&shares->compressed,
        d->restored + d->restored_from_file + d->recalled - c->restored - c->restored_from_file -
            c->recalled,
        d->asked - c->asked);
  shares->compression = (double)(d->compressed_in - c->compressed_in) /
                        (double)(d->compressed_out - c->compressed_out);
}

dyno_status dyno_ablate_cache(dyno_cache_shares *shares, dyno_arm *arm,
                              const dyno_ablation *ablation, dyno_error *error)
{
  dyno_engine *engine = dyno_arm_engine(arm);
  const dyno_model_config *config = dyno_engine_config(engine);
  size_t context = config->context_length < MOST_CONTEXT ? config->context_length : MOST_CONTEXT;
  dyno_trace trace = {0};
  dyno_trace_player *player = NULL;
  dyno_cache_lane lane = {0};
  char *path = NULL;
  dyno_status status = dyno_data_path(&path, trace_name, error);
  if (status == DYNO_OK)
    status = dyno_trace_read(&trace, path, error);
  if (status == DYNO_OK)
    status = dyno_trace_player_open(&player, &trace, config->vocab, context, error);
  if (status == DYNO_OK)
    status = dyno_cache_lane_open(&lane, engine, context, error);
  const dyno_cache_statistics then = dyno_engine_get_cache(engine);
  if (status == DYNO_OK)
    status = play(&lane, player, &trace, ablation, error);
  const dyno_cache_statistics now = dyno_engine_get_cache(engine);
  count(shares, &then, &now);
  dyno_cache_lane_close(&lane);
  dyno_trace_player_close(&player);
  dyno_trace_free(&trace);
  free(path);
  return status;
}

void dyno_figure_from_cache(dyno_claim_figure *figure, const dyno_claim *claim,
                            const dyno_cache_shares *shares)
{
  bool compression = claim->metric == DYNO_METRIC_COMPRESSION;
  double value = compression                            ? shares->compression
                 : strcmp(claim->of, "embeddings") == 0 ? shares->embeddings
                 : strcmp(claim->of, "blocks") == 0     ? shares->blocks
                                                        : shares->compressed;
  if (!isfinite(value))
    dyno_figure_untestable(figure, "nothing was looked up there, or compressed");
  else
    dyno_figure_counted(figure, compression ? dyno_claim_from_ratio(claim->unit, value) : value);
}
