#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness/report/bench_results_internal.h"

static const char *const phase_names[] = {"prefill", "decode"};
static const char *const component_names[] = {"embedding", "attention", "feed_forward", "sampling",
                                              "other"};

enum { MOST_TOKENS = 1 << 28 };

const char *dyno_bench_phase_name(dyno_bench_phase phase)
{
  return phase_names[phase];
}

const char *dyno_bench_component_name(dyno_bench_component component)
{
  return component_names[component];
}

/* Room for one more zeroed element at the end of an array: it doubles at powers of two. NULL, with
 * an error in the record, when there is no memory. */
static void *append(dyno_bench_record *record, void *array, size_t *count, size_t size)
{
  void **elements = array;
  if (*record->status != DYNO_OK)
    return NULL;
  if ((*count & (*count - 1)) == 0) {
    void *larger = reallocarray(*elements, *count == 0 ? 1 : 2 * *count, size);
    if (larger == NULL) {
      dyno_bench_field_fail(record, "line", DYNO_ERROR_MEMORY, "out of memory");
      return NULL;
    }
    *elements = larger;
  }
  return memset((char *)*elements + (*count)++ * size, 0, size);
}

static size_t find_case(const dyno_bench_results *results, dyno_bench_record *record)
{
  const char *name = dyno_bench_need_string(record, "case");
  size_t index = dyno_bench_case_index(results, name);
  if (index == DYNO_BENCH_NO_CASE)
    dyno_bench_field_fail(record, "case", DYNO_ERROR_FORMAT,
                          "\"%.80s\" is no case of manifest.json", name);
  return index;
}

static dyno_bench_phase find_phase(dyno_bench_record *record)
{
  return (dyno_bench_phase)dyno_bench_need_name(record, "phase", phase_names,
                                                DYNO_BENCH_PHASE_COUNT);
}

/* Numbers without which there is nothing to divide by. */
static double need_positive(dyno_bench_record *record, const char *field)
{
  double number = dyno_bench_need_number(record, field);
  if (number == 0)
    dyno_bench_field_fail(record, field, DYNO_ERROR_FORMAT, "is 0");
  return number;
}

static size_t need_tokens(dyno_bench_record *record, const char *field)
{
  size_t tokens = dyno_bench_need_count(record, field, MOST_TOKENS);
  if (tokens == 0)
    dyno_bench_field_fail(record, field, DYNO_ERROR_FORMAT, "is 0");
  return tokens;
}

static void read_intervals(dyno_bench_sample *sample, dyno_bench_record *record)
{
  const json_t *list = json_object_get(record->object, "itl_ns");
  sample->itl_count = dyno_bench_length(record, "itl_ns");
  if (sample->itl_count + 1 != sample->output_tokens)
    dyno_bench_field_fail(record, "itl_ns", DYNO_ERROR_FORMAT,
                          "has %zu elements where output_tokens - 1 is %zu", sample->itl_count,
                          sample->output_tokens - 1);
  sample->itl_ns = dyno_bench_array(record, sample->itl_count, sizeof *sample->itl_ns);
  for (size_t i = 0; sample->itl_ns != NULL && i < sample->itl_count; i++) {
    const json_t *value = json_array_get(list, i);
    sample->itl_ns[i] = json_number_value(value);
    if (!json_is_number(value) || !isfinite(sample->itl_ns[i]) || sample->itl_ns[i] < 0)
      dyno_bench_field_fail(record, "itl_ns", DYNO_ERROR_FORMAT,
                            "element %zu is not a number from 0", i);
  }
}

static void read_disturbances(dyno_bench_sample *sample, dyno_bench_record *record)
{
  sample->cpu_ns = dyno_bench_number(record, "cpu_ns");
  sample->steal_ns = dyno_bench_number(record, "steal_ns");
  sample->pressure_cpu_ns = dyno_bench_number(record, "pressure_cpu_ns");
  sample->pressure_memory_ns = dyno_bench_number(record, "pressure_memory_ns");
  sample->pressure_io_ns = dyno_bench_number(record, "pressure_io_ns");
  sample->voluntary_switches = dyno_bench_number(record, "voluntary_switches");
  sample->involuntary_switches = dyno_bench_number(record, "involuntary_switches");
  sample->minor_faults = dyno_bench_number(record, "minor_faults");
  sample->major_faults = dyno_bench_number(record, "major_faults");
}

void dyno_bench_read_sample(dyno_bench_results *results, dyno_bench_record *record)
{
  dyno_bench_sample *sample =
      append(record, &results->samples, &results->sample_count, sizeof *sample);
  if (sample == NULL)
    return;
  sample->line = record->line;
  sample->case_index = find_case(results, record);
  sample->prompt = dyno_bench_need_string(record, "prompt");
  sample->warmup = dyno_bench_need_flag(record, "warmup");
  sample->iteration = dyno_bench_need_count(record, "iteration", MOST_TOKENS);
  sample->sequence = dyno_bench_count(record, "sequence", SIZE_MAX / 2);
  sample->run = dyno_bench_count(record, "run", SIZE_MAX / 2);
  sample->begun_ns = (int64_t)dyno_bench_count(record, "begun_ns", INT64_MAX);
  sample->prompt_tokens = need_tokens(record, "prompt_tokens");
  sample->output_tokens = need_tokens(record, "output_tokens");
  sample->prefill_ns = need_positive(record, "prefill_ns");
  sample->ttft_ns = need_positive(record, "ttft_ns");
  sample->e2e_ns = need_positive(record, "e2e_ns");
  if (sample->e2e_ns < sample->ttft_ns)
    dyno_bench_field_fail(record, "e2e_ns", DYNO_ERROR_FORMAT, "is less than ttft_ns");
  sample->tokenize_ns = dyno_bench_number(record, "tokenize_ns");
  sample->sampling_ns = dyno_bench_number(record, "sampling_ns");
  sample->setup_ns = dyno_bench_number(record, "setup_ns");
  sample->hash = dyno_bench_string(record, "hash");
  read_intervals(sample, record);
  read_disturbances(sample, record);
  sample->rss_bytes = dyno_bench_number(record, "rss_bytes");
  sample->kv_bytes = dyno_bench_number(record, "kv_bytes");
  sample->read_one = dyno_bench_number(record, "read_one");
  sample->read_all = dyno_bench_number(record, "read_all");
  sample->energy_joules = dyno_bench_number(record, "energy_joules");
}

static void read_total(dyno_bench_results *results, dyno_bench_record *record)
{
  dyno_bench_total *total = append(record, &results->totals, &results->total_count, sizeof *total);
  if (total == NULL)
    return;
  total->case_index = find_case(results, record);
  total->phase = find_phase(record);
  total->wall_ns = need_positive(record, "wall_ns");
  total->tokens = need_positive(record, "tokens");
  total->threads = need_positive(record, "threads");
  total->probe_share = dyno_bench_number(record, "probe_share");
}

void dyno_bench_read_op(dyno_bench_results *results, dyno_bench_record *record)
{
  const char *name = dyno_bench_need_string(record, "op");
  if (strcmp(name, "total") == 0) {
    read_total(results, record);
    return;
  }
  dyno_bench_op *op = append(record, &results->ops, &results->op_count, sizeof *op);
  if (op == NULL)
    return;
  op->op = name;
  op->case_index = find_case(results, record);
  op->phase = find_phase(record);
  op->kernel = dyno_bench_string(record, "kernel");
  op->component = (dyno_bench_component)dyno_bench_need_name(record, "component", component_names,
                                                             DYNO_BENCH_COMPONENT_COUNT);
  op->calls = dyno_bench_number(record, "calls");
  op->threads = dyno_bench_number(record, "threads");
  op->thread_ns = dyno_bench_need_number(record, "thread_ns");
  op->waited_ns = dyno_bench_number(record, "waited_ns");
  op->bytes = dyno_bench_number(record, "bytes");
  op->macs = dyno_bench_number(record, "macs");
  op->limit = dyno_bench_string(record, "limit");
  op->attained = dyno_bench_number(record, "attained");
}

void dyno_bench_read_counter(dyno_bench_results *results, dyno_bench_record *record)
{
  dyno_bench_counter *counter =
      append(record, &results->counters, &results->counter_count, sizeof *counter);
  if (counter == NULL)
    return;
  counter->case_index = find_case(results, record);
  counter->phase = find_phase(record);
  counter->op = dyno_bench_string(record, "op");
  counter->counter = dyno_bench_need_string(record, "counter");
  counter->value = dyno_bench_number(record, "value");
  counter->running = dyno_bench_number(record, "running");
  counter->reason = dyno_bench_string(record, "reason");
  if (counter->reason == NULL)
    counter->reason = "";
  counter->per_token = dyno_bench_number(record, "per_token");
  counter->pass = dyno_bench_number(record, "pass");
}

void dyno_bench_read_memory(dyno_bench_results *results, dyno_bench_record *record)
{
  const json_t *name = json_object_get(record->object, "case");
  dyno_bench_memory *memory =
      append(record, &results->memory, &results->memory_count, sizeof *memory);
  if (memory == NULL)
    return;
  memory->t_ns = dyno_bench_need_number(record, "t_ns");
  memory->case_index =
      name == NULL || json_is_null(name) ? DYNO_BENCH_NO_CASE : find_case(results, record);
  memory->rss_bytes = dyno_bench_number(record, "rss_bytes");
  memory->peak_rss_bytes = dyno_bench_number(record, "peak_rss_bytes");
  memory->weights_bytes = dyno_bench_number(record, "weights_bytes");
  memory->kv_bytes = dyno_bench_number(record, "kv_bytes");
  memory->workspace_bytes = dyno_bench_number(record, "workspace_bytes");
  memory->cache_bytes = dyno_bench_number(record, "cache_bytes");
  memory->allocator_bytes = dyno_bench_number(record, "allocator_bytes");
  memory->huge_bytes = dyno_bench_number(record, "huge_bytes");
}

static dyno_bench_answer read_answer(dyno_bench_record *record, const char *field)
{
  const json_t *value = json_object_get(record->object, field);
  if (value == NULL || json_is_null(value))
    return DYNO_BENCH_UNKNOWN;
  return dyno_bench_flag(record, field) ? DYNO_BENCH_YES : DYNO_BENCH_NO;
}

void dyno_bench_read_text(dyno_bench_results *results, dyno_bench_record *record)
{
  dyno_bench_text *text = append(record, &results->texts, &results->text_count, sizeof *text);
  if (text == NULL)
    return;
  text->case_index = find_case(results, record);
  text->prompt = dyno_bench_need_string(record, "prompt");
  text->text = dyno_bench_string(record, "text"); /* may be "": the model said nothing */
  if (text->text == NULL)
    dyno_bench_field_fail(record, "text", DYNO_ERROR_FORMAT, "is missing");
  text->tokens = dyno_bench_number(record, "tokens");
  text->ended = read_answer(record, "ended");
  text->expected = dyno_bench_string(record, "expected");
  text->correct = read_answer(record, "correct");
  text->repeated = read_answer(record, "repeated");
}
