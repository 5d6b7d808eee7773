/* `dyno tokenize --bench`: the speed of encoding, on one thread, with the text in cache or memory
 * as its size has it. */
#include "config.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>

#include "harness/cli/tokenize.h"
#include "harness/measure/statistics.h"
#include "harness/report/units.h"
#include "kernels/base/clock.h"

/* After a warm-up, as many passes as fit into two seconds, but at least five. */
enum { LEAST_PASSES = 5, MOST_PASSES = 1000 };
#define BENCH_NS UINT64_C(2000000000)

static dyno_status measure(double *seconds, size_t *passes, dyno_tokens *tokens,
                           const dyno_tokenizer *tokenizer, const dyno_bytes *text, bool special,
                           dyno_error *error)
{
  uint64_t begin = dyno_clock_ns();
  for (*passes = 0; *passes < MOST_PASSES; (*passes)++) {
    uint64_t start = dyno_clock_ns();
    if (*passes >= LEAST_PASSES && start - begin >= BENCH_NS)
      break;
    tokens->count = 0;
    dyno_status status =
        dyno_tokenizer_encode(tokenizer, tokens, text->data, text->count, special, error);
    if (status != DYNO_OK)
      return status;
    seconds[*passes] = (double)(dyno_clock_ns() - start) * 1e-9;
  }
  return DYNO_OK;
}

static void print_text(const dyno_summary *seconds, size_t bytes, size_t tokens)
{
  char median[DYNO_UNIT_TEXT], fastest[DYNO_UNIT_TEXT], slowest[DYNO_UNIT_TEXT],
      size[DYNO_UNIT_TEXT], share[DYNO_UNIT_TEXT];
  dyno_format_rate(median, (double)bytes / seconds->median, "B/s");
  dyno_format_rate(fastest, (double)bytes / seconds->minimum, "B/s");
  dyno_format_rate(slowest, (double)bytes / seconds->maximum, "B/s");
  dyno_format_bytes(size, (double)bytes);
  dyno_format_number(share, (double)bytes / (double)tokens);
  printf("%s on one thread (median of %zu passes, %s to %s)\n"
         "%s of text, %zu tokens, %s bytes each\n",
         median, seconds->count, slowest, fastest, size, tokens, share);
}

static void print_json(const dyno_summary *seconds, size_t bytes, size_t tokens)
{
  json_t *root = json_pack("{s:I, s:I, s:I, s:f, s:f, s:f}", "bytes", (json_int_t)bytes, "tokens",
                           (json_int_t)tokens, "passes", (json_int_t)seconds->count,
                           "bytes_per_second", (double)bytes / seconds->median,
                           "bytes_per_second_least", (double)bytes / seconds->maximum,
                           "bytes_per_second_most", (double)bytes / seconds->minimum);
  json_dumpf(root, stdout, JSON_COMPACT | JSON_REAL_PRECISION(6));
  putchar('\n');
  json_decref(root);
}

dyno_status dyno_tokenize_bench(const dyno_tokenizer *tokenizer,
                                const dyno_tokenize_arguments *arguments, dyno_error *error)
{
  dyno_bytes text = {0};
  dyno_tokens tokens = {0};
  double seconds[MOST_PASSES];
  size_t passes = 0;
  dyno_summary summary;
  dyno_status status = dyno_read_standard_input(&text, error);
  if (status == DYNO_OK && text.count == 0)
    status = dyno_fail(error, DYNO_ERROR_USAGE,
                       "standard input is empty; give a text to measure with, a megabyte or more");
  if (status == DYNO_OK)
    status =
        dyno_tokenizer_encode(tokenizer, &tokens, text.data, text.count, arguments->special, error);
  if (status == DYNO_OK)
    status = measure(seconds, &passes, &tokens, tokenizer, &text, arguments->special, error);
  if (status == DYNO_OK)
    status = dyno_summarize(&summary, seconds, passes, error);
  if (status == DYNO_OK)
    (arguments->json ? print_json : print_text)(&summary, text.count, tokens.count);
  dyno_bytes_free(&text);
  dyno_tokens_free(&tokens);
  return status;
}
