#include "harness/compare/claim_rule.h"

#include <math.h>

#include "harness/compare/result.h"

/* What counts as an effect where the guide has no figure, as a ratio. */
static const double least_effect = 1.01;

const char *dyno_claim_verdict_name(dyno_claim_verdict verdict)
{
  static const char *const names[DYNO_CLAIM_VERDICT_COUNT] = {
      [DYNO_CLAIM_CONFIRMED] = "confirmed",
      [DYNO_CLAIM_SMALLER] = "smaller",
      [DYNO_CLAIM_REFUTED] = "refuted",
      [DYNO_CLAIM_OPEN] = "open",
      [DYNO_CLAIM_UNTESTABLE] = "not testable here",
      [DYNO_CLAIM_PENDING] = "not measured",
  };
  return names[verdict];
}

double dyno_claim_from_ratio(dyno_claim_unit unit, double ratio)
{
  switch (unit) {
  case DYNO_UNIT_MORE:
    return 100 * (ratio - 1);
  case DYNO_UNIT_LESS:
    return 100 * (1 - 1 / ratio);
  case DYNO_UNIT_TIMES:
    return ratio;
  default:
    return NAN;
  }
}

double dyno_claim_neutral(dyno_claim_unit unit)
{
  return dyno_claim_from_ratio(unit, 1);
}

static dyno_claim_verdict judge_effect(const dyno_claim *claim, const dyno_claim_figure *figure)
{
  double wanted =
      isnan(claim->figure) ? dyno_claim_from_ratio(claim->unit, least_effect) : claim->figure;
  bool certain = figure->low > dyno_claim_neutral(claim->unit);
  if (certain)
    return isnan(claim->figure) || figure->high >= wanted ? DYNO_CLAIM_CONFIRMED
                                                          : DYNO_CLAIM_SMALLER;
  return figure->high >= wanted ? DYNO_CLAIM_OPEN : DYNO_CLAIM_REFUTED;
}

static dyno_claim_verdict judge_at_least(const dyno_claim *claim, const dyno_claim_figure *figure)
{
  double nothing = dyno_claim_unit_compares(claim->unit) ? dyno_claim_neutral(claim->unit) : 0;
  if (figure->high >= claim->figure)
    return DYNO_CLAIM_CONFIRMED;
  return figure->low > nothing ? DYNO_CLAIM_SMALLER : DYNO_CLAIM_REFUTED;
}

static dyno_claim_verdict judge_at_most(const dyno_claim *claim, const dyno_claim_figure *figure)
{
  if (figure->high <= claim->figure)
    return DYNO_CLAIM_CONFIRMED;
  return figure->low > claim->figure ? DYNO_CLAIM_REFUTED : DYNO_CLAIM_OPEN;
}

bool dyno_claim_unfit(const dyno_claim_figure *figure)
{
  return figure->control_low > 1 + DYNO_COMPARE_UNFIT_MARGIN ||
         figure->control_high < 1 / (1 + DYNO_COMPARE_UNFIT_MARGIN);
}

dyno_claim_verdict dyno_claim_judge(const dyno_claim *claim, const dyno_claim_figure *figure)
{
  if (claim->metric == DYNO_METRIC_NONE || figure->state == DYNO_FIGURE_UNTESTABLE)
    return DYNO_CLAIM_UNTESTABLE;
  if (figure->state == DYNO_FIGURE_PENDING)
    return DYNO_CLAIM_PENDING;
  if (!isfinite(figure->low) || !isfinite(figure->high) || dyno_claim_unfit(figure))
    return DYNO_CLAIM_OPEN;
  switch (claim->rule) {
  case DYNO_RULE_EFFECT:
    return judge_effect(claim, figure);
  case DYNO_RULE_AT_LEAST:
    return judge_at_least(claim, figure);
  default:
    return judge_at_most(claim, figure);
  }
}
