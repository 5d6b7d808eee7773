#include "harness/measure/calibration.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "harness/measure/items.h"
#include "harness/measure/respond.h"
#include "runtime/engine_lower.h"
#include "runtime/text/file.h"

enum { PIECE_TOKENS = 512, MOST_TEXT = 64 << 20 };

/* Rows of all experts that one expert's own few are joined by. */
enum { LENT_ROWS = 16 };

static dyno_status out_of_memory(dyno_error *error)
{
  return dyno_fail(error, DYNO_ERROR_MEMORY, "calibration: out of memory");
}

static dyno_status end_sequence(dyno_calibration *c, size_t end, dyno_error *error)
{
  size_t *ends = realloc(c->ends, (c->count + 1) * sizeof *ends);
  if (ends == NULL)
    return out_of_memory(error);
  c->ends = ends;
  c->ends[c->count++] = end;
  return DYNO_OK;
}

static dyno_status read_text(dyno_calibration *c, const char *path, const dyno_tokenizer *tokenizer,
                             size_t piece, size_t most, dyno_error *error)
{
  char *text = NULL;
  size_t size;
  dyno_status status = dyno_file_read(&text, &size, path, MOST_TEXT, error);
  if (status == DYNO_OK)
    status = dyno_tokenizer_encode(tokenizer, &c->tokens, text, size, true, error);
  free(text);
  if (status == DYNO_OK && c->tokens.count > most)
    c->tokens.count = most;
  for (size_t at = 0; at < c->tokens.count && status == DYNO_OK; at += piece)
    status = end_sequence(c, c->tokens.count - at < piece ? c->tokens.count : at + piece, error);
  return status;
}

static dyno_status read_items(dyno_calibration *c, const char *path, dyno_tokenizer *tokenizer,
                              size_t context, size_t most, dyno_error *error)
{
  dyno_items items = {0};
  dyno_harmony harmony;
  dyno_status status = dyno_items_read(&items, path, NULL, 0, error);
  if (status == DYNO_OK)
    status = dyno_harmony_create(&harmony, tokenizer, error);
  /* A stride that no number of families divides, so that all of them are met. */
  for (size_t i = 0; i < items.count && status == DYNO_OK && c->tokens.count < most; i++) {
    size_t text, answer, before = c->tokens.count;
    const dyno_item *item = &items.items[i * 7919 % items.count];
    status = dyno_item_tokens(&c->tokens, &text, &answer, item, &harmony, error);
    if (status == DYNO_OK && c->tokens.count - before > context)
      c->tokens.count = before;
    else if (status == DYNO_OK)
      status = end_sequence(c, c->tokens.count, error);
  }
  dyno_items_free(&items);
  return status;
}

dyno_status dyno_calibration_read(dyno_calibration *calibration, const char *path,
                                  const dyno_engine *engine, size_t most, dyno_error *error)
{
  dyno_tokenizer *tokenizer = NULL;
  struct stat kind;
  size_t context = dyno_engine_config(engine)->context_length;
  *calibration = (dyno_calibration){0};
  dyno_status status = dyno_engine_tokenizer(&tokenizer, engine, error);
  if (status == DYNO_OK) {
    bool folder = stat(path, &kind) == 0 && S_ISDIR(kind.st_mode);
    status = folder ? read_items(calibration, path, tokenizer, context, most, error)
                    : read_text(calibration, path, tokenizer,
                                context < PIECE_TOKENS ? context : PIECE_TOKENS, most, error);
  }
  if (status == DYNO_OK && calibration->count == 0)
    status = dyno_fail(error, DYNO_ERROR_USAGE, "%s: there is nothing to calibrate on", path);
  dyno_tokenizer_free(tokenizer);
  if (status != DYNO_OK)
    dyno_calibration_free(calibration);
  return status;
}

void dyno_calibration_free(dyno_calibration *calibration)
{
  dyno_tokens_free(&calibration->tokens);
  free(calibration->ends);
  *calibration = (dyno_calibration){0};
}

/* Sums of squares of what meets one kind of matrix in a layer. */
typedef struct sums {
  double *squares; /* [groups][k] */
  size_t *rows;    /* [groups] */
  size_t groups, k;
} sums;

/* Kinds of input: those of the probe's ops. */
typedef enum site { SITE_QKV, SITE_OUTPUT, SITE_GATE_UP, SITE_DOWN, SITE_HEAD, SITE_COUNT } site;

typedef struct gathering {
  sums *sums; /* [layers][SITE_COUNT]; the head's in layer 0 */
  size_t layers;
} gathering;

static site site_of(dyno_probe_op op)
{
  switch (op) {
  case DYNO_PROBE_ATTENTION_QKV:
    return SITE_QKV;
  case DYNO_PROBE_ATTENTION_OUTPUT:
    return SITE_OUTPUT;
  case DYNO_PROBE_MOE_GATE_UP:
    return SITE_GATE_UP;
  case DYNO_PROBE_MOE_DOWN:
    return SITE_DOWN;
  default:
    return SITE_HEAD;
  }
}

static void add_row(sums *s, size_t group, const float *row)
{
  for (size_t i = 0; i < s->k; i++)
    s->squares[group * s->k + i] += (double)row[i] * (double)row[i];
  s->rows[group]++;
}

static void see_rows(void *context, const dyno_probe_rows *seen)
{
  const gathering *g = context;
  sums *s = &g->sums[seen->layer * SITE_COUNT + site_of(seen->op)];
  if (seen->group_begin != NULL) {
    for (size_t i = 0; i < seen->groups; i++)
      for (size_t row = seen->group_begin[i]; row < seen->group_begin[i + 1]; row++)
        add_row(s, seen->group_expert[i], seen->rows + row * seen->k);
    return;
  }
  for (size_t row = 0; row < seen->count; row++)
    for (size_t j = 0; j < (seen->expert == NULL ? 1 : seen->chosen); j++)
      add_row(s, seen->expert == NULL ? 0 : (size_t)seen->expert[row * seen->chosen + j],
              seen->rows + row * seen->k);
}

static const dyno_tensor_role first_role[SITE_COUNT] = {
    DYNO_TENSOR_QUERY_WEIGHT, DYNO_TENSOR_ATTENTION_WEIGHT, DYNO_TENSOR_GATE_WEIGHT,
    DYNO_TENSOR_DOWN_WEIGHT, DYNO_TENSOR_HEAD};

static dyno_status open_gathering(gathering *g, const dyno_checkpoint *checkpoint,
                                  dyno_error *error)
{
  g->layers = dyno_checkpoint_config(checkpoint)->layers;
  g->sums = calloc(g->layers * SITE_COUNT, sizeof *g->sums);
  if (g->sums == NULL)
    return out_of_memory(error);
  for (size_t i = 0; i < g->layers * SITE_COUNT; i++) {
    const dyno_tensor *tensor =
        dyno_checkpoint_tensor(checkpoint, first_role[i % SITE_COUNT], i / SITE_COUNT);
    sums *s = &g->sums[i];
    s->groups = tensor->groups;
    s->k = tensor->k;
    s->squares = calloc(s->groups * s->k, sizeof *s->squares);
    s->rows = calloc(s->groups, sizeof *s->rows);
    if (s->squares == NULL || s->rows == NULL)
      return out_of_memory(error);
  }
  return DYNO_OK;
}

static void close_gathering(gathering *g)
{
  for (size_t i = 0; g->sums != NULL && i < g->layers * SITE_COUNT; i++) {
    free(g->sums[i].squares);
    free(g->sums[i].rows);
  }
  free(g->sums);
}

/* The columns' means, [groups][k]. */
static float *columns_of(const sums *s)
{
  float *columns = calloc(s->groups * s->k, sizeof *columns);
  double *all = calloc(s->k, sizeof *all), mean = 0;
  size_t rows = 0;
  if (columns == NULL || all == NULL) {
    free(columns);
    free(all);
    return NULL;
  }
  for (size_t g = 0; g < s->groups; g++) {
    rows += s->rows[g];
    for (size_t i = 0; i < s->k; i++)
      all[i] += s->squares[g * s->k + i];
  }
  for (size_t i = 0; i < s->k; i++) {
    all[i] /= rows > 0 ? (double)rows : 1;
    mean += all[i] / (double)s->k;
  }
  for (size_t g = 0; g < s->groups; g++)
    for (size_t i = 0; i < s->k; i++) {
      double lent = s->groups > 1 ? LENT_ROWS : 0, count = (double)s->rows[g] + lent;
      double sum = s->squares[g * s->k + i] + lent * all[i];
      double value = (count > 0 ? sum / count : 0) + mean * 0.001;
      columns[g * s->k + i] = value > 0 ? (float)value : 1;
    }
  free(all);
  return columns;
}

static dyno_status summarize(dyno_importance *importance, const gathering *g,
                             const dyno_checkpoint *checkpoint, dyno_error *error)
{
  static const site sites[DYNO_TENSOR_ROLE_COUNT] = {
      [DYNO_TENSOR_HEAD] = SITE_HEAD,
      [DYNO_TENSOR_QUERY_WEIGHT] = SITE_QKV,
      [DYNO_TENSOR_KEY_WEIGHT] = SITE_QKV,
      [DYNO_TENSOR_VALUE_WEIGHT] = SITE_QKV,
      [DYNO_TENSOR_ATTENTION_WEIGHT] = SITE_OUTPUT,
      [DYNO_TENSOR_GATE_WEIGHT] = SITE_GATE_UP,
      [DYNO_TENSOR_UP_WEIGHT] = SITE_GATE_UP,
      [DYNO_TENSOR_DOWN_WEIGHT] = SITE_DOWN,
  };
  importance->count = dyno_checkpoint_tensor_count(checkpoint);
  importance->columns = calloc(importance->count, sizeof *importance->columns);
  if (importance->columns == NULL)
    return out_of_memory(error);
  for (size_t i = 0; i < importance->count; i++) {
    const dyno_tensor *tensor = dyno_checkpoint_tensor_at(checkpoint, i);
    if (!dyno_quant_role(tensor->role) || tensor->role == DYNO_TENSOR_EMBEDDING)
      continue;
    importance->columns[i] = columns_of(&g->sums[tensor->layer * SITE_COUNT + sites[tensor->role]]);
    if (importance->columns[i] == NULL)
      return out_of_memory(error);
  }
  return DYNO_OK;
}

/* The head sees every position only if the logits of all are asked for. */
static void ignore_logits(void *context, size_t position, const float *logits)
{
  (void)context;
  (void)position;
  (void)logits;
}

static dyno_status run_text(dyno_engine *engine, const dyno_calibration *c,
                            bool (*progress)(void *context, uint64_t done, uint64_t total),
                            void *context, dyno_error *error)
{
  dyno_status status = DYNO_OK;
  for (size_t i = 0, at = 0; i < c->count && status == DYNO_OK; at = c->ends[i++]) {
    dyno_sequence *sequence;
    status = dyno_sequence_open(&sequence, engine, c->ends[i] - at, error);
    if (status == DYNO_OK)
      status = dyno_sequence_append(sequence, c->tokens.ids + at, c->ends[i] - at, ignore_logits,
                                    NULL, error);
    dyno_sequence_close(&sequence);
    if (status == DYNO_OK && progress != NULL &&
        !progress(context, c->ends[i], c->ends[c->count - 1]))
      status = dyno_fail(error, DYNO_ERROR_INTERRUPTED, "stopped");
  }
  return status;
}

dyno_status dyno_calibrate(dyno_importance *importance, dyno_engine *engine,
                           const dyno_calibration *calibration,
                           bool (*progress)(void *context, uint64_t done, uint64_t total),
                           void *context, dyno_error *error)
{
  const dyno_checkpoint *checkpoint = dyno_engine_checkpoint(engine);
  gathering g = {0};
  *importance = (dyno_importance){.tokens = calibration->tokens.count};
  dyno_status status = open_gathering(&g, checkpoint, error);
  if (status == DYNO_OK) {
    dyno_engine_set_probe(engine, &(dyno_probe){.context = &g, .rows = see_rows});
    status = run_text(engine, calibration, progress, context, error);
    dyno_engine_set_probe(engine, NULL);
  }
  if (status == DYNO_OK)
    status = summarize(importance, &g, checkpoint, error);
  close_gathering(&g);
  if (status != DYNO_OK)
    dyno_importance_free(importance);
  return status;
}
