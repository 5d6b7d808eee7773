/* The dialects of GGUF.
 *
 * ggml-org: convert_hf_to_gguf.py of llama.cpp; also what Ollama's converter writes since 2026.
 * Ollama: model/models/gptoss/model.go lists the names it looks for.
 * Ollama of August 2025 (its gpt-oss:20b blob, commit fa7776fd, convert/convert_gptoss.go):
 * OpenAI's tensors renamed and not rearranged. So attn_qkv is q, k and v one after the other, gate
 * and up alternate row by row in ffn_gate_up_exps, and MXFP4 is the scale followed by OpenAI's 16
 * bytes, as type 4. Later commits loaded such files by converting the nibbles (1a19df1f,
 * ml/backend/ggml/ggml.go), then wrote ggml's order as type 39 with the fused tensors kept
 * (59412fbb), then split them (93085127). Names, fusing and type are looked up one by one here, so
 * that these mixtures load as well. */
#include "runtime/model/dialect.h"

#include "runtime/model/gguf.h"

static const dyno_dialect_row ggml_org[] = {
    {.role = DYNO_TENSOR_EMBEDDING, .name = "token_embd.weight"},
    {.role = DYNO_TENSOR_OUTPUT_NORM, .name = "output_norm.weight"},
    {.role = DYNO_TENSOR_HEAD, .name = "output.weight"},
    {.role = DYNO_TENSOR_ATTENTION_NORM, .name = "blk.N.attn_norm.weight"},
    {.role = DYNO_TENSOR_QUERY_WEIGHT, .name = "blk.N.attn_q.weight"},
    {.role = DYNO_TENSOR_QUERY_BIAS, .name = "blk.N.attn_q.bias"},
    {.role = DYNO_TENSOR_KEY_WEIGHT, .name = "blk.N.attn_k.weight"},
    {.role = DYNO_TENSOR_KEY_BIAS, .name = "blk.N.attn_k.bias"},
    {.role = DYNO_TENSOR_VALUE_WEIGHT, .name = "blk.N.attn_v.weight"},
    {.role = DYNO_TENSOR_VALUE_BIAS, .name = "blk.N.attn_v.bias"},
    {.role = DYNO_TENSOR_SINKS, .name = "blk.N.attn_sinks.weight"},
    {.role = DYNO_TENSOR_ATTENTION_WEIGHT, .name = "blk.N.attn_output.weight"},
    {.role = DYNO_TENSOR_ATTENTION_BIAS, .name = "blk.N.attn_output.bias"},
    {.role = DYNO_TENSOR_FFN_NORM, .name = "blk.N.post_attention_norm.weight"},
    {.role = DYNO_TENSOR_ROUTER_WEIGHT, .name = "blk.N.ffn_gate_inp.weight"},
    {.role = DYNO_TENSOR_ROUTER_BIAS, .name = "blk.N.ffn_gate_inp.bias"},
    {.role = DYNO_TENSOR_GATE_WEIGHT, .name = "blk.N.ffn_gate_exps.weight"},
    {.role = DYNO_TENSOR_GATE_BIAS, .name = "blk.N.ffn_gate_exps.bias"},
    {.role = DYNO_TENSOR_UP_WEIGHT, .name = "blk.N.ffn_up_exps.weight"},
    {.role = DYNO_TENSOR_UP_BIAS, .name = "blk.N.ffn_up_exps.bias"},
    {.role = DYNO_TENSOR_DOWN_WEIGHT, .name = "blk.N.ffn_down_exps.weight"},
    {.role = DYNO_TENSOR_DOWN_BIAS, .name = "blk.N.ffn_down_exps.bias"},
};

static const dyno_dialect_row ollama[] = {
    {.role = DYNO_TENSOR_EMBEDDING, .name = "token_embd.weight"},
    {.role = DYNO_TENSOR_OUTPUT_NORM, .name = "output_norm.weight"},
    {.role = DYNO_TENSOR_HEAD, .name = "output.weight"},
    {.role = DYNO_TENSOR_ATTENTION_NORM, .name = "blk.N.attn_norm.weight"},
    {.role = DYNO_TENSOR_QUERY_WEIGHT, .name = "blk.N.attn_q.weight"},
    {.role = DYNO_TENSOR_QUERY_BIAS, .name = "blk.N.attn_q.bias"},
    {.role = DYNO_TENSOR_KEY_WEIGHT, .name = "blk.N.attn_k.weight"},
    {.role = DYNO_TENSOR_KEY_BIAS, .name = "blk.N.attn_k.bias"},
    {.role = DYNO_TENSOR_VALUE_WEIGHT, .name = "blk.N.attn_v.weight"},
    {.role = DYNO_TENSOR_VALUE_BIAS, .name = "blk.N.attn_v.bias"},
    {.role = DYNO_TENSOR_SINKS, .name = "blk.N.attn_sinks"},
    {.role = DYNO_TENSOR_ATTENTION_WEIGHT, .name = "blk.N.attn_out.weight"},
    {.role = DYNO_TENSOR_ATTENTION_BIAS, .name = "blk.N.attn_out.bias"},
    {.role = DYNO_TENSOR_FFN_NORM, .name = "blk.N.ffn_norm.weight"},
    {.role = DYNO_TENSOR_ROUTER_WEIGHT, .name = "blk.N.ffn_gate_inp.weight"},
    {.role = DYNO_TENSOR_ROUTER_BIAS, .name = "blk.N.ffn_gate_inp.bias"},
    {.role = DYNO_TENSOR_GATE_WEIGHT, .name = "blk.N.ffn_gate_exps.weight"},
    {.role = DYNO_TENSOR_GATE_BIAS, .name = "blk.N.ffn_gate_exps.bias"},
    {.role = DYNO_TENSOR_UP_WEIGHT, .name = "blk.N.ffn_up_exps.weight"},
    {.role = DYNO_TENSOR_UP_BIAS, .name = "blk.N.ffn_up_exps.bias"},
    {.role = DYNO_TENSOR_DOWN_WEIGHT, .name = "blk.N.ffn_down_exps.weight"},
    {.role = DYNO_TENSOR_DOWN_BIAS, .name = "blk.N.ffn_down_exps.bias"},
};

static const dyno_dialect_row ollama_2025_08[] = {
    {.role = DYNO_TENSOR_EMBEDDING, .name = "token_embd.weight"},
    {.role = DYNO_TENSOR_OUTPUT_NORM, .name = "output_norm.weight"},
    {.role = DYNO_TENSOR_HEAD, .name = "output.weight"},
    {.role = DYNO_TENSOR_ATTENTION_NORM, .name = "blk.N.attn_norm.weight"},
    {.role = DYNO_TENSOR_QUERY_WEIGHT,
     .name = "blk.N.attn_qkv.weight",
     .selection = DYNO_ROWS_QUERY},
    {.role = DYNO_TENSOR_QUERY_BIAS, .name = "blk.N.attn_qkv.bias", .selection = DYNO_ROWS_QUERY},
    {.role = DYNO_TENSOR_KEY_WEIGHT, .name = "blk.N.attn_qkv.weight", .selection = DYNO_ROWS_KEY},
    {.role = DYNO_TENSOR_KEY_BIAS, .name = "blk.N.attn_qkv.bias", .selection = DYNO_ROWS_KEY},
    {.role = DYNO_TENSOR_VALUE_WEIGHT,
     .name = "blk.N.attn_qkv.weight",
     .selection = DYNO_ROWS_VALUE},
    {.role = DYNO_TENSOR_VALUE_BIAS, .name = "blk.N.attn_qkv.bias", .selection = DYNO_ROWS_VALUE},
    {.role = DYNO_TENSOR_SINKS, .name = "blk.N.attn_sinks"},
    {.role = DYNO_TENSOR_ATTENTION_WEIGHT, .name = "blk.N.attn_out.weight"},
    {.role = DYNO_TENSOR_ATTENTION_BIAS, .name = "blk.N.attn_out.bias"},
    {.role = DYNO_TENSOR_FFN_NORM, .name = "blk.N.ffn_norm.weight"},
    {.role = DYNO_TENSOR_ROUTER_WEIGHT, .name = "blk.N.ffn_gate_inp.weight"},
    {.role = DYNO_TENSOR_ROUTER_BIAS, .name = "blk.N.ffn_gate_inp.bias"},
    {.role = DYNO_TENSOR_GATE_WEIGHT,
     .name = "blk.N.ffn_gate_up_exps.weight",
     .selection = DYNO_ROWS_EVEN},
    {.role = DYNO_TENSOR_GATE_BIAS,
     .name = "blk.N.ffn_gate_up_exps.bias",
     .selection = DYNO_ROWS_EVEN},
    {.role = DYNO_TENSOR_UP_WEIGHT,
     .name = "blk.N.ffn_gate_up_exps.weight",
     .selection = DYNO_ROWS_ODD},
    {.role = DYNO_TENSOR_UP_BIAS,
     .name = "blk.N.ffn_gate_up_exps.bias",
     .selection = DYNO_ROWS_ODD},
    {.role = DYNO_TENSOR_DOWN_WEIGHT, .name = "blk.N.ffn_down_exps.weight"},
    {.role = DYNO_TENSOR_DOWN_BIAS, .name = "blk.N.ffn_down_exps.bias"},
};

const dyno_dialect dyno_dialect_ggml_org = {
    .name = "gguf, ggml-org",
    .container = DYNO_CONTAINER_GGUF,
    .architecture = "gpt-oss",
    .mxfp4_type = DYNO_GGUF_MXFP4,
    .rows = ggml_org,
    .row_count = sizeof ggml_org / sizeof *ggml_org,
};

const dyno_dialect dyno_dialect_ollama = {
    .name = "gguf, ollama",
    .container = DYNO_CONTAINER_GGUF,
    .architecture = "gptoss",
    .mxfp4_type = DYNO_GGUF_MXFP4,
    .rows = ollama,
    .row_count = sizeof ollama / sizeof *ollama,
};

const dyno_dialect dyno_dialect_ollama_2025_08 = {
    .name = "gguf, ollama of August 2025",
    .container = DYNO_CONTAINER_GGUF,
    .architecture = "gptoss",
    .mxfp4_type = DYNO_GGUF_MXFP4_OLLAMA,
    .rows = ollama_2025_08,
    .row_count = sizeof ollama_2025_08 / sizeof *ollama_2025_08,
};
