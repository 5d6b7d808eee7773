#include "kernels/attention/chunks.h"

#include <math.h>

/* What a call keeps in the scratch memory. */
typedef struct chunk_scratch {
  float
      *queries; /* [DYNO_CHUNK_QUERIES][heads of a KV head][head_size], as the variant wants them */
  float *sums;  /* the same */
  float *scores; /* [heads of a KV head][DYNO_CHUNK] */
  /* Of all chunks so far, [DYNO_CHUNK_QUERIES][heads of a KV head, padded]; and of a chunk. */
  dyno_softmax all, chunk;
  float *keep, *take; /* [heads of a KV head, padded] */
} chunk_scratch;

enum { LINE = 64, HEAD_PADDING = 16 };

/* Takes `count` floats off the memory behind what is used, in whole lines; of NULL it only counts
 * them. */
static float *take(char *memory, size_t *used, size_t count)
{
  float *floats = memory == NULL ? NULL : (float *)(void *)(memory + *used);
  *used += (count * sizeof(float) + LINE - 1) / LINE * LINE;
  return floats;
}

static size_t padded(size_t heads)
{
  return (heads + HEAD_PADDING - 1) / HEAD_PADDING * HEAD_PADDING;
}

static size_t lay_out(chunk_scratch *scratch, char *memory, size_t heads, size_t head_size)
{
  size_t used = 0, vectors = DYNO_CHUNK_QUERIES * heads, states = padded(heads);
  scratch->queries = take(memory, &used, vectors * head_size);
  scratch->sums = take(memory, &used, vectors * head_size);
  scratch->scores = take(memory, &used, heads * DYNO_CHUNK);
  scratch->all.largest = take(memory, &used, DYNO_CHUNK_QUERIES * states);
  scratch->all.sum = take(memory, &used, DYNO_CHUNK_QUERIES * states);
  scratch->chunk.largest = take(memory, &used, states);
  scratch->chunk.sum = take(memory, &used, states);
  scratch->keep = take(memory, &used, states);
  scratch->take = take(memory, &used, states);
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
  dyno_kv_shape shape;
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

typedef struct chunk_panels {
  const uint8_t *keys[DYNO_CHUNK_PANELS], *values[DYNO_CHUNK_PANELS];
} chunk_panels;

/* Where the chunk's panels of the tile's KV head lie. A panel of which no query sees anything is
 * replaced by one that is seen, because there may be no such block. */
static void find_panels(chunk_panels *panels, const query_tile *tile, size_t start,
                        dyno_chunk_range range)
{
  const dyno_attention_args *args = tile->args;
  size_t first = range.begin / DYNO_KV_PANEL, last = (range.end - 1) / DYNO_KV_PANEL;
  for (size_t i = 0; i < DYNO_CHUNK_PANELS; i++) {
    size_t seen = i < first ? first : i < last ? i : last;
    size_t position = start + seen * DYNO_KV_PANEL;
    const uint8_t *block = args->blocks[position / args->block_tokens % args->block_count];
    panels->keys[i] =
        block + dyno_kv_panel_at(&tile->shape, tile->kv_head, position % args->block_tokens);
    panels->values[i] = panels->keys[i] + dyno_kv_plane_bytes(&tile->shape);
  }
}

/* The first element of a query, or of its output: its heads follow each other. */
static size_t query_offset(const query_tile *tile, size_t query)
{
  const dyno_attention_args *args = tile->args;
  return (query * args->heads + tile->kv_head * tile->heads) * args->head_size;
}

/* Where the tile keeps the vectors of a query. */
static size_t kept_at(const query_tile *tile, size_t query)
{
  return (query - tile->query0) * tile->heads * tile->args->head_size;
}

static dyno_softmax softmax_of(const query_tile *tile, size_t query)
{
  size_t offset = (query - tile->query0) * padded(tile->heads);
  return (dyno_softmax){tile->scratch.all.largest + offset, tile->scratch.all.sum + offset};
}

static void start_query(const query_tile *tile, size_t query)
{
  const dyno_attention_args *args = tile->args;
  const float log2_e = 0x1.715476p+0f;
  size_t at = kept_at(tile, query);
  dyno_softmax softmax = softmax_of(tile, query);
  tile->steps->take_query(tile->scratch.queries + at, args->query + query_offset(tile, query),
                          tile->heads, args->head_size, args->scale * log2_e);
  memset(tile->scratch.sums + at, 0, tile->heads * args->head_size * sizeof(float));
  for (size_t h = 0; h < padded(tile->heads); h++) {
    softmax.largest[h] = -INFINITY;
    softmax.sum[h] = 0;
  }
}

/* The first query fetches the values, and the next chunk's keys, for all. */
static void attend_chunk(const query_tile *tile, size_t start, const chunk_panels *panels,
                         const chunk_panels *next)
{
  const dyno_attention_args *args = tile->args;
  const dyno_attention_steps *steps = tile->steps;
  const chunk_scratch *scratch = &tile->scratch;
  for (size_t query = tile->query0; query < tile->query1; query++) {
    dyno_chunk_range range = within_chunk(seen_by(args, query), start);
    if (range.begin >= range.end)
      continue;
    size_t at = kept_at(tile, query);
    bool first = query == tile->query0;
    steps->score(scratch->scores, scratch->queries + at, tile->heads, panels->keys,
                 first ? panels->values : NULL, range, args->head_size);
    steps->soften(scratch->scores, scratch->chunk, tile->heads, range);
    steps->merge(softmax_of(tile, query), scratch->chunk, scratch->keep, scratch->take,
                 tile->heads);
    steps->add_values(scratch->sums + at, scratch->keep, scratch->take, scratch->scores,
                      tile->heads, panels->values, first && next != NULL ? next->keys : NULL, range,
                      args->head_size);
  }
}

static void attend_tile(const query_tile *tile)
{
  const dyno_attention_args *args = tile->args;
  for (size_t query = tile->query0; query < tile->query1; query++)
    start_query(tile, query);
  dyno_chunk_range all = {seen_by(args, tile->query0).begin, seen_by(args, tile->query1 - 1).end};
  chunk_panels panels[2];
  size_t start = all.begin / DYNO_CHUNK * DYNO_CHUNK;
  find_panels(&panels[0], tile, start, within_chunk(all, start));
  for (size_t i = 0; start < all.end; i = 1 - i, start += DYNO_CHUNK) {
    size_t next = start + DYNO_CHUNK;
    if (next < all.end)
      find_panels(&panels[1 - i], tile, next, within_chunk(all, next));
    attend_chunk(tile, start, &panels[i], next < all.end ? &panels[1 - i] : NULL);
  }
  const float *sinks = args->sinks == NULL ? NULL : args->sinks + tile->kv_head * tile->heads;
  for (size_t query = tile->query0; query < tile->query1; query++)
    tile->steps->finish(args->output + query_offset(tile, query),
                        tile->scratch.sums + kept_at(tile, query), softmax_of(tile, query), sinks,
                        tile->heads, args->head_size);
}

void dyno_attention_in_chunks(const dyno_attention_args *args, size_t row0, size_t row1,
                              const dyno_attention_steps *steps)
{
  query_tile tile = {
      .args = args,
      .steps = steps,
      .shape = {dyno_row_bytes(steps->kv, 1), args->block_tokens, args->kv_heads, args->head_size},
      .heads = args->heads / args->kv_heads,
  };
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
