#!/usr/bin/env python3
"""Writes a small model as GGUF in ggml-org's dialect, to compare with other engines:

    python3 write_gguf.py [--dense f32|bf16|q8_0] [--experts f32|bf16|q8_0|mxfp4] FOLDER FILE

--experts is mxfp4 for a checkpoint whose experts are, and what --dense is for another. The file
has no vocabulary: engines take token ids. ggml rounds YaRN's correction range, so that its logits
differ from the goldens by that alone. A model with hyper-parameters that the published GGUF files
have no fields for is refused.
"""

import argparse
import sys
from pathlib import Path

import gguf
import numpy as np

import checkpoint
import mxfp4

TYPES = {
    "f32": gguf.GGMLQuantizationType.F32,
    "bf16": gguf.GGMLQuantizationType.BF16,
    "q8_0": gguf.GGMLQuantizationType.Q8_0,
    "mxfp4": gguf.GGMLQuantizationType.MXFP4,
}
FILE_TYPES = {
    "f32": gguf.LlamaFileType.ALL_F32,
    "bf16": gguf.LlamaFileType.MOSTLY_BF16,
    "q8_0": gguf.LlamaFileType.MOSTLY_Q8_0,
    "mxfp4": gguf.LlamaFileType.MOSTLY_MXFP4_MOE,
}


def to_ggml_mxfp4(matrix):
    """Rows of ggml's block_mxfp4: the scale, then byte j with value j low and value j + 16 high."""
    blocks, scales = mxfp4.quantize(matrix)
    if not np.array_equal(mxfp4.dequantize(blocks, scales), matrix):
        print("note: the experts were rounded to MXFP4", file=sys.stderr)
    values = np.stack([blocks & 15, blocks >> 4], axis=-1).reshape(*blocks.shape[:-1], mxfp4.BLOCK)
    half = mxfp4.BLOCK // 2
    bytes_ = np.concatenate(
        [scales[..., None], values[..., :half] | values[..., half:] << 4], axis=-1
    )
    return bytes_.reshape(*bytes_.shape[:-2], -1)


def add_tensor(writer, name, tensor, kind):
    if kind == "mxfp4":
        writer.add_tensor(name, to_ggml_mxfp4(tensor), raw_dtype=TYPES[kind])
    elif kind == "f32":
        writer.add_tensor(name, tensor.astype(np.float32))
    else:
        packed = gguf.quants.quantize(np.ascontiguousarray(tensor, dtype=np.float32), TYPES[kind])
        writer.add_tensor(name, packed, raw_dtype=TYPES[kind])


def add_configuration(writer, config, file_type):
    writer.add_file_type(file_type)
    writer.add_block_count(config.layers)
    writer.add_context_length(int(config.rope_original_context * config.rope_factor))
    writer.add_embedding_length(config.d_model)
    writer.add_feed_forward_length(config.d_ff)
    writer.add_expert_feed_forward_length(config.d_ff)
    writer.add_head_count(config.heads)
    writer.add_head_count_kv(config.kv_heads)
    writer.add_key_length(config.head_dim)
    writer.add_value_length(config.head_dim)
    writer.add_expert_count(config.experts)
    writer.add_expert_used_count(config.experts_per_token)
    writer.add_sliding_window(config.window)
    writer.add_layer_norm_rms_eps(config.norm_epsilon)
    writer.add_vocab_size(config.vocabulary)
    writer.add_rope_freq_base(config.rope_theta)
    writer.add_rope_scaling_type(gguf.RopeScalingType.YARN)
    writer.add_rope_scaling_factor(config.rope_factor)
    writer.add_rope_scaling_orig_ctx_len(config.rope_original_context)
    writer.add_rope_scaling_yarn_beta_fast(config.rope_beta_fast)
    writer.add_rope_scaling_yarn_beta_slow(config.rope_beta_slow)
    writer.add_tokenizer_model("no_vocab")


def add_layer(writer, number, layer, dense, experts):
    prefix = f"blk.{number}."
    projections = {
        "attn_q": (layer.q, layer.q_bias, dense),
        "attn_k": (layer.k, layer.k_bias, dense),
        "attn_v": (layer.v, layer.v_bias, dense),
        "attn_output": (layer.output, layer.output_bias, dense),
        "ffn_gate_inp": (layer.router, layer.router_bias, "f32"),
        "ffn_gate_exps": (layer.gate_up[:, 0::2], layer.gate_up_bias[:, 0::2], experts),
        "ffn_up_exps": (layer.gate_up[:, 1::2], layer.gate_up_bias[:, 1::2], experts),
        "ffn_down_exps": (layer.down, layer.down_bias, experts),
    }
    for name, (weight, bias, kind) in projections.items():
        add_tensor(writer, f"{prefix}{name}.weight", weight, kind)
        add_tensor(writer, f"{prefix}{name}.bias", bias, "f32")
    add_tensor(writer, prefix + "attn_norm.weight", layer.attention_norm, "f32")
    add_tensor(writer, prefix + "post_attention_norm.weight", layer.mlp_norm, "f32")
    add_tensor(writer, prefix + "attn_sinks.weight", layer.sinks, "f32")


def refuse_the_unusual(config):
    usual = {
        "swiglu_alpha": checkpoint.SWIGLU_ALPHA,
        "swiglu_limit": 7.0,
        "rope_attention_factor": checkpoint.concentration(config.rope_factor),
        "sliding": [layer % 2 == 0 for layer in range(config.layers)],
    }
    for name, value in usual.items():
        if getattr(config, name) != value:
            raise SystemExit(f"error: {name} is {getattr(config, name)}; it can only be {value}")


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--dense", choices=("f32", "bf16", "q8_0"), default="f32")
    parser.add_argument("--experts", choices=tuple(TYPES))
    parser.add_argument("folder", type=Path, metavar="FOLDER")
    parser.add_argument("file", type=Path, metavar="FILE")
    arguments = parser.parse_args()
    model = checkpoint.load(arguments.folder)
    refuse_the_unusual(model.config)
    dense = arguments.dense
    experts = arguments.experts or ("mxfp4" if model.mxfp4_experts else dense)
    writer = gguf.GGUFWriter(arguments.file, gguf.MODEL_ARCH_NAMES[gguf.MODEL_ARCH.GPT_OSS])
    add_configuration(writer, model.config, FILE_TYPES[experts])
    add_tensor(writer, "token_embd.weight", model.embedding, dense)
    for number, layer in enumerate(model.layers):
        add_layer(writer, number, layer, dense, experts)
    add_tensor(writer, "output_norm.weight", model.norm, "f32")
    add_tensor(writer, "output.weight", model.head, dense)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
