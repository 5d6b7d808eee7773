/* The numbers GGUF gives to types. Sizes: ggml, ggml-common.h. */
#include "runtime/model/gguf.h"

static const struct {
  const char *name;
  size_t bytes;
} value_types[DYNO_GGUF_VALUE_TYPE_COUNT] = {
    [DYNO_GGUF_UINT8] = {"uint8", 1},     [DYNO_GGUF_INT8] = {"int8", 1},
    [DYNO_GGUF_UINT16] = {"uint16", 2},   [DYNO_GGUF_INT16] = {"int16", 2},
    [DYNO_GGUF_UINT32] = {"uint32", 4},   [DYNO_GGUF_INT32] = {"int32", 4},
    [DYNO_GGUF_FLOAT32] = {"float32", 4}, [DYNO_GGUF_BOOL] = {"bool", 1},
    [DYNO_GGUF_STRING] = {"string", 0},   [DYNO_GGUF_ARRAY] = {"array", 0},
    [DYNO_GGUF_UINT64] = {"uint64", 8},   [DYNO_GGUF_INT64] = {"int64", 8},
    [DYNO_GGUF_FLOAT64] = {"float64", 8},
};

const char *dyno_gguf_value_type_name(dyno_gguf_value_type type)
{
  return (unsigned)type < DYNO_GGUF_VALUE_TYPE_COUNT ? value_types[type].name : "?";
}

size_t dyno_gguf_value_bytes(dyno_gguf_value_type type)
{
  return (unsigned)type < DYNO_GGUF_VALUE_TYPE_COUNT ? value_types[type].bytes : 0;
}

/* The first row with a dtype is the one that writers use. */
static const dyno_gguf_tensor_type tensor_types[] = {
    {0, "F32", 1, 4, DYNO_F32},
    {1, "F16", 1, 2, DYNO_F16},
    {2, "Q4_0", 32, 18, DYNO_Q4_0},
    {3, "Q4_1", 32, 20, DYNO_Q4_1},
    {6, "Q5_0", 32, 22, DYNO_Q5_0},
    {7, "Q5_1", 32, 24, DYNO_NONE},
    {8, "Q8_0", 32, 34, DYNO_Q8_0},
    {10, "Q2_K", 256, 84, DYNO_NONE},
    {11, "Q3_K", 256, 110, DYNO_NONE},
    {12, "Q4_K", 256, 144, DYNO_Q4_K},
    {13, "Q5_K", 256, 176, DYNO_Q5_K},
    {14, "Q6_K", 256, 210, DYNO_Q6_K},
    {16, "IQ2_XXS", 256, 66, DYNO_NONE},
    {17, "IQ2_XS", 256, 74, DYNO_NONE},
    {18, "IQ3_XXS", 256, 98, DYNO_NONE},
    {19, "IQ1_S", 256, 50, DYNO_NONE},
    {20, "IQ4_NL", 32, 18, DYNO_NONE},
    {21, "IQ3_S", 256, 110, DYNO_NONE},
    {22, "IQ2_S", 256, 82, DYNO_NONE},
    {23, "IQ4_XS", 256, 136, DYNO_NONE},
    {24, "I8", 1, 1, DYNO_NONE},
    {25, "I16", 1, 2, DYNO_NONE},
    {26, "I32", 1, 4, DYNO_NONE},
    {27, "I64", 1, 8, DYNO_NONE},
    {28, "F64", 1, 8, DYNO_NONE},
    {29, "IQ1_M", 256, 56, DYNO_NONE},
    {30, "BF16", 1, 2, DYNO_BF16},
    {34, "TQ1_0", 256, 54, DYNO_NONE},
    {35, "TQ2_0", 256, 66, DYNO_NONE},
    {DYNO_GGUF_MXFP4, "MXFP4", 32, 17, DYNO_MXFP4},
    {DYNO_GGUF_MXFP4_OLLAMA, "MXFP4 (Ollama's type 4)", 32, 17, DYNO_MXFP4},
    {40, "NVFP4", 64, 36, DYNO_NONE},
    {41, "Q1_0", 128, 18, DYNO_NONE},
};
enum { TENSOR_TYPE_COUNT = sizeof tensor_types / sizeof *tensor_types };

const dyno_gguf_tensor_type *dyno_gguf_tensor_type_by_id(uint32_t id)
{
  for (size_t i = 0; i < TENSOR_TYPE_COUNT; i++)
    if (tensor_types[i].id == id)
      return &tensor_types[i];
  return NULL;
}

const dyno_gguf_tensor_type *dyno_gguf_tensor_type_by_dtype(dyno_dtype dtype)
{
  for (size_t i = 0; i < TENSOR_TYPE_COUNT; i++)
    if (dtype != DYNO_NONE && tensor_types[i].dtype == dtype)
      return &tensor_types[i];
  return NULL;
}
