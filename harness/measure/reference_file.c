#include "harness/measure/reference_file.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "harness/measure/logits.h"
#include "kernels/base/atomic_file.h"
#include "runtime/engine_lower.h"
#include "runtime/text/file.h"

/* The file's beginning. What comes behind it is the payload. */
enum { MAGIC_AT = 0, VOCAB_AT = 8, KEPT_AT = 12, SEQUENCES_AT = 16, PAYLOAD_AT = 24, SUM_AT = 32 };
enum { MODEL_AT = 40, MODEL_TEXT = 32, HEADER_BYTES = 72, SEQUENCE_BYTES = 8, ROW_BYTES = 8 };
enum { MOST_KEPT = 65536, MOST_VOCAB = 1 << 24 };
#define MOST_FILE ((size_t)4 << 30)
static const char magic[8] = "DYNOREF1";

/* A log-probability may be rounded up to a little more than 0. */
static const double slack = 1e-3;

static size_t row_bytes(size_t kept)
{
  return ROW_BYTES + kept * (sizeof(uint32_t) + sizeof(float));
}

/* --- writing --- */

typedef struct ranked {
  float logit;
  uint32_t id;
} ranked;

typedef struct writing {
  FILE *stream;
  XXH3_state_t *sum;
  uint64_t bytes;
  dyno_engine *engine;
  size_t vocab, kept;
  ranked *order; /* [vocab] */
  const int32_t *tokens;
  size_t count;
} writing;

/* Errors of the stream show when it is committed. */
static void put(writing *w, const void *data, size_t size)
{
  XXH3_64bits_update(w->sum, data, size);
  fwrite(data, 1, size, w->stream);
  w->bytes += size;
}

static void put_u32(writing *w, size_t value)
{
  uint32_t number = (uint32_t)value;
  put(w, &number, sizeof number);
}

static void put_float(writing *w, double value)
{
  float number = (float)value;
  put(w, &number, sizeof number);
}

/* Larger ones first, of equal ones the lower id. */
static int by_logit(const void *a, const void *b)
{
  const ranked *x = a, *y = b;
  if (x->logit != y->logit)
    return x->logit > y->logit ? -1 : 1;
  return x->id < y->id ? -1 : 1;
}

static void put_row(void *context, size_t position, const float *logits)
{
  writing *w = context;
  double total = dyno_log_sum_exp(logits, w->vocab), rest = 0;
  for (size_t i = 0; i < w->vocab; i++)
    w->order[i] = (ranked){logits[i], (uint32_t)i};
  qsort(w->order, w->vocab, sizeof *w->order, by_logit);
  for (size_t i = w->vocab; i > w->kept; i--) /* the small ones first */
    rest += exp((double)w->order[i - 1].logit - total);
  put_float(w, log(rest));
  put_float(w, position + 1 < w->count ? (double)logits[w->tokens[position + 1]] - total : 0);
  for (size_t i = 0; i < w->kept; i++)
    put(w, &w->order[i].id, sizeof w->order[i].id);
  for (size_t i = 0; i < w->kept; i++)
    put_float(w, (double)w->order[i].logit - total);
}

static void put_sequence(writing *w, const int32_t *tokens, size_t count, size_t prompt)
{
  w->tokens = tokens;
  w->count = count;
  put_u32(w, count);
  put_u32(w, prompt);
  put(w, tokens, count * sizeof *tokens);
}

static dyno_status put_passage(writing *w, const int32_t *tokens, size_t count, dyno_error *error)
{
  dyno_sequence *sequence;
  dyno_status status = dyno_sequence_open(&sequence, w->engine, count, error);
  put_sequence(w, tokens, count, 0);
  if (status == DYNO_OK)
    status = dyno_sequence_append(sequence, tokens, count, put_row, w, error);
  dyno_sequence_close(&sequence);
  return status;
}

static dyno_status put_continuation(writing *w, const dyno_passages *passages, size_t index,
                                    size_t greedy, dyno_error *error)
{
  dyno_tokens tokens = {0};
  size_t prompt = passages->passages[index].prompt;
  dyno_status status = dyno_greedy_continue(&tokens, w->engine, passages, index, greedy, error);
  if (status == DYNO_OK && tokens.count > prompt)
    put_sequence(w, tokens.ids, tokens.count, prompt);
  dyno_tokens_free(&tokens);
  return status;
}

/* Of the payload's checksum and of the header, which has that in its place. */
static uint64_t seal(const char *header, uint64_t payload)
{
  char sealed[HEADER_BYTES];
  memcpy(sealed, header, sizeof sealed);
  memcpy(sealed + SUM_AT, &payload, sizeof payload);
  return XXH3_64bits(sealed, sizeof sealed);
}

static void put_header(writing *w, size_t sequences)
{
  char header[HEADER_BYTES] = {0}, model[DYNO_CHECKPOINT_HASH_TEXT];
  uint32_t vocab = (uint32_t)w->vocab, kept = (uint32_t)w->kept, count = (uint32_t)sequences;
  dyno_checkpoint_hash(dyno_engine_checkpoint(w->engine), model);
  memcpy(header + MAGIC_AT, magic, sizeof magic);
  memcpy(header + VOCAB_AT, &vocab, sizeof vocab);
  memcpy(header + KEPT_AT, &kept, sizeof kept);
  memcpy(header + SEQUENCES_AT, &count, sizeof count);
  memcpy(header + PAYLOAD_AT, &w->bytes, sizeof w->bytes);
  memcpy(header + MODEL_AT, model, MODEL_TEXT);
  uint64_t sum = seal(header, XXH3_64bits_digest(w->sum));
  memcpy(header + SUM_AT, &sum, sizeof sum);
  rewind(w->stream);
  fwrite(header, 1, sizeof header, w->stream);
}

static dyno_status write_all(writing *w, const dyno_passages *passages, size_t prompts,
                             size_t greedy, bool (*progress)(void *, size_t, size_t), void *context,
                             dyno_error *error)
{
  static const char nothing[HEADER_BYTES];
  size_t sequences = 0, asked = greedy == 0                 ? 0
                                : prompts < passages->count ? prompts
                                                            : passages->count;
  dyno_status status = DYNO_OK;
  fwrite(nothing, 1, sizeof nothing, w->stream);
  for (size_t i = 0; i < passages->count + asked && status == DYNO_OK; i++) {
    uint64_t before = w->bytes;
    status = i < passages->count
                 ? put_passage(w, dyno_passage_tokens(passages, i),
                               dyno_passage_length(passages, i), error)
                 : put_continuation(w, passages,
                                    dyno_passage_of_prompt(passages, i - passages->count, asked),
                                    greedy, error);
    sequences += w->bytes > before;
    if (status == DYNO_OK && progress != NULL && !progress(context, i + 1, passages->count + asked))
      status = dyno_fail(error, DYNO_ERROR_INTERRUPTED, "stopped");
  }
  put_header(w, sequences);
  return status;
}

dyno_status dyno_reference_file_write(const char *path, dyno_engine *engine,
                                      const dyno_passages *passages, size_t prompts, size_t greedy,
                                      bool (*progress)(void *context, size_t done, size_t total),
                                      void *context, dyno_error *error)
{
  size_t vocab = dyno_engine_config(engine)->vocab;
  dyno_atomic_file file;
  writing w = {.sum = XXH3_createState(),
               .engine = engine,
               .vocab = vocab,
               .kept = vocab < DYNO_REFERENCE_KEPT ? vocab : DYNO_REFERENCE_KEPT,
               .order = calloc(vocab, sizeof *w.order)};
  dyno_status status = w.sum != NULL && w.order != NULL
                           ? dyno_atomic_file_open(&file, path, error)
                           : dyno_fail(error, DYNO_ERROR_MEMORY, "%s: out of memory", path);
  if (status == DYNO_OK) {
    w.stream = file.stream;
    XXH3_64bits_reset(w.sum);
    status = write_all(&w, passages, prompts, greedy, progress, context, error);
    if (status == DYNO_OK)
      status = dyno_atomic_file_commit(&file, error);
    else
      dyno_atomic_file_discard(&file);
  }
  XXH3_freeState(w.sum);
  free(w.order);
  return status;
}

/* --- reading --- */

typedef struct reading {
  dyno_reference_file *file;
  const char *path;
  size_t size, at; /* of the file */
  dyno_error *error;
} reading;

static dyno_status wrong(const reading *r, const char *what)
{
  return dyno_fail(r->error, DYNO_ERROR_FORMAT, "%s, offset %zu: %s", r->path, r->at, what);
}

static uint32_t u32_at(const char *bytes, size_t at)
{
  uint32_t value;
  memcpy(&value, bytes + at, sizeof value);
  return value;
}

static uint64_t u64_at(const char *bytes, size_t at)
{
  uint64_t value;
  memcpy(&value, bytes + at, sizeof value);
  return value;
}

static float float_at(const char *bytes, size_t at)
{
  float value;
  memcpy(&value, bytes + at, sizeof value);
  return value;
}

static dyno_status read_header(reading *r, size_t *sequences)
{
  dyno_reference_file *f = r->file;
  if (r->size < HEADER_BYTES || memcmp(f->bytes + MAGIC_AT, magic, sizeof magic) != 0)
    return wrong(r, "not a file that dyno quality --store wrote");
  f->vocab = u32_at(f->bytes, VOCAB_AT);
  f->kept = u32_at(f->bytes, KEPT_AT);
  *sequences = u32_at(f->bytes, SEQUENCES_AT);
  memcpy(f->model, f->bytes + MODEL_AT, MODEL_TEXT);
  for (size_t i = 0; i < MODEL_TEXT; i++)
    if (strchr("0123456789abcdef", f->model[i]) == NULL || f->model[i] == '\0') {
      r->at = MODEL_AT + i;
      return wrong(r, "the model's hash has another character than 0-9 and a-f");
    }
  r->at = VOCAB_AT;
  if (f->vocab < 1 || f->vocab > MOST_VOCAB)
    return wrong(r, "the vocabulary has no possible size");
  r->at = KEPT_AT;
  if (f->kept < 1 || f->kept > f->vocab || f->kept > MOST_KEPT)
    return wrong(r, "no possible number of tokens is kept");
  r->at = PAYLOAD_AT;
  if (u64_at(f->bytes, PAYLOAD_AT) != r->size - HEADER_BYTES)
    return wrong(r, "the file is shorter or longer than it says; was it copied whole?");
  r->at = SUM_AT;
  if (u64_at(f->bytes, SUM_AT) !=
      seal(f->bytes, XXH3_64bits(f->bytes + HEADER_BYTES, r->size - HEADER_BYTES)))
    return wrong(r, "the checksum does not hold; the file was damaged");
  r->at = SEQUENCES_AT;
  if (*sequences < 1 || *sequences > (r->size - HEADER_BYTES) / SEQUENCE_BYTES)
    return wrong(r, "no possible number of sequences");
  r->at = HEADER_BYTES;
  return DYNO_OK;
}

static dyno_status check_tokens(reading *r, size_t count)
{
  for (size_t i = 0; i < count; i++, r->at += sizeof(int32_t))
    if (u32_at(r->file->bytes, r->at) >= r->file->vocab)
      return wrong(r, "a token that is not in the vocabulary");
  return DYNO_OK;
}

static bool is_log_probability(double value)
{
  return isfinite(value) && value <= slack;
}

static dyno_status check_row(reading *r)
{
  const dyno_reference_file *f = r->file;
  double rest = (double)float_at(f->bytes, r->at), before = INFINITY;
  if (rest != -INFINITY && !is_log_probability(rest))
    return wrong(r, "the probability of all other tokens is none");
  double mass = exp(rest);
  r->at += sizeof(float);
  if (!is_log_probability((double)float_at(f->bytes, r->at)))
    return wrong(r, "the probability of the next token is none");
  r->at += sizeof(float);
  dyno_status status = check_tokens(r, f->kept);
  for (size_t i = 0; i < f->kept && status == DYNO_OK; i++, r->at += sizeof(float)) {
    double value = (double)float_at(f->bytes, r->at);
    if (!is_log_probability(value) || value > before)
      return wrong(r, "a token's probability is none, or greater than that before");
    before = value;
    mass += exp(value);
  }
  if (status == DYNO_OK && fabs(mass - 1) > slack)
    return wrong(r, "the probabilities before do not add up to 1");
  return status;
}

static dyno_status read_sequence(reading *r, dyno_reference_sequence *sequence)
{
  dyno_reference_file *f = r->file;
  if (r->size - r->at < SEQUENCE_BYTES)
    return wrong(r, "a sequence is cut off");
  size_t count = u32_at(f->bytes, r->at), prompt = u32_at(f->bytes, r->at + 4);
  if (count < 1 || prompt >= count)
    return wrong(r, "a sequence without tokens, or whose prompt is all of it");
  r->at += SEQUENCE_BYTES;
  size_t each = sizeof(int32_t) + (prompt == 0 ? row_bytes(f->kept) : 0);
  if ((r->size - r->at) / each < count)
    return wrong(r, "a sequence is cut off");
  *sequence = (dyno_reference_sequence){r->at, count, prompt};
  dyno_status status = check_tokens(r, count);
  for (size_t i = 0; prompt == 0 && i < count && status == DYNO_OK; i++)
    status = check_row(r);
  return status;
}

dyno_status dyno_reference_file_read(dyno_reference_file *file, const char *path, dyno_error *error)
{
  reading r = {.file = file, .path = path, .error = error};
  size_t sequences = 0;
  *file = (dyno_reference_file){0};
  dyno_status status = dyno_file_read(&file->bytes, &r.size, path, MOST_FILE, error);
  if (status == DYNO_OK)
    status = read_header(&r, &sequences);
  if (status == DYNO_OK) {
    file->sequences = calloc(sequences, sizeof *file->sequences);
    if (file->sequences == NULL)
      status = dyno_fail(error, DYNO_ERROR_MEMORY, "%s: out of memory", path);
  }
  while (status == DYNO_OK && file->count < sequences)
    status = read_sequence(&r, &file->sequences[file->count++]);
  if (status == DYNO_OK && r.at != r.size)
    status = wrong(&r, "there is more than the sequences that were announced");
  if (status == DYNO_OK && file->sequences[0].prompt > 0)
    status = wrong(&r, "the first sequence is no passage");
  if (status != DYNO_OK)
    dyno_reference_file_free(file);
  return status;
}

/* --- comparing --- */

typedef struct comparing {
  const dyno_reference_file *file;
  dyno_divergence *divergence;
  size_t row, count; /* where the first position's row lies; of positions */
  uint8_t *is_kept;  /* [vocab]; all 0 between two positions */
} comparing;

/* Of the kept tokens and of all others as one. */
static double divergence_of(const comparing *c, const char *row, const float *logits, double total)
{
  const dyno_reference_file *f = c->file;
  const size_t ids = ROW_BYTES, values = ids + f->kept * sizeof(uint32_t);
  double sum = 0, rest = 0, rest_p = (double)float_at(row, 0);
  for (size_t i = 0; i < f->kept; i++) {
    uint32_t id = u32_at(row, ids + i * sizeof(uint32_t));
    double p = (double)float_at(row, values + i * sizeof(float));
    sum += exp(p) * (p - ((double)logits[id] - total));
    c->is_kept[id] = 1;
  }
  for (size_t i = 0; i < f->vocab; i++)
    rest += c->is_kept[i] ? 0 : exp((double)logits[i] - total);
  for (size_t i = 0; i < f->kept; i++)
    c->is_kept[u32_at(row, ids + i * sizeof(uint32_t))] = 0;
  if (rest_p > -INFINITY) /* which may be too small for a double in the other */
    sum += exp(rest_p) * (rest_p - log(fmax(rest, DBL_TRUE_MIN)));
  return fmax(sum, 0);
}

static void compare(void *context, size_t position, const float *logits)
{
  comparing *c = context;
  const dyno_reference_file *f = c->file;
  const char *row = f->bytes + c->row + position * row_bytes(f->kept);
  double total = dyno_log_sum_exp(logits, f->vocab);
  dyno_position_divergence found = {
      .nats = divergence_of(c, row, logits, total),
      .same_top = (uint32_t)dyno_argmax(logits, f->vocab) == u32_at(row, ROW_BYTES),
      .followed = position + 1 < c->count,
  };
  if (found.followed) {
    size_t token = u32_at(f->bytes, c->row - (c->count - position - 1) * sizeof(int32_t));
    found.before = (double)float_at(row, sizeof(float));
    found.after = (double)logits[token] - total;
  }
  dyno_divergence_note(c->divergence, &found);
}

int32_t *dyno_reference_file_tokens(const dyno_reference_file *file, size_t sequence)
{
  const dyno_reference_sequence *s = &file->sequences[sequence];
  int32_t *tokens = calloc(s->count, sizeof *tokens);
  if (tokens != NULL)
    memcpy(tokens, file->bytes + s->at, s->count * sizeof *tokens);
  return tokens;
}

static dyno_status compare_passage(dyno_divergence *divergence, const dyno_reference_file *file,
                                   const dyno_reference_sequence *s, const int32_t *tokens,
                                   dyno_engine *engine, dyno_error *error)
{
  comparing c = {.file = file,
                 .divergence = divergence,
                 .row = s->at + s->count * sizeof(int32_t),
                 .count = s->count,
                 .is_kept = calloc(file->vocab, 1)};
  dyno_sequence *sequence = NULL;
  dyno_status status = c.is_kept != NULL
                           ? dyno_divergence_reserve(divergence, s->count, error)
                           : dyno_fail(error, DYNO_ERROR_MEMORY, "divergence: out of memory");
  if (status == DYNO_OK)
    status = dyno_sequence_open(&sequence, engine, s->count, error);
  if (status == DYNO_OK)
    status = dyno_sequence_append(sequence, tokens, s->count, compare, &c, error);
  dyno_sequence_close(&sequence);
  free(c.is_kept);
  return status;
}

dyno_status dyno_reference_file_compare(dyno_divergence *divergence, dyno_greedy *greedy,
                                        const dyno_reference_file *file, size_t sequence,
                                        dyno_engine *engine, dyno_error *error)
{
  const dyno_reference_sequence *s = &file->sequences[sequence];
  if (dyno_engine_config(engine)->vocab != file->vocab)
    return dyno_fail(error, DYNO_ERROR_USAGE,
                     "the vocabularies differ in size: the reference's has %zu tokens, the model's "
                     "%zu",
                     file->vocab, dyno_engine_config(engine)->vocab);
  int32_t *tokens = dyno_reference_file_tokens(file, sequence);
  if (tokens == NULL)
    return dyno_fail(error, DYNO_ERROR_MEMORY, "stored reference: out of memory");
  dyno_status status =
      s->prompt == 0 ? compare_passage(divergence, file, s, tokens, engine, error)
                     : dyno_greedy_compare(greedy, engine, tokens, s->count, s->prompt, error);
  free(tokens);
  return status;
}

void dyno_reference_file_free(dyno_reference_file *file)
{
  free(file->sequences);
  free(file->bytes);
  *file = (dyno_reference_file){0};
}
