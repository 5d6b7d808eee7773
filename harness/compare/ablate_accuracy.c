#include <math.h>

#include "harness/compare/ablate.h"
#include "harness/measure/quality.h"
#include "runtime/threads/topology.h"

static bool right(const dyno_answer *answer)
{
  return answer->exact || answer->structured;
}

static bool go_on(void *context, size_t done, size_t total)
{
  const dyno_compare_options *options = context;
  (void)done;
  (void)total;
  if (options->progress != NULL)
    options->progress(options->progress_context, "answering held-out items");
  return options->stop == NULL || *options->stop == 0;
}

/* Both arms answered the same items: of the shares' difference, the interval of Agresti and Min
 * (Statistics in Medicine 24, 2005, "Simple improved confidence intervals for comparing matched
 * proportions"), which adds half an item to each of the four counts. */
static void fill(dyno_claim_figure *figure, size_t only_a, size_t only_b, size_t count)
{
  static const double z = 1.959964;
  double n = (double)count + 2, lost = (double)only_a + 0.5, won = (double)only_b + 0.5;
  double middle = (lost - won) / n;
  double half = z * sqrt(lost + won - (lost - won) * (lost - won) / n) / n;
  figure->state = DYNO_FIGURE_MEASURED;
  figure->value = 100 * ((double)only_a - (double)only_b) / (double)count;
  figure->low = 100 * (middle - half);
  figure->high = 100 * (middle + half);
  figure->samples = count;
}

dyno_status dyno_ablate_accuracy(dyno_claim_figure *figure, const dyno_ablation *ablation,
                                 const dyno_settings settings[DYNO_COMPARE_ARMS], dyno_error *error)
{
  dyno_items items = {0};
  dyno_quality answers[DYNO_COMPARE_ARMS] = {0};
  size_t only[DYNO_COMPARE_ARMS] = {0};
  unsigned workers = ablation->engine->registry.threads;
  dyno_status status = dyno_choose_threads(&workers, error);
  if (status == DYNO_OK)
    status = dyno_items_read(&items, ablation->heldout, NULL, ablation->items, error);
  for (unsigned arm = 0; arm < DYNO_COMPARE_ARMS && status == DYNO_OK; arm++) {
    const dyno_quality_run run = {.engine = &settings[arm].engine,
                                  .workers = workers,
                                  .progress = go_on,
                                  .context = (void *)(uintptr_t)&ablation->compare};
    status = dyno_quality_measure(&answers[arm], &items, &run, error);
  }
  for (size_t i = 0; i < items.count && status == DYNO_OK; i++) {
    bool a = right(&answers[0].answers[i]), b = right(&answers[1].answers[i]);
    only[0] += a && !b;
    only[1] += b && !a;
  }
  if (status == DYNO_OK)
    fill(figure, only[0], only[1], items.count);
  for (unsigned arm = 0; arm < DYNO_COMPARE_ARMS; arm++)
    dyno_quality_free(&answers[arm]);
  dyno_items_free(&items);
  return status;
}
