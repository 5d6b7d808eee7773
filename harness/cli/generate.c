#include "config.h"

#include "harness/cli/generate.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "harness/cli/interrupt.h"
#include "harness/report/table.h"
#include "harness/report/units.h"
#include "kernels/base/clock.h"
#include "runtime/threads/pool.h"

/* The prompt goes in by portions of this size, so that Ctrl-C need not wait for all of it. */
enum { PORTION = 256 };

static dyno_status prefill(dyno_generation *generation, dyno_sequence *sequence,
                           dyno_sampler *sampler, const int32_t *prompt, size_t count,
                           dyno_error *error)
{
  uint64_t start = dyno_clock_ns();
  size_t *reused = &generation->reused_tokens;
  dyno_status status = dyno_sequence_reuse(sequence, prompt, count, reused, error);
  for (size_t done = *reused; done < count && status == DYNO_OK && !dyno_interrupted();) {
    size_t portion = count - done < PORTION ? count - done : PORTION;
    status = dyno_sequence_append(sequence, prompt + done, portion, NULL, NULL, error);
    if (status == DYNO_OK)
      done += portion;
    generation->prompt_tokens = done - *reused;
  }
  if (status != DYNO_OK)
    return status;
  generation->prefill_ns = dyno_clock_ns() - start;
  for (size_t i = 0; i < count; i++)
    dyno_sampler_accept(sampler, prompt[i]);
  return DYNO_OK;
}

/* One token from the logits that are there. */
static dyno_status next_token(int32_t *id, dyno_tokens *answer, dyno_sequence *sequence,
                              dyno_sampler *sampler, dyno_error *error)
{
  uint64_t position = dyno_sequence_length(sequence);
  dyno_retain_request request = dyno_sampler_request(sampler);
  const dyno_retained *retained = dyno_sequence_retain(sequence, &request);
  dyno_status status = DYNO_OK;
  if (retained == NULL || !dyno_sampler_choose_retained(sampler, id, retained, position)) {
    status = dyno_sampler_choose(sampler, id, dyno_sequence_logits(sequence), position, error);
    if (status == DYNO_OK)
      dyno_sequence_expect(sequence, id, 1);
  }
  if (status == DYNO_OK)
    status = dyno_tokens_push(answer, *id, error);
  if (status == DYNO_OK)
    dyno_sampler_accept(sampler, *id);
  return status;
}

dyno_status dyno_generate(dyno_generation *generation, dyno_tokens *answer, dyno_sequence *sequence,
                          dyno_sampler *sampler, const int32_t *prompt, size_t count, size_t most,
                          dyno_token_visit *visit, void *context, dyno_error *error)
{
  *generation = (dyno_generation){0};
  uint64_t start = dyno_clock_ns(), first = 0;
  dyno_status status = prefill(generation, sequence, sampler, prompt, count, error);
  while (status == DYNO_OK && generation->answer_tokens < most && !dyno_interrupted()) {
    int32_t id;
    status = next_token(&id, answer, sequence, sampler, error);
    if (status != DYNO_OK)
      break;
    uint64_t now = dyno_clock_ns();
    if (generation->answer_tokens++ == 0)
      first = now;
    generation->decode_ns = now - first;
    if (!visit(context, id) || generation->answer_tokens == most ||
        dyno_sequence_length(sequence) == dyno_sequence_capacity(sequence))
      break;
    status = dyno_sequence_append(sequence, &id, 1, NULL, NULL, error);
  }
  generation->first_token_ns = first != 0 ? first - start : 0;
  generation->interrupted = dyno_interrupted();
  return status;
}

/* A kernel and the purposes it was chosen for, as they are gathered. */
typedef struct kernel_use {
  const dyno_kernel *kernel;
  size_t purposes;
  char first[128]; /* purpose */
  char reason[DYNO_REASON_TEXT];
} kernel_use;

enum { MOST_KERNELS = 64 };

typedef struct kernel_uses {
  kernel_use uses[MOST_KERNELS];
  size_t count;
} kernel_uses;

static void add_use(void *context, const char *purpose, const dyno_choice *choice)
{
  kernel_uses *all = context;
  for (size_t i = 0; i < all->count; i++)
    if (all->uses[i].kernel == choice->kernel) {
      all->uses[i].purposes++;
      return;
    }
  if (all->count == MOST_KERNELS)
    return;
  kernel_use *use = &all->uses[all->count++];
  *use = (kernel_use){.kernel = choice->kernel, .purposes = 1};
  snprintf(use->first, sizeof use->first, "%s", purpose);
  memcpy(use->reason, choice->reason, sizeof use->reason);
}

static void print_kernels(FILE *stream, const dyno_engine *engine)
{
  static const dyno_column columns[] = {
      {"kernel", NULL, false}, {"uses", NULL, true}, {"first", NULL, false}, {"why", NULL, false}};
  kernel_uses all = {0};
  dyno_engine_for_each_choice(engine, add_use, &all);
  dyno_table *table = dyno_table_new(columns, sizeof columns / sizeof *columns);
  for (size_t i = 0; i < all.count; i++) {
    dyno_table_cell(table, "%s", all.uses[i].kernel->name);
    dyno_table_cell(table, "%zu", all.uses[i].purposes);
    dyno_table_cell(table, "%s", all.uses[i].first);
    dyno_table_cell(table, "%s", all.uses[i].reason);
    dyno_table_end_row(table);
  }
  dyno_error error = {0};
  if (dyno_table_print(table, stream, 0, &error) != DYNO_OK)
    fprintf(stream, "%s\n", error.message);
  dyno_table_free(&table);
}

static void print_phase(FILE *stream, const char *name, size_t tokens, size_t timed,
                        uint64_t nanoseconds)
{
  char time[DYNO_UNIT_TEXT];
  double seconds = (double)nanoseconds * 1e-9;
  dyno_format_seconds(time, seconds);
  fprintf(stream, "%-8s %6zu tokens  %10s", name, tokens, time);
  if (timed > 0 && nanoseconds > 0)
    fprintf(stream, "  %8.2f tokens/s", (double)timed / seconds);
  fputc('\n', stream);
}

static void print_placement(FILE *stream, const dyno_engine *engine)
{
  dyno_engine_placement at = dyno_engine_get_placement(engine);
  fprintf(stream, "%u of %u cores, %u of %u nodes", at.threads, at.cores, at.nodes_used, at.nodes);
  if (at.cpus > at.cores)
    fprintf(stream, ", %u hyper-threads", at.cpus);
  if (at.quota > 0)
    fprintf(stream, ", CPU quota %.3g", at.quota);
  if (at.threads > 1)
    fprintf(stream, "; %s pool, %s", dyno_pool_kind_name(at.pool),
            at.pinned ? "pinned" : "not pinned");
  if (at.resident > 0)
    fprintf(stream, "\nweights %.1f %% in memory, %.1f %% of that on huge pages",
            100.0 * (double)at.resident / (double)at.weights,
            100.0 * (double)at.huge / (double)at.resident);
  fputc('\n', stream);
}

static void print_logits(FILE *stream, const dyno_sequence *sequence)
{
  dyno_logits_counts counts = dyno_sequence_logits_counts(sequence);
  if (counts.requests == 0)
    return;
  fprintf(stream,
          "logits: %" PRIu64 " full passes, %" PRIu64 " screens, %" PRIu64 " answers from %" PRIu64
          " rows; tail at most %.2g\n",
          counts.full, counts.screens, counts.retained, counts.rows, counts.largest_tail);
  fprintf(stream,
          "no answer: crowded %" PRIu64 ", out of bounds %" PRIu64 ", unbounded %" PRIu64
          ", passed over %" PRIu64 ", undecided %" PRIu64 "\n",
          counts.crowded, counts.violated, counts.unbounded, counts.passed, counts.undecided);
}

static void print_prefetch(FILE *stream, const dyno_sequence *sequence)
{
  dyno_prefetch_counts counts = dyno_sequence_prefetch_counts(sequence);
  char rows[DYNO_UNIT_TEXT], panels[DYNO_UNIT_TEXT];
  if (counts.rows == 0 && counts.panels == 0)
    return;
  dyno_format_bytes(rows, (double)counts.row_bytes);
  dyno_format_bytes(panels, (double)counts.panel_bytes);
  fprintf(stream,
          "prefetched: %" PRIu64 " rows of the embedding (%s), %" PRIu64
          " beginnings of experts' matrices (%s)\n",
          counts.rows, rows, counts.panels, panels);
}

static double part(uint64_t a, uint64_t b)
{
  return b > 0 ? (double)a / (double)b : 0;
}

static void print_compressed(FILE *stream, const dyno_cache_compressed *now)
{
  char bytes[DYNO_UNIT_TEXT];
  if (now->compressed + now->restored + now->recalled + now->dropped + now->nodes_in_file == 0)
    return;
  dyno_format_bytes(bytes, (double)now->bytes);
  fprintf(stream,
          "compressed: %" PRIu64
          " nodes to %.3f of their size at %.0f MB/s, %.3g ms of it while passes ran; %" PRIu64
          " restored at %.0f MB/s (%" PRIu64 " from the cache file), %" PRIu64
          " that waited; %" PRIu64 " dropped, %" PRIu64
          " failed; %zu held in %s, %zu in the file\n",
          now->compressed, part(now->compressed_out, now->compressed_in),
          1e3 * part(now->compressed_in, now->compress_ns), (double)now->compress_busy_ns * 1e-6,
          now->restored, 1e3 * part(now->restored_out, now->restore_ns), now->restored_from_file,
          now->recalled, now->dropped, now->failed, now->nodes, bytes, now->nodes_in_file);
}

static void print_cache(FILE *stream, const dyno_generation *generation, const dyno_engine *engine)
{
  dyno_cache_statistics now = dyno_engine_get_cache(engine);
  if (now.account.limit == 0)
    return;
  char used[DYNO_UNIT_TEXT], limit[DYNO_UNIT_TEXT], node[DYNO_UNIT_TEXT];
  dyno_format_bytes(used, (double)now.account.used);
  dyno_format_bytes(limit, (double)now.account.limit);
  dyno_format_bytes(node, (double)now.prefixes.node_bytes);
  fprintf(stream, "cache: %zu tokens reused; %s of %s held\n", generation->reused_tokens, used,
          limit);
  if (now.rows.lookups > 0)
    fprintf(stream,
            "embedding rows: %" PRIu64 " of %" PRIu64 " found, %" PRIu64 " held, %" PRIu64
            " evicted; %" PRIu64 " decoded ahead, %" PRIu64 " of these wanted\n",
            now.rows.hits, now.rows.lookups, now.rows.rows, now.rows.evictions, now.rows.expected,
            now.rows.awaited);
  if (now.prefixes.node_bytes > 0)
    fprintf(stream,
            "prefixes: %zu of 64 tokens or fewer, %s each; %" PRIu64 " of %" PRIu64
            " tokens found in %" PRIu64 " lookups; %" PRIu64 " evicted, %" PRIu64 " refused\n",
            now.prefixes.nodes, node, now.prefixes.found, now.prefixes.asked, now.prefixes.lookups,
            now.prefixes.evicted, now.prefixes.refused);
  print_compressed(stream, &now.compressed);
  fprintf(stream,
          "blocks: %zu in %zu chunks of %zu slots; %" PRIu64 " moved, %" PRIu64
          " chunks given back\n",
          now.blocks.blocks, now.blocks.chunks, now.blocks.slots, now.blocks.moved,
          now.blocks.returned);
}

void dyno_print_generation(FILE *stream, const dyno_generation *generation,
                           const dyno_engine *engine, const dyno_sequence *sequence)
{
  char first[DYNO_UNIT_TEXT], peak[DYNO_UNIT_TEXT], kv[DYNO_UNIT_TEXT], packed[DYNO_UNIT_TEXT],
      file[DYNO_UNIT_TEXT];
  struct rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  dyno_format_seconds(first, (double)generation->first_token_ns * 1e-9);
  dyno_format_bytes(peak, (double)usage.ru_maxrss * 1024);
  dyno_format_bytes(kv, (double)dyno_sequence_kv_bytes(sequence));
  dyno_format_bytes(packed, (double)dyno_engine_packed_bytes(engine));
  dyno_format_bytes(file, (double)dyno_engine_file_bytes(engine));
  size_t answer = generation->answer_tokens;
  print_phase(stream, "prefill", generation->prompt_tokens, generation->prompt_tokens,
              generation->prefill_ns);
  print_phase(stream, "decode", answer, answer > 0 ? answer - 1 : 0, generation->decode_ns);
  fprintf(stream, "first token after %s; %u threads\n", first, dyno_engine_threads(engine));
  print_placement(stream, engine);
  fprintf(stream, "peak memory %s; model file %s, weights packed %s, keys and values %s\n", peak,
          file, packed, kv);
  print_cache(stream, generation, engine);
  print_logits(stream, sequence);
  print_prefetch(stream, sequence);
  print_kernels(stream, engine);
}
