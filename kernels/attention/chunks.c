#include "kernels/attention/chunks.h"

#include <math.h>

/* What a call keeps in the scratch memory. */
typedef struct chunk_scratch {
  float *keys;        /* [head_size][DYNO_CHUNK] */
  float *values;      /* [DYNO_CHUNK][head_size] */
  float *scores;      /* [heads of a KV head][DYNO_CHUNK] */
  float *rescale;     /* [heads of a KV head] */
  float *sums;        /* [DYNO_CHUNK_QUERIES][heads of a KV head][head_size] */
  float *largest;     /* [DYNO_CHUNK_QUERIES][heads of a KV head] */
  float *denominator; /* the same */
} chunk_scratch;

/* Takes `count` floats off the memory behind what is used, in whole lines; of NULL it only counts
 * them. */
static float *take(char *memory, size_t *used, size_t count)
{
  float *floats = memory == NULL ? NULL : (float *)(void *)(memory + *used);
  *used += (count * sizeof(float) + 63) / 64 * 64;
  return floats;
}

static size_t lay_out(chunk_scratch *scratch, char *memory, size_t heads, size_t head_size)
{
  size_t used = 0;
  scratch->keys = take(memory, &used, head_size * DYNO_CHUNK);
  scratch->values = take(memory, &used, DYNO_CHUNK * head_size);
  scratch->scores = take(memory, &used, heads * DYNO_CHUNK);
  scratch->rescale = take(memory, &used, heads);
  scratch->sums = take(memory, &used, DYNO_CHUNK_QUERIES * heads * head_size);
  scratch->largest = take(memory, &used, DYNO_CHUNK_QUERIES * heads);
  scratch->denominator = take(memory, &used, DYNO_CHUNK_QUERIES * heads);
  return used;
}

size_t dyno_attention_chunks_scratch_bytes(const dyno_problem *problem)
{
  chunk_scratch scratch;
  return lay_out(&scratch, NULL, problem->heads / problem->kv_heads, problem->k);
}

bool dyno_attention_chunks_supports(const dyno_problem *problem)
{
  return problem->k % 32 == 0;
}

/* A few queries, one after the other, of one KV head. */
typedef struct query_tile {
  const dyno_attention_args *args;
  const dyno_attention_steps *steps;
  chunk_scratch scratch;
  size_t heads; /* of the KV head */
  size_t kv_head;
  size_t query0, query1;
} query_tile;

/* The positions [begin, end) that a query sees. */
static dyno_chunk_range seen_by(const dyno_attention_args *args, size_t query)
{
  size_t end = args->first_position + query + 1;
  size_t begin = args->window != 0 && end > args->window ? end - args->window : 0;
  return (dyno_chunk_range){begin, end};
}

/* The part of [seen.begin, seen.end) that lies in the chunk at `start`; empty if end <= begin. */
static dyno_chunk_range within_chunk(dyno_chunk_range seen, size_t start)
{
  return (dyno_chunk_range){
      .begin = seen.begin > start ? seen.begin - start : 0,
      .end = seen.end <= start               ? 0
             : seen.end - start < DYNO_CHUNK ? seen.end - start
                                             : DYNO_CHUNK,
  };
}

/* The rows of the tile's KV head in the chunk; values lie kv_heads * block_tokens rows after the
 * keys. Positions that no query of the tile sees get the row of one that is seen, because theirs
 * may hold anything. */
static void find_rows(const uint8_t *rows[DYNO_CHUNK], const query_tile *tile, size_t start,
                      dyno_chunk_range range, bool values)
{
  const dyno_attention_args *args = tile->args;
  size_t row_bytes = dyno_row_bytes(tile->steps->kv, args->head_size);
  size_t head = tile->kv_head + (values ? args->kv_heads : 0);
  for (size_t p = 0; p < DYNO_CHUNK; p++) {
    size_t seen = p < range.begin ? range.begin : p < range.end ? p : range.end - 1;
    size_t position = start + seen;
    const uint8_t *block = args->blocks[position / args->block_tokens % args->block_count];
    rows[p] = block + (head * args->block_tokens + position % args->block_tokens) * row_bytes;
  }
}

static void start_queries(const query_tile *tile)
{
  size_t count = (tile->query1 - tile->query0) * tile->heads;
  const float *sinks = tile->args->sinks;
  for (size_t i = 0; i < count; i++) {
    tile->scratch.largest[i] =
        sinks == NULL ? -INFINITY : sinks[tile->kv_head * tile->heads + i % tile->heads];
    tile->scratch.denominator[i] = sinks == NULL ? 0 : 1;
  }
  for (size_t i = 0; i < count * tile->args->head_size; i++)
    tile->scratch.sums[i] = 0;
}

/* The first element of a query, or of its output: its heads follow each other. */
static size_t query_offset(const query_tile *tile, size_t query)
{
  const dyno_attention_args *args = tile->args;
  return (query * args->heads + tile->kv_head * tile->heads) * args->head_size;
}

static void attend_chunk(const query_tile *tile, size_t start, dyno_chunk_range all)
{
  const dyno_attention_args *args = tile->args;
  const dyno_attention_steps *steps = tile->steps;
  const chunk_scratch *scratch = &tile->scratch;
  const uint8_t *rows[DYNO_CHUNK];
  find_rows(rows, tile, start, all, false);
  steps->load_keys(scratch->keys, rows, all, args->head_size);
  find_rows(rows, tile, start, all, true);
  steps->load_values(scratch->values, rows, all, args->head_size);
  for (size_t query = tile->query0; query < tile->query1; query++) {
    dyno_chunk_range range = within_chunk(seen_by(args, query), start);
    if (range.begin >= range.end)
      continue;
    size_t first = (query - tile->query0) * tile->heads;
    steps->score(scratch->scores, args->query + query_offset(tile, query), tile->heads,
                 scratch->keys, args->scale, range, args->head_size);
    steps->soften(scratch->scores, scratch->largest + first, scratch->denominator + first,
                  scratch->rescale, tile->heads, range);
    steps->add_values(scratch->sums + first * args->head_size, scratch->rescale, scratch->scores,
                      tile->heads, scratch->values, range, args->head_size);
  }
}

static void attend_tile(const query_tile *tile)
{
  const dyno_attention_args *args = tile->args;
  start_queries(tile);
  dyno_chunk_range all = {seen_by(args, tile->query0).begin, seen_by(args, tile->query1 - 1).end};
  for (size_t start = all.begin / DYNO_CHUNK * DYNO_CHUNK; start < all.end; start += DYNO_CHUNK)
    attend_chunk(tile, start, within_chunk(all, start));
  for (size_t query = tile->query0; query < tile->query1; query++) {
    size_t first = (query - tile->query0) * tile->heads;
    tile->steps->divide(args->output + query_offset(tile, query),
                        tile->scratch.sums + first * args->head_size,
                        tile->scratch.denominator + first, tile->heads, args->head_size);
  }
}

void dyno_attention_in_chunks(const dyno_attention_args *args, size_t row0, size_t row1,
                              const dyno_attention_steps *steps)
{
  query_tile tile = {.args = args, .steps = steps, .heads = args->heads / args->kv_heads};
  lay_out(&tile.scratch, args->scratch, tile.heads, args->head_size);
  for (size_t row = row0; row < row1; row += tile.query1 - tile.query0) {
    size_t left = row1 - row, of_head = args->m - row % args->m;
    size_t count = left < of_head ? left : of_head;
    tile.kv_head = row / args->m;
    tile.query0 = row % args->m;
    tile.query1 = tile.query0 + (count < DYNO_CHUNK_QUERIES ? count : DYNO_CHUNK_QUERIES);
    attend_tile(&tile);
  }
}
