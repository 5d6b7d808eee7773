#include "runtime/forward/shares.h"

/* The threads end about half of the last share apart: a hundredth of the step. But a share is not
 * worth claiming for less than some microseconds of work. */
enum { MOST_ROUNDS = 7, LEAST_SHARE_COST = 1 << 16 };

/* A row of a group costs its weights, which are read once whatever the tokens, and then the
 * arithmetic for each token. The two are equal at about this many tokens. */
enum { TOKENS_WORTH_A_READ = 8 };

static size_t smaller(size_t a, size_t b)
{
  return a < b ? a : b;
}

/* Our node's rows of a matrix. */
static void node_rows(const dyno_shares *shares, size_t matmul, size_t *begin, size_t *end)
{
  const dyno_lane *lane = shares->lane;
  dyno_partition_node(begin, end, shares->matmuls[matmul].args.n, shares->granule,
                      lane->workspace->pool, lane->own->node);
}

static size_t row_cost(const dyno_matmul_args *args, size_t group)
{
  size_t tokens = args->group_begin[group + 1] - args->group_begin[group];
  return (tokens + TOKENS_WORTH_A_READ) * args->k;
}

static size_t total_cost(const dyno_shares *shares)
{
  size_t cost = 0;
  for (size_t i = 0; i < shares->count; i++) {
    const dyno_matmul_args *args = &shares->matmuls[i].args;
    size_t begin, end;
    node_rows(shares, i, &begin, &end);
    cost += (args->m + args->groups * TOKENS_WORTH_A_READ) * args->k * (end - begin);
  }
  return cost;
}

/* The row that is `share` of-ths of the way through the work. */
static dyno_span split_point(const dyno_shares *shares, size_t share, size_t of)
{
  size_t total = total_cost(shares);
  size_t left = total / of * share + total % of * share / of;
  for (size_t i = 0; i < shares->count && share < of; i++) {
    const dyno_matmul_args *args = &shares->matmuls[i].args;
    size_t begin, end;
    node_rows(shares, i, &begin, &end);
    for (size_t g = 0; g < args->groups; g++) {
      size_t cost = row_cost(args, g);
      if (left < cost * (end - begin)) {
        size_t rows = left / cost / shares->granule * shares->granule;
        return (dyno_span){.matmul = i, .group = g, .row0 = begin + rows, .row1 = end};
      }
      left -= cost * (end - begin);
    }
  }
  return (dyno_span){.matmul = shares->count};
}

dyno_shares dyno_shares_of(dyno_lane *lane, const dyno_matmul *matmuls, size_t count,
                           size_t granule, size_t most_cells)
{
  dyno_shares shares = {
      .lane = lane,
      .matmuls = matmuls,
      .count = count,
      .granule = granule,
      .most_cells = most_cells,
      .step = dyno_lane_claim_step(lane),
  };
  size_t cost = total_cost(&shares) / lane->own->peers;
  for (shares.rounds = 1; shares.rounds < MOST_ROUNDS && lane->own->peers > 1; shares.rounds++)
    if (cost >> shares.rounds < LEAST_SHARE_COST)
      break;
  return shares;
}

/* Where a share begins, in smallest shares. */
static size_t share_begin(size_t share, size_t peers, unsigned rounds)
{
  size_t round = share / peers, smallest = (size_t)1 << (rounds - 1);
  if (round >= rounds)
    return peers * smallest;
  size_t size = round + 1 < rounds ? smallest >> (round + 1) : 1;
  return peers * (smallest - (smallest >> round)) + share % peers * size;
}

static bool take_share(dyno_shares *shares)
{
  size_t peers = shares->lane->own->peers, all = peers << (shares->rounds - 1);
  size_t share = dyno_lane_claim(shares->lane, shares->step, shares->lane->own->node);
  if (share >= peers * shares->rounds)
    return false;
  shares->at = split_point(shares, share_begin(share, peers, shares->rounds), all);
  shares->end = split_point(shares, share_begin(share + 1, peers, shares->rounds), all);
  return true;
}

/* To the beginning of the next group's matrix, or the next matmul's. */
static void next_group(dyno_shares *shares)
{
  dyno_span *at = &shares->at;
  if (++at->group == shares->matmuls[at->matmul].args.groups) {
    at->group = 0;
    at->matmul++;
  }
  if (at->matmul < shares->count)
    node_rows(shares, at->matmul, &at->row0, &at->row1);
}

static bool share_left(const dyno_shares *shares)
{
  const dyno_span *at = &shares->at, *end = &shares->end;
  if (at->matmul != end->matmul)
    return at->matmul < end->matmul;
  if (at->matmul == shares->count)
    return false;
  return at->group < end->group || (at->group == end->group && at->row0 < end->row0);
}

/* Where what is left of our share of a group's matrix ends. */
static size_t share_stop(const dyno_shares *shares)
{
  const dyno_span *at = &shares->at, *end = &shares->end;
  return at->matmul == end->matmul && at->group == end->group ? end->row0 : at->row1;
}

static bool have_share(dyno_shares *shares)
{
  while (!share_left(shares))
    if (!take_share(shares))
      return false;
  return true;
}

bool dyno_shares_peek(dyno_shares *shares, dyno_span *span)
{
  if (!have_share(shares))
    return false;
  *span = shares->at;
  span->row1 = share_stop(shares);
  return true;
}

bool dyno_shares_next(dyno_shares *shares, dyno_span *span)
{
  while (have_share(shares)) {
    dyno_span *at = &shares->at;
    const dyno_matmul_args *args = &shares->matmuls[at->matmul].args;
    size_t tokens = args->group_begin[at->group + 1] - args->group_begin[at->group];
    size_t rows = share_stop(shares) - at->row0;
    if (shares->most_cells > 0 && tokens > 0) {
      size_t most = shares->most_cells / tokens / shares->granule * shares->granule;
      rows = smaller(rows, most > 0 ? most : shares->granule);
    }
    *span = (dyno_span){at->matmul, at->group, at->row0, at->row0 + rows};
    at->row0 += rows;
    if (at->row0 == at->row1)
      next_group(shares);
    if (rows > 0 && tokens > 0)
      return true;
  }
  return false;
}
