#include "runtime/forward/lane.h"

dyno_lane dyno_lane_enter(const dyno_pass *pass, unsigned thread, unsigned threads)
{
  dyno_workspace *workspace = pass->workspace;
  dyno_lane lane = {
      .pass = pass,
      .model = pass->model,
      .workspace = workspace,
      .own = &workspace->own[thread],
      .stream = &workspace->shared,
      .thread = thread,
      .threads = threads,
      .layer = -1,
      .m = pass->m,
  };
  if (pass->m == 1) {
    lane.stream = &lane.own->stream;
    lane.last = 1;
  } else {
    dyno_partition(&lane.first, &lane.last, pass->m, 1, thread, threads);
  }
  return lane;
}

void dyno_lane_meet(const dyno_lane *lane)
{
  if (lane->threads == 1)
    return;
  uint64_t begin = dyno_lane_clock(lane);
  dyno_barrier_wait(lane->workspace->barrier);
  dyno_lane_done(lane, DYNO_PROBE_BARRIER, NULL, begin);
}

void dyno_lane_meet_tokens(const dyno_lane *lane)
{
  if (lane->stream == &lane->workspace->shared)
    dyno_lane_meet(lane);
}

size_t dyno_lane_claim_step(dyno_lane *lane)
{
  return lane->claims++;
}

size_t dyno_lane_claim(const dyno_lane *lane, size_t step, unsigned node)
{
  dyno_workspace *workspace = lane->workspace;
  return atomic_fetch_add_explicit(&workspace->claims[step * workspace->nodes + node], 1,
                                   memory_order_relaxed);
}

void dyno_lane_show(const dyno_lane *lane, const dyno_probe_rows *rows)
{
  const dyno_probe *probe = lane->pass->probe;
  if (probe != NULL && probe->rows != NULL && lane->thread == 0)
    probe->rows(probe->context, rows);
}

void dyno_lane_tell(const dyno_lane *lane, dyno_probe_op op, const dyno_kernel *kernel,
                    uint64_t begin_ns, uint64_t bytes, uint64_t macs)
{
  const dyno_probe *probe = lane->pass->probe;
  if (probe->event == NULL)
    return;
  const dyno_probe_event event = {
      .op = dyno_probe_op_name(op),
      .layer = lane->layer,
      .thread = lane->thread,
      .kernel = kernel,
      .begin_ns = begin_ns,
      .end_ns = dyno_clock_ns(),
      .bytes = bytes,
      .macs = macs,
      .tokens = lane->m,
  };
  probe->event(probe->context, &event);
}
