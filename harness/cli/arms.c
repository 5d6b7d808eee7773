#include "harness/cli/arms.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness/cli/model_path.h"

enum {
  OPTION_A = 8192,
  OPTION_B,
  OPTION_A_BIN,
  OPTION_B_BIN,
  OPTION_TIMEOUT,
  OPTION_CASES,
  OPTION_PROMPT,
  OPTION_TOKENS,
  OPTION_LONGEST,
  OPTION_CHUNK,
  OPTION_PREFILL_EVERY,
  OPTION_SEED,
  OPTION_DIVERGENCE,
  OPTION_SLOWDOWN
};

static const struct argp_option option_list[] = {
    {"a", OPTION_A, "SWITCH=VALUE", 0,
     "What is different in arm A: kernel=FAMILY=NAME, isa=TIER, threads=N, model=..., or any other "
     "option of an engine by its name; may be repeated",
     0},
    {"b", OPTION_B, "SWITCH=VALUE", 0, "The same for arm B", 0},
    {"a-bin", OPTION_A_BIN, "FILE", 0, "Run arm A in a process of this build of dyno", 0},
    {"b-bin", OPTION_B_BIN, "FILE", 0, "The same for arm B", 0},
    {"timeout", OPTION_TIMEOUT, "S", 0, "The longest that such a process may take for a step (60)",
     0},
    {"cases", OPTION_CASES, "NAME[,NAME...]", 0, "Only these test cases", 0},
    {"prompt", OPTION_PROMPT, "TEXT", 0, "This prompt instead of the test cases", 0},
    {"tokens", OPTION_TOKENS, "N", 0,
     "Tokens that are decoded after each prompt (16): two pairs of steps each in a round", 0},
    {"longest", OPTION_LONGEST, "N", 0, "Cut prompts off after N tokens", 0},
    {"chunk", OPTION_CHUNK, "N", 0, "Tokens of a prefill between two turns (128)", 0},
    {"prefill-every", OPTION_PREFILL_EVERY, "N", 0, "Prefill in every N-th round (4); 0: never", 0},
    {"seed", OPTION_SEED, "N", 0, "Seed of who goes first (1)", 0},
    {"divergence", OPTION_DIVERGENCE, "NATS", 0,
     "How far outputs may be apart: the mean of KL(A || B) (0.001)", 0},
    {"slowdown", OPTION_SLOWDOWN, "PERCENT", OPTION_HIDDEN, "Wait in B after every step", 0},
    {0},
};

static double parse_number(struct argp_state *state, const char *option, const char *argument)
{
  char *end;
  double value = strtod(argument, &end);
  if (end == argument || *end != '\0' || !(value >= 0) || !isfinite(value))
    argp_error(state, "%s=%s: a number from 0 is wanted", option, argument);
  return value;
}

static void add_switch(dyno_arms_arguments *arguments, unsigned arm, const char *text,
                       struct argp_state *state)
{
  if (arguments->switch_count[arm] == DYNO_ARMS_MOST_SWITCHES)
    argp_error(state, "an arm may have %d switches", DYNO_ARMS_MOST_SWITCHES);
  arguments->switches[arm][arguments->switch_count[arm]++] = text;
}

static error_t parse_option(int key, char *argument, struct argp_state *state)
{
  dyno_arms_arguments *arguments = state->input;
  dyno_compare_options *compare = &arguments->compare;
  switch (key) {
  case ARGP_KEY_INIT:
    *compare = DYNO_COMPARE_DEFAULTS;
    arguments->timeout = 60;
    state->child_inputs[0] = &arguments->engine;
    return 0;
  case OPTION_A:
    add_switch(arguments, 0, argument, state);
    return 0;
  case OPTION_B:
    add_switch(arguments, 1, argument, state);
    return 0;
  case OPTION_A_BIN:
    arguments->programs[0] = argument;
    return 0;
  case OPTION_B_BIN:
    arguments->programs[1] = argument;
    return 0;
  case OPTION_TIMEOUT:
    arguments->timeout = parse_number(state, "--timeout", argument);
    return 0;
  case OPTION_CASES:
    compare->workload.cases = argument;
    return 0;
  case OPTION_PROMPT:
    compare->workload.text = argument;
    return 0;
  case OPTION_TOKENS:
    compare->workload.steps = dyno_parse_count(state, "--tokens", argument, 1, 4096);
    return 0;
  case OPTION_LONGEST:
    compare->workload.longest = dyno_parse_count(state, "--longest", argument, 1, 1 << 17);
    return 0;
  case OPTION_CHUNK:
    compare->chunk = dyno_parse_count(state, "--chunk", argument, 1, 4096);
    return 0;
  case OPTION_PREFILL_EVERY:
    compare->prefill_every = dyno_parse_count(state, "--prefill-every", argument, 0, 100000);
    return 0;
  case OPTION_SEED:
    compare->seed = dyno_parse_count(state, "--seed", argument, 0, 1ul << 62);
    return 0;
  case OPTION_DIVERGENCE:
    compare->divergence = parse_number(state, "--divergence", argument);
    return 0;
  case OPTION_SLOWDOWN:
    arguments->slowdown = parse_number(state, "--slowdown", argument) / 100;
    return 0;
  default:
    return ARGP_ERR_UNKNOWN;
  }
}

const struct argp dyno_arms_parser = {
    .options = option_list,
    .parser = parse_option,
    .children =
        (const struct argp_child[]){{&dyno_engine_arguments_parser, 0, "Both arms:", 1}, {0}},
};

static void describe(char text[DYNO_ARM_TEXT], const dyno_arms_arguments *arguments, unsigned arm)
{
  const char *program = arguments->programs[arm];
  bool plain = program == NULL && arguments->switch_count[arm] == 0;
  snprintf(text, DYNO_ARM_TEXT, "%s", plain ? "as given" : program != NULL ? program : "");
  for (size_t i = 0; i < arguments->switch_count[arm]; i++) {
    size_t length = strlen(text);
    snprintf(text + length, DYNO_ARM_TEXT - length, "%s%s", length > 0 ? " " : "",
             arguments->switches[arm][i]);
  }
}

static dyno_status prepare_arm(dyno_arms_arguments *arguments, unsigned arm, dyno_error *error)
{
  dyno_settings *settings = &arguments->settings[arm];
  dyno_engine_options base = arguments->engine.engine;
  base.registry = arguments->engine.kernels.registry;
  if (base.batch == 0) /* a pass of a prefill is a turn */
    base.batch = arguments->compare.chunk;
  dyno_status status = dyno_settings_copy(settings, &base, error);
  for (size_t i = 0; i < arguments->switch_count[arm] && status == DYNO_OK; i++)
    status = dyno_settings_apply(settings, arguments->switches[arm][i], error);
  if (status == DYNO_OK)
    status = dyno_find_model(&arguments->models[arm], settings->engine.model, error);
  settings->engine.model = arguments->models[arm];
  describe(arguments->described[arm], arguments, arm);
  return status;
}

static void use_workers(dyno_arms_arguments *arguments)
{
  enum { RESTART_EVERY = 5 };
  arguments->workers =
      (dyno_worker_arms){.seconds = arguments->timeout, .stop = arguments->compare.stop};
  for (unsigned arm = 0; arm < DYNO_COMPARE_ARMS; arm++) {
    const char *program = arguments->programs[arm];
    arguments->workers.programs[arm] = program != NULL ? program : DYNO_THIS_PROGRAM;
    arguments->workers.settings[arm] = &arguments->settings[arm];
    arguments->workers.slowdown[arm] = arguments->local.slowdown[arm];
  }
  arguments->compare.restart_every = RESTART_EVERY;
  arguments->source = dyno_compare_workers(&arguments->workers);
}

dyno_status dyno_arms_prepare(dyno_arms_arguments *arguments, dyno_error *error)
{
  dyno_status status = DYNO_OK;
  for (unsigned arm = 0; arm < DYNO_COMPARE_ARMS && status == DYNO_OK; arm++) {
    status = prepare_arm(arguments, arm, error);
    if (status != DYNO_OK && arguments->switch_count[arm] > 0)
      dyno_error_prepend(error, "arm %c", "AB"[arm]);
    arguments->local.engines[arm] = &arguments->settings[arm].engine;
  }
  arguments->local.slowdown[1] = arguments->slowdown;
  arguments->source = dyno_compare_local(&arguments->local);
  if (arguments->programs[0] != NULL || arguments->programs[1] != NULL)
    use_workers(arguments);
  return status;
}

void dyno_arms_free(dyno_arms_arguments *arguments)
{
  for (unsigned arm = 0; arm < DYNO_COMPARE_ARMS; arm++) {
    dyno_settings_free(&arguments->settings[arm]);
    free(arguments->models[arm]);
  }
  dyno_engine_arguments_free(&arguments->engine);
}
