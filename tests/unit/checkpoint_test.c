/* Every dialect gives the same logical rows. */
#include <criterion/criterion.h>

#include <stdlib.h>
#include <string.h>

#include "runtime/model/checkpoint.h"
#include "tests/unit/model_fixture.h"

/* One model, in a form that all the dialects of its row can hold. */
static const fixture_model safetensors_mxfp4 = {DYNO_BF16, DYNO_MXFP4, DYNO_BF16, DYNO_BF16, 1};
static const fixture_model safetensors_bf16 = {DYNO_BF16, DYNO_BF16, DYNO_BF16, DYNO_BF16, 2};
static const fixture_model safetensors_f32 = {DYNO_F32, DYNO_F32, DYNO_F32, DYNO_F32, 3};
static const fixture_model safetensors_f16 = {DYNO_F16, DYNO_MXFP4, DYNO_F32, DYNO_F16, 4};
static const fixture_model gguf_q8_0 = {DYNO_Q8_0, DYNO_MXFP4, DYNO_F32, DYNO_F32, 5};
static const fixture_model gguf_q4_0 = {DYNO_Q4_0, DYNO_Q8_0, DYNO_F16, DYNO_Q5_0, 6};
static const fixture_model gguf_q4_1 = {DYNO_Q4_1, DYNO_Q4_0, DYNO_F32, DYNO_F16, 7};
static const fixture_model gguf_k = {DYNO_Q4_K, DYNO_Q5_K, DYNO_F32, DYNO_Q6_K, 8};

static const struct {
  const dyno_dialect *dialect;
  const fixture_model *model;
  uint64_t shard_bytes;
} cases[] = {
    {&dyno_dialect_ggml_org, &safetensors_mxfp4, 0},
    {&dyno_dialect_ollama, &safetensors_mxfp4, 0},
    {&dyno_dialect_ollama_2025_08, &safetensors_mxfp4, 0},
    {&dyno_dialect_hugging_face, &safetensors_mxfp4, 0},
    {&dyno_dialect_hugging_face, &safetensors_mxfp4, 20000},
    {&dyno_dialect_hugging_face, &safetensors_mxfp4, 1},
    {&dyno_dialect_openai, &safetensors_mxfp4, 0},
    {&dyno_dialect_openai, &safetensors_mxfp4, 20000},
    {&dyno_dialect_ggml_org, &safetensors_bf16, 0},
    {&dyno_dialect_ollama, &safetensors_bf16, 0},
    {&dyno_dialect_ollama_2025_08, &safetensors_bf16, 0},
    {&dyno_dialect_hugging_face, &safetensors_bf16, 0},
    {&dyno_dialect_openai, &safetensors_bf16, 0},
    {&dyno_dialect_hugging_face, &safetensors_f32, 0},
    {&dyno_dialect_openai, &safetensors_f32, 0},
    {&dyno_dialect_ggml_org, &safetensors_f32, 0},
    {&dyno_dialect_hugging_face, &safetensors_f16, 0},
    {&dyno_dialect_ollama, &safetensors_f16, 0},
    {&dyno_dialect_ggml_org, &gguf_q8_0, 0},
    {&dyno_dialect_ollama_2025_08, &gguf_q8_0, 0},
    {&dyno_dialect_ggml_org, &gguf_q4_0, 0},
    {&dyno_dialect_ollama, &gguf_q4_0, 0},
    {&dyno_dialect_ggml_org, &gguf_q4_1, 0},
    {&dyno_dialect_ggml_org, &gguf_k, 0},
    {&dyno_dialect_ollama_2025_08, &gguf_k, 0},
};
enum { CASE_COUNT = sizeof cases / sizeof *cases };

static fixture_folder folder;

static void make_folder(void)
{
  fixture_folder_make(&folder);
}

static void remove_folder(void)
{
  fixture_folder_remove(&folder);
}

TestSuite(checkpoint, .init = make_folder, .fini = remove_folder, .timeout = 60);

static dyno_model_config config_of(const fixture_model *model)
{
  return model == &gguf_k ? fixture_config_256() : fixture_config();
}

static dyno_checkpoint *open_case(size_t index)
{
  dyno_model_config config = config_of(cases[index].model);
  const char *path = fixture_path(&folder, "model");
  fixture_write_model(path, cases[index].model, &config, cases[index].dialect,
                      cases[index].shard_bytes);
  dyno_checkpoint *checkpoint;
  dyno_error error = {0};
  cr_assert(dyno_checkpoint_open(&checkpoint, path, &error) == DYNO_OK, "case %zu (%s): %s", index,
            cases[index].dialect->name, error.message);
  return checkpoint;
}

static void check_tensor(const dyno_checkpoint *checkpoint, const dyno_tensor *tensor,
                         const fixture_model *model, size_t group)
{
  size_t bytes = tensor->n * tensor->row_bytes;
  uint8_t *wanted = malloc(bytes), *found = malloc(bytes);
  dyno_error error = {0};
  fixture_rows(model, wanted, tensor, group, 0, tensor->n);
  cr_assert(dyno_checkpoint_read_rows(checkpoint, found, tensor, group, 0, tensor->n, &error) ==
                DYNO_OK,
            "%s", error.message);
  cr_assert(memcmp(wanted, found, bytes) == 0, "%s, %s, group %zu", tensor->name,
            dyno_checkpoint_dialect(checkpoint), group);
  if (tensor->data != NULL)
    cr_assert(memcmp(wanted, (const uint8_t *)tensor->data + group * bytes, bytes) == 0,
              "%s, %s, group %zu in place", tensor->name, dyno_checkpoint_dialect(checkpoint),
              group);
  /* Any part of it is the same. */
  for (size_t row0 = 0; row0 < tensor->n; row0 += 5) {
    size_t row1 = tensor->n - row0 < 7 ? tensor->n : row0 + 7;
    memset(found, 0xa5, bytes);
    dyno_checkpoint_prefetch_rows(checkpoint, tensor, group, row0, row1);
    cr_assert(dyno_checkpoint_read_rows(checkpoint, found, tensor, group, row0, row1, &error) ==
                  DYNO_OK,
              "%s", error.message);
    cr_assert(memcmp(wanted + row0 * tensor->row_bytes, found, (row1 - row0) * tensor->row_bytes) ==
                  0,
              "%s, rows %zu to %zu", tensor->name, row0, row1);
    cr_assert(dyno_checkpoint_check_rows(checkpoint, tensor, group, row0, row1, &error) == DYNO_OK,
              "%s", error.message);
    dyno_checkpoint_release_rows(checkpoint, tensor, group, row0, row1, DYNO_FILE_RECLAIM);
  }
  free(wanted);
  free(found);
}

Test(checkpoint, every_dialect_gives_the_same_rows)
{
  size_t checked = 0;
  for (size_t i = 0; i < CASE_COUNT; i++) {
    dyno_checkpoint *checkpoint = open_case(i);
    cr_assert(strcmp(dyno_checkpoint_dialect(checkpoint), cases[i].dialect->name) == 0,
              "case %zu is taken for '%s'", i, dyno_checkpoint_dialect(checkpoint));
    for (size_t j = 0; j < dyno_checkpoint_tensor_count(checkpoint); j++) {
      const dyno_tensor *tensor = dyno_checkpoint_tensor_at(checkpoint, j);
      cr_assert(dyno_checkpoint_tensor(checkpoint, tensor->role, tensor->layer) == tensor,
                "%s is not where it should be", tensor->name);
      for (size_t group = 0; group < tensor->groups; group++, checked++)
        check_tensor(checkpoint, tensor, cases[i].model, group);
    }
    dyno_checkpoint_close(&checkpoint);
    fixture_folder_remove(&folder);
    fixture_folder_make(&folder);
  }
  /* 3 tensors outside the layers; in each of 2 layers 13 single ones, 6 for each of 3 experts. */
  cr_assert(checked == CASE_COUNT * (3 + 2 * (13 + 6 * 3)), "%zu groups were compared", checked);
}

Test(checkpoint, every_dialect_gives_the_configuration)
{
  for (size_t i = 0; i < CASE_COUNT; i++) {
    dyno_model_config wanted = config_of(cases[i].model);
    dyno_checkpoint *checkpoint = open_case(i);
    const dyno_model_config *found = dyno_checkpoint_config(checkpoint);
    cr_assert(wanted.layers == found->layers && wanted.d_model == found->d_model &&
                  wanted.vocab == found->vocab && wanted.heads == found->heads &&
                  wanted.kv_heads == found->kv_heads && wanted.head_dim == found->head_dim &&
                  wanted.experts == found->experts && wanted.d_ff == found->d_ff &&
                  wanted.experts_per_token == found->experts_per_token &&
                  wanted.window == found->window && wanted.context_length == found->context_length,
              "case %zu: sizes", i);
    cr_assert(wanted.rms_epsilon == found->rms_epsilon && wanted.rope_theta == found->rope_theta &&
                  wanted.rope_factor == found->rope_factor &&
                  wanted.rope_beta_fast == found->rope_beta_fast &&
                  wanted.rope_beta_slow == found->rope_beta_slow &&
                  wanted.rope_original_context == found->rope_original_context &&
                  wanted.rope_truncate == found->rope_truncate &&
                  wanted.rope_attention_factor == found->rope_attention_factor &&
                  wanted.swiglu_alpha == found->swiglu_alpha &&
                  wanted.swiglu_limit == found->swiglu_limit &&
                  wanted.tied_head == found->tied_head,
              "case %zu: constants", i);
    cr_assert(memcmp(wanted.slides, found->slides, sizeof wanted.slides) == 0, "case %zu: slides",
              i);
    dyno_checkpoint_close(&checkpoint);
    fixture_folder_remove(&folder);
    fixture_folder_make(&folder);
  }
}

Test(checkpoint, reads_floats)
{
  dyno_checkpoint *checkpoint = open_case(3);
  for (size_t i = 0; i < dyno_checkpoint_tensor_count(checkpoint); i++) {
    const dyno_tensor *tensor = dyno_checkpoint_tensor_at(checkpoint, i);
    size_t count = tensor->groups * tensor->n * tensor->k;
    float *found = malloc(count * sizeof *found), *wanted = malloc(tensor->k * sizeof *wanted);
    uint8_t *row = malloc(tensor->row_bytes);
    dyno_error error = {0};
    cr_assert(dyno_checkpoint_read_floats(checkpoint, found, tensor, &error) == DYNO_OK, "%s",
              error.message);
    for (size_t j = 0; j < tensor->groups * tensor->n; j++) {
      fixture_rows(cases[3].model, row, tensor, j / tensor->n, j % tensor->n, j % tensor->n + 1);
      dyno_row_to_float(wanted, row, tensor->dtype, tensor->k);
      cr_assert(memcmp(wanted, found + j * tensor->k, tensor->k * sizeof *wanted) == 0,
                "%s, row %zu", tensor->name, j);
    }
    free(found);
    free(wanted);
    free(row);
  }
  dyno_checkpoint_close(&checkpoint);
}

Test(checkpoint, uses_rows_in_place_where_it_can)
{
  static const struct {
    size_t case_index;
    dyno_tensor_role role;
    bool in_place;
  } wanted[] = {
      {0, DYNO_TENSOR_QUERY_WEIGHT, true},  {0, DYNO_TENSOR_GATE_WEIGHT, true},
      {2, DYNO_TENSOR_KEY_WEIGHT, true},    {2, DYNO_TENSOR_GATE_WEIGHT, false},
      {2, DYNO_TENSOR_DOWN_WEIGHT, false},  {3, DYNO_TENSOR_EMBEDDING, true},
      {3, DYNO_TENSOR_DOWN_WEIGHT, false},  {11, DYNO_TENSOR_DOWN_WEIGHT, false},
      {12, DYNO_TENSOR_DOWN_WEIGHT, true},  {12, DYNO_TENSOR_UP_WEIGHT, false},
      {12, DYNO_TENSOR_VALUE_WEIGHT, true}, {12, DYNO_TENSOR_VALUE_BIAS, true},
  };
  for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
    dyno_checkpoint *checkpoint = open_case(wanted[i].case_index);
    const dyno_tensor *tensor = dyno_checkpoint_tensor(checkpoint, wanted[i].role, 1);
    cr_assert((tensor->data != NULL) == wanted[i].in_place, "case %zu, %s", wanted[i].case_index,
              tensor->name);
    dyno_checkpoint_close(&checkpoint);
    fixture_folder_remove(&folder);
    fixture_folder_make(&folder);
  }
}

Test(checkpoint, refuses_rows_that_are_not_there)
{
  dyno_checkpoint *checkpoint = open_case(0);
  const dyno_tensor *tensor = dyno_checkpoint_tensor(checkpoint, DYNO_TENSOR_GATE_WEIGHT, 0);
  static const size_t bad[][3] = {
      {3, 0, 1}, {0, 0, 33}, {0, 5, 4}, {SIZE_MAX, 0, 1}, {0, 0, SIZE_MAX}};
  uint8_t byte;
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    dyno_error error = {0};
    cr_assert(dyno_checkpoint_read_rows(checkpoint, &byte, tensor, bad[i][0], bad[i][1], bad[i][2],
                                        &error) == DYNO_ERROR_USAGE,
              "case %zu", i);
    cr_assert(strstr(error.message, "blk.0.ffn_gate_exps.weight") != NULL, "%s", error.message);
    dyno_checkpoint_release_rows(checkpoint, tensor, bad[i][0], bad[i][1], bad[i][2],
                                 DYNO_FILE_DONE);
  }
  dyno_checkpoint_close(&checkpoint);
}

Test(checkpoint, a_tied_head_is_the_embedding)
{
  dyno_model_config config = fixture_config();
  config.tied_head = true;
  const char *path = fixture_path(&folder, "model");
  fixture_write_model(path, &safetensors_bf16, &config, &dyno_dialect_hugging_face, 0);
  dyno_checkpoint *checkpoint;
  dyno_error error = {0};
  cr_assert(dyno_checkpoint_open(&checkpoint, path, &error) == DYNO_OK, "%s", error.message);
  const dyno_tensor *head = dyno_checkpoint_tensor(checkpoint, DYNO_TENSOR_HEAD, 0);
  const dyno_tensor *embedding = dyno_checkpoint_tensor(checkpoint, DYNO_TENSOR_EMBEDDING, 0);
  cr_assert(head->data == embedding->data && head->role == DYNO_TENSOR_HEAD, "not the same");
  cr_assert(strcmp(head->name, "output.weight") == 0, "%s", head->name);
  cr_assert(strcmp(dyno_checkpoint_dialect(checkpoint), "safetensors, hugging face") == 0, "%s",
            dyno_checkpoint_dialect(checkpoint));
  dyno_checkpoint_close(&checkpoint);
}

Test(checkpoint, the_hash_tells_models_apart)
{
  char hashes[4][DYNO_CHECKPOINT_HASH_TEXT];
  const size_t indices[] = {0, 0, 1, 3};
  for (size_t i = 0; i < 4; i++) {
    dyno_checkpoint *checkpoint = open_case(indices[i]);
    dyno_checkpoint_hash(checkpoint, hashes[i]);
    cr_assert(strspn(hashes[i], "0123456789abcdef") == 32 && hashes[i][32] == '\0', "%s",
              hashes[i]);
    dyno_checkpoint_close(&checkpoint);
    fixture_folder_remove(&folder);
    fixture_folder_make(&folder);
  }
  cr_assert(strcmp(hashes[0], hashes[1]) == 0, "the same file has two hashes");
  cr_assert(strcmp(hashes[0], hashes[2]) != 0 && strcmp(hashes[0], hashes[3]) != 0,
            "two files have the same hash");

  /* A fine-tune has the same head and other weights. */
  dyno_model_config config = fixture_config();
  fixture_model tuned = safetensors_mxfp4;
  tuned.seed++;
  const char *path = fixture_path(&folder, "model");
  fixture_write_model(path, &tuned, &config, &dyno_dialect_ggml_org, 0);
  dyno_checkpoint *checkpoint;
  cr_assert(dyno_checkpoint_open(&checkpoint, path, NULL) == DYNO_OK, "cannot open it");
  dyno_checkpoint_hash(checkpoint, hashes[1]);
  cr_assert(strcmp(hashes[0], hashes[1]) != 0, "a fine-tune has the same hash");
  dyno_checkpoint_close(&checkpoint);
}

/* Changes one byte of a tensor in a GGUF file of case `index`, and scans it. */
static dyno_status scan_with(size_t index, dyno_tensor_role role, size_t group, size_t row,
                             size_t offset, const uint8_t *bytes, size_t count, dyno_error *error)
{
  dyno_checkpoint *checkpoint = open_case(index);
  const char *path = fixture_path(&folder, "model");
  const dyno_tensor *tensor = dyno_checkpoint_tensor(checkpoint, role, 1);
  const uint8_t *file = dyno_gguf_file(dyno_checkpoint_gguf(checkpoint))->bytes;
  size_t place = (size_t)((const uint8_t *)tensor->data - file) +
                 (group * tensor->n + row) * tensor->row_bytes + offset;
  dyno_checkpoint_close(&checkpoint);
  size_t size;
  uint8_t *copy = fixture_read(path, &size, 0);
  memcpy(copy + place, bytes, count);
  fixture_write(path, copy, size);
  free(copy);
  cr_assert(dyno_checkpoint_open(&checkpoint, path, error) == DYNO_OK, "%s", error->message);
  dyno_status status = dyno_checkpoint_check_weights(checkpoint, NULL, NULL, error);
  dyno_checkpoint_close(&checkpoint);
  return status;
}

Test(checkpoint, the_scan_finds_what_is_not_finite)
{
  static const struct {
    size_t case_index;
    dyno_tensor_role role;
    size_t group, row, offset;
    uint8_t bytes[4];
    size_t count;
    const char *message;
  } damages[] = {
      {0, DYNO_TENSOR_GATE_WEIGHT, 2, 31, 17, {0xff}, 1, "group 2, row 31, column 32: the MXFP4"},
      {0, DYNO_TENSOR_DOWN_WEIGHT, 0, 0, 0, {0xff}, 1, "group 0, row 0, column 0: the MXFP4"},
      {0, DYNO_TENSOR_UP_WEIGHT, 1, 3, 0, {0xfe, 0x07}, 2, "group 1, row 3, column 0 or a little"},
      {0, DYNO_TENSOR_QUERY_WEIGHT, 0, 5, 6, {0x80, 0x7f}, 2, "row 5, column 3: the weight"},
      {0, DYNO_TENSOR_HEAD, 0, 69, 126, {0x80, 0xff}, 2, "row 69, column 63: the weight"},
      {0, DYNO_TENSOR_SINKS, 0, 0, 2, {0xc0, 0xff}, 2, "row 0, column 1: the weight"},
      {15, DYNO_TENSOR_DOWN_BIAS, 2, 0, 4, {0, 0, 0x80, 0x7f}, 4, "group 2, row 0, column 1"},
      {15, DYNO_TENSOR_HEAD, 0, 69, 252, {1, 0, 0xc0, 0xff}, 4, "row 69, column 63"},
      {18, DYNO_TENSOR_KEY_WEIGHT, 0, 1, 34, {0, 0x7c}, 2, "row 1, column 32 or a little"},
      {20, DYNO_TENSOR_QUERY_WEIGHT, 0, 1, 18, {1, 0xfc}, 2, "row 1, column 32 or a little"},
      {22, DYNO_TENSOR_QUERY_WEIGHT, 0, 1, 22, {0, 0x7c}, 2, "row 1, column 32 or a little"},
      {23, DYNO_TENSOR_QUERY_WEIGHT, 0, 1, 2, {0, 0x7c}, 2, "row 1, column 0 or a little"},
      {23, DYNO_TENSOR_GATE_WEIGHT, 1, 1, 0, {0, 0x7c}, 2, "group 1, row 1, column 0 or a"},
      {23, DYNO_TENSOR_ROUTER_WEIGHT, 0, 2, 208, {0, 0x7c}, 2, "row 2, column 0 or a little"},
  };
  for (size_t i = 0; i < sizeof damages / sizeof *damages; i++) {
    dyno_error error = {0};
    dyno_status status =
        scan_with(damages[i].case_index, damages[i].role, damages[i].group, damages[i].row,
                  damages[i].offset, damages[i].bytes, damages[i].count, &error);
    cr_assert(status == DYNO_ERROR_FORMAT && strstr(error.message, damages[i].message) != NULL,
              "damage %zu: %s", i, error.message);
    fixture_folder_remove(&folder);
    fixture_folder_make(&folder);
  }
}

static bool count_progress(void *context, uint64_t done, uint64_t total)
{
  uint64_t *last = context;
  cr_assert(done > *last && done <= total, "progress goes from %llu to %llu of %llu",
            (unsigned long long)*last, (unsigned long long)done, (unsigned long long)total);
  *last = done;
  return true;
}

static bool stop(void *context, uint64_t done, uint64_t total)
{
  (void)context, (void)done, (void)total;
  return false;
}

Test(checkpoint, the_scan_passes_good_weights_and_can_be_stopped)
{
  for (size_t i = 0; i < CASE_COUNT; i++) {
    dyno_checkpoint *checkpoint = open_case(i);
    dyno_error error = {0};
    uint64_t last = 0;
    cr_assert(dyno_checkpoint_check_weights(checkpoint, count_progress, &last, &error) == DYNO_OK,
              "case %zu: %s", i, error.message);
    cr_assert(last > 0, "nothing was scanned");
    cr_assert(dyno_checkpoint_check_weights(checkpoint, stop, NULL, &error) ==
                  DYNO_ERROR_INTERRUPTED,
              "it was not stopped");
    dyno_checkpoint_close(&checkpoint);
    fixture_folder_remove(&folder);
    fixture_folder_make(&folder);
  }
}

/* A conversion that is its own test: what is read from one dialect and written in another reads
 * the same. */
static dyno_dtype dtype_of(void *context, dyno_tensor_role role, size_t layer)
{
  return dyno_checkpoint_tensor(context, role, layer)->dtype;
}

static dyno_status rows_of(void *context, void *rows, const dyno_tensor *tensor, size_t group,
                           size_t row0, size_t row1, dyno_error *error)
{
  return dyno_checkpoint_read_rows(context, rows,
                                   dyno_checkpoint_tensor(context, tensor->role, tensor->layer),
                                   group, row0, row1, error);
}

Test(checkpoint, is_a_source_for_the_writer)
{
  dyno_checkpoint *august = open_case(2), *converted;
  const dyno_model_source source = {.context = august, .dtype = dtype_of, .rows = rows_of};
  const dyno_model_writer_options options = {.dialect = &dyno_dialect_hugging_face};
  const char *path = fixture_path(&folder, "converted");
  dyno_error error = {0};
  cr_assert(dyno_model_write(path, dyno_checkpoint_config(august), &source, &options, &error) ==
                DYNO_OK,
            "%s", error.message);
  cr_assert(dyno_checkpoint_open(&converted, path, &error) == DYNO_OK, "%s", error.message);
  for (size_t j = 0; j < dyno_checkpoint_tensor_count(converted); j++) {
    const dyno_tensor *tensor = dyno_checkpoint_tensor_at(converted, j);
    for (size_t group = 0; group < tensor->groups; group++)
      check_tensor(converted, tensor, &safetensors_mxfp4, group);
  }
  dyno_checkpoint_close(&august);
  dyno_checkpoint_close(&converted);
}
