/* Lowered weights: those that the reference quantizer makes of the file's rows, whatever the
 * dialect, and only where that saves bytes. */
#include "runtime/model/linear.h"
#include "runtime/model/model.h"
#include "tests/unit/fixtures.h"
#include "tests/unit/model_fixture.h"

static fixture_folder folder;

static void make_folder(void)
{
  fixture_folder_make(&folder);
}

static void remove_folder(void)
{
  fixture_folder_remove(&folder);
}

TestSuite(quantization, .init = make_folder, .fini = remove_folder, .timeout = 60);

static const struct {
  const dyno_dialect *dialect;
  fixture_model model;
} models[] = {
    {&dyno_dialect_ggml_org, {DYNO_Q8_0, DYNO_MXFP4, DYNO_F32, DYNO_F32, 1}},
    {&dyno_dialect_ollama_2025_08, {DYNO_BF16, DYNO_MXFP4, DYNO_F32, DYNO_F32, 2}},
    {&dyno_dialect_hugging_face, {DYNO_BF16, DYNO_BF16, DYNO_BF16, DYNO_BF16, 3}},
    {&dyno_dialect_ggml_org, {DYNO_F32, DYNO_F16, DYNO_F32, DYNO_F32, 4}},
};
enum { MODEL_COUNT = sizeof models / sizeof *models };

typedef struct loaded {
  dyno_checkpoint *checkpoint;
  dyno_registry *registry;
  dyno_pool *pool;
  dyno_quantization quantization;
  dyno_model model;
} loaded;

static void load(loaded *l, size_t index, dyno_quant_method method)
{
  dyno_error error = {0};
  const dyno_registry_options registry = DYNO_REGISTRY_DEFAULTS;
  dyno_model_config config = fixture_config();
  fixture_folder_remove(&folder);
  fixture_folder_make(&folder);
  const char *path = fixture_path(&folder, "model");
  fixture_write_model(path, &models[index].model, &config, models[index].dialect, 0);
  l->quantization = (dyno_quantization){.uniform = method};
  const dyno_model_options options = {.batch = 8, .quantization = &l->quantization};
  cr_assert(dyno_checkpoint_open(&l->checkpoint, path, &error) == DYNO_OK, "%s", error.message);
  cr_assert(dyno_registry_open(&l->registry, &registry, &error) == DYNO_OK, "%s", error.message);
  cr_assert(dyno_pool_open(&l->pool, 2, &error) == DYNO_OK, "%s", error.message);
  cr_assert(dyno_model_load(&l->model, l->checkpoint, l->registry, l->pool, &options, &error) ==
                DYNO_OK,
            "model %zu as %s: %s", index, dyno_quant_get(method)->name, error.message);
}

static void unload(loaded *l)
{
  dyno_model_free(&l->model);
  dyno_pool_close(&l->pool);
  dyno_registry_close(&l->registry);
  dyno_checkpoint_close(&l->checkpoint);
}

/* Rows of a group, lowered by the reference kernel. */
static void *expected_rows(const loaded *l, const dyno_tensor *tensor, size_t group)
{
  const dyno_quant_info *info = dyno_quant_get(dyno_quantization_method(&l->quantization, tensor));
  size_t count = tensor->n * tensor->k;
  float *values = allocate(count * sizeof *values), *ones = allocate(tensor->k * sizeof *ones);
  uint8_t *rows = allocate(tensor->n * tensor->row_bytes);
  dyno_error error = {0};
  cr_assert(dyno_checkpoint_read_rows(l->checkpoint, rows, tensor, group, 0, tensor->n, &error) ==
                DYNO_OK,
            "%s", error.message);
  if (info->dtype == DYNO_NONE) {
    free(values);
    free(ones);
    return rows;
  }
  void *lowered = allocate(tensor->n * dyno_row_bytes(info->dtype, tensor->k));
  for (size_t i = 0; i < tensor->n; i++)
    dyno_row_to_float(values + i * tensor->k, rows + i * tensor->row_bytes, tensor->dtype,
                      tensor->k);
  for (size_t i = 0; i < tensor->k; i++)
    ones[i] = 1;
  const dyno_quantize_weight_args plain = {lowered, values, tensor->n, tensor->k};
  const dyno_fit_weight_args fit = {lowered, values, ones, tensor->n, tensor->k};
  dyno_op op = info->search ? DYNO_OP_FIT_WEIGHT : DYNO_OP_QUANTIZE_WEIGHT;
  const dyno_kernel *kernel = reference_of(op, info->dtype, DYNO_NONE);
  if (info->search)
    kernel->run.fit_weight(&fit, 0, tensor->n);
  else
    kernel->run.quantize_weight(&plain, 0, tensor->n);
  free(values);
  free(ones);
  free(rows);
  return lowered;
}

static void check_matrix(const loaded *l, const dyno_linear *linear, dyno_tensor_role role,
                         size_t layer)
{
  const dyno_tensor *tensor = dyno_checkpoint_tensor(l->checkpoint, role, layer);
  dyno_dtype dtype = dyno_quantized_dtype(&l->quantization, tensor);
  size_t bytes = tensor->n * dyno_row_bytes(dtype, tensor->k);
  cr_assert(linear->weight == dtype, "%s is %s, not %s", tensor->name,
            dyno_dtype_name(linear->weight), dyno_dtype_name(dtype));
  uint8_t *rows = allocate(bytes);
  for (size_t g = 0; g < tensor->groups; g++) {
    void *expected = expected_rows(l, tensor, g);
    linear->layout->unpack(linear->layout, rows, linear->group_weight[g], tensor->n, tensor->k, 0,
                           tensor->n);
    cr_assert(memcmp(rows, expected, bytes) == 0, "%s, group %zu, as %s", tensor->name, g,
              dyno_dtype_name(dtype));
    free(expected);
  }
  free(rows);
}

Test(quantization, weights_are_lowered_on_their_way_in)
{
  for (size_t index = 0; index < MODEL_COUNT; index++)
    for (dyno_quant_method method = 0; method < DYNO_QUANT_METHOD_COUNT; method++) {
      loaded l = {0};
      load(&l, index, method);
      const dyno_layer *layer = &l.model.layers[1];
      check_matrix(&l, &layer->query, DYNO_TENSOR_QUERY_WEIGHT, 1);
      check_matrix(&l, &layer->attention_output, DYNO_TENSOR_ATTENTION_WEIGHT, 1);
      check_matrix(&l, &layer->gate, DYNO_TENSOR_GATE_WEIGHT, 1);
      check_matrix(&l, &layer->down, DYNO_TENSOR_DOWN_WEIGHT, 1);
      check_matrix(&l, &l.model.head, DYNO_TENSOR_HEAD, 0);
      const dyno_embedding *embedding = &l.model.embedding;
      const dyno_tensor *tensor = dyno_checkpoint_tensor(l.checkpoint, DYNO_TENSOR_EMBEDDING, 0);
      void *expected = expected_rows(&l, tensor, 0);
      cr_assert(memcmp(embedding->rows, expected, tensor->n * embedding->row_bytes) == 0,
                "the embedding, as %s", dyno_dtype_name(embedding->dtype));
      cr_assert(layer->router.weight == DYNO_F32, "routers are left alone");
      free(expected);
      unload(&l);
    }
}

Test(quantization, only_where_it_saves_bytes)
{
  const dyno_quantization int8 = {.uniform = DYNO_QUANT_INT8}, int4 = {.uniform = DYNO_QUANT_INT4};
  dyno_tensor tensor = {.role = DYNO_TENSOR_GATE_WEIGHT, .dtype = DYNO_MXFP4, .k = 64};
  tensor.row_bytes = dyno_row_bytes(tensor.dtype, tensor.k);
  cr_assert(dyno_quantized_dtype(&int8, &tensor) == DYNO_MXFP4, "8 bits instead of 4");
  cr_assert(dyno_quantized_dtype(&int4, &tensor) == DYNO_MXFP4, "4.5 bits instead of 4.25");
  tensor.dtype = DYNO_BF16;
  tensor.row_bytes = dyno_row_bytes(tensor.dtype, tensor.k);
  cr_assert(dyno_quantized_dtype(&int4, &tensor) == DYNO_Q4_0, "of 16 bits");
  cr_assert(dyno_quantized_dtype(NULL, &tensor) == DYNO_BF16, "without a wish");
  tensor.k = 48;
  cr_assert(dyno_quantized_dtype(&int4, &tensor) == DYNO_BF16, "rows that are no whole blocks");
  tensor.k = 64;
  tensor.role = DYNO_TENSOR_ROUTER_WEIGHT;
  cr_assert(dyno_quantized_dtype(&int4, &tensor) == DYNO_BF16, "a router");
}

Test(quantization, names_are_read_back)
{
  dyno_quantization quantization;
  dyno_error error = {0};
  for (dyno_quant_method method = 0; method < DYNO_QUANT_METHOD_COUNT; method++)
    cr_assert(dyno_quantization_open(&quantization, dyno_quant_get(method)->name, NULL, &error) ==
                      DYNO_OK &&
                  quantization.uniform == method,
              "%s", dyno_quant_get(method)->name);
  cr_assert(dyno_quantization_open(&quantization, "int5", NULL, &error) == DYNO_ERROR_USAGE,
            "int5");
  cr_assert(strstr(error.message, "int4-zero-search") != NULL, "%s", error.message);
}

/* The sum over the rows of importance times the square of what was lost. */
static double lost(dyno_dtype dtype, const void *rows, const float *values, const float *importance,
                   size_t n, size_t k)
{
  float *back = allocate(k * sizeof *back);
  double sum = 0;
  for (size_t i = 0; i < n; i++) {
    dyno_row_to_float(back, (const uint8_t *)rows + i * dyno_row_bytes(dtype, k), dtype, k);
    for (size_t j = 0; j < k; j++) {
      double off = (double)values[i * k + j] - (double)back[j];
      sum += (double)importance[j] * off * off;
    }
  }
  free(back);
  return sum;
}

/* Block by block it may be off by what the scale's own rounding makes; taken together it must be
 * much better, and the more so the more the importance varies. */
Test(quantization, a_search_loses_less)
{
  enum { ROWS = 64, COLUMNS = 256 };
  static const dyno_dtype formats[] = {DYNO_Q4_0, DYNO_Q4_1, DYNO_MXFP4};
  uint64_t random = 7;
  float *values = allocate(ROWS * COLUMNS * sizeof *values);
  float *ones = allocate(COLUMNS * sizeof *ones);
  float *importance = allocate_random(&random, PATTERN_UNIFORM, COLUMNS);
  for (size_t j = 0; j < COLUMNS; j++) {
    ones[j] = 1;
    importance[j] = importance[j] * importance[j] * importance[j] * importance[j];
  }
  for (size_t i = 0; i < ROWS * COLUMNS; i++) /* nearly normal, as weights are */
    values[i] =
        random_float(&random, -1, 1) + random_float(&random, -1, 1) + random_float(&random, -1, 1);
  for (size_t f = 0; f < sizeof formats / sizeof *formats; f++) {
    dyno_dtype dtype = formats[f];
    void *rows = allocate(ROWS * dyno_row_bytes(dtype, COLUMNS));
    const dyno_quantize_weight_args plain = {rows, values, ROWS, COLUMNS};
    dyno_fit_weight_args fit = {rows, values, ones, ROWS, COLUMNS};
    const dyno_kernel *kernel = reference_of(DYNO_OP_FIT_WEIGHT, dtype, DYNO_NONE);
    reference_of(DYNO_OP_QUANTIZE_WEIGHT, dtype, DYNO_NONE)->run.quantize_weight(&plain, 0, ROWS);
    double evenly = lost(dtype, rows, values, ones, ROWS, COLUMNS);
    double weighted = lost(dtype, rows, values, importance, ROWS, COLUMNS);
    kernel->run.fit_weight(&fit, 0, ROWS);
    double searched = lost(dtype, rows, values, ones, ROWS, COLUMNS);
    double blindly = lost(dtype, rows, values, importance, ROWS, COLUMNS);
    fit.importance = importance;
    kernel->run.fit_weight(&fit, 0, ROWS);
    double sighted = lost(dtype, rows, values, importance, ROWS, COLUMNS);
    cr_assert(searched < 0.98 * evenly, "%s: %g, searched %g", dyno_dtype_name(dtype), evenly,
              searched);
    cr_assert(sighted < 0.98 * weighted && sighted < blindly,
              "%s, by importance: %g, searched without %g, with %g", dyno_dtype_name(dtype),
              weighted, blindly, sighted);
    free(rows);
  }
  free(values);
  free(ones);
  free(importance);
}
