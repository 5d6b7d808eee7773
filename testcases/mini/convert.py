#!/usr/bin/env python3
"""Writes what train.py made as GGUF, in ggml-org's dialect:

    python3 convert.py FOLDER FILE.gguf

Experts in MXFP4, as they were trained; the dense matrices in BF16; the rest in F32.
"""

import argparse
import json
from pathlib import Path

import gguf
import numpy as np
import torch

import model as mini
import vocabulary

MAGNITUDES = torch.tensor([0, 0.5, 1, 1.5, 2, 3, 4, 6])


def mxfp4_blocks(matrices):
    """[E, K, N] as ggml's block_mxfp4, [E, N, K / 32 * 17]: of every block the scale's exponent,
    then byte j with value j low and value j + 16 high."""
    x, exponent = mini.mxfp4_parts(matrices.contiguous())  # [E, K / 32, 32, N]
    codes = torch.bucketize(x.abs(), MAGNITUDES) + 8 * (x < 0)
    assert torch.equal(MAGNITUDES[codes & 7] * torch.where(codes > 7, -1, 1), x + 0.0)
    codes, exponent = (t.permute(0, 3, 1, 2).to(torch.uint8) for t in (codes, exponent + 127))
    packed = codes[..., :16] | codes[..., 16:] << 4
    return torch.cat((exponent, packed), -1).flatten(-2).contiguous().numpy()


def add_configuration(writer, config):
    writer.add_name("dyno-mini")
    writer.add_license("apache-2.0")
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_MXFP4_MOE)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_expert_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_key_length(config.head_dim)
    writer.add_value_length(config.head_dim)
    writer.add_expert_count(config.num_local_experts)
    writer.add_expert_used_count(config.num_experts_per_tok)
    writer.add_sliding_window(config.sliding_window)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_vocab_size(config.vocab_size)
    rope = config.rope_parameters
    writer.add_rope_freq_base(rope["rope_theta"])
    writer.add_rope_scaling_type(gguf.RopeScalingType.YARN)
    writer.add_rope_scaling_factor(rope["factor"])
    writer.add_rope_scaling_orig_ctx_len(rope["original_max_position_embeddings"])
    writer.add_rope_scaling_yarn_beta_fast(rope["beta_fast"])
    writer.add_rope_scaling_yarn_beta_slow(rope["beta_slow"])


def add_vocabulary(writer, pieces):
    specials = vocabulary.special_names(len(pieces))
    spelled = [vocabulary.spell(piece) for piece in pieces] + specials
    kinds = [gguf.TokenType.NORMAL] * len(pieces) + [gguf.TokenType.CONTROL] * len(specials)
    ids = {name: len(pieces) + i for i, name in enumerate(specials)}
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-4o")
    writer.add_token_list(spelled)
    writer.add_token_types(kinds)
    writer.add_token_merges(
        [f"{vocabulary.spell(a)} {vocabulary.spell(b)}" for a, b in vocabulary.merges(pieces)]
    )
    writer.add_bos_token_id(ids["<|startoftext|>"])
    writer.add_eos_token_id(ids["<|return|>"])
    writer.add_pad_token_id(ids["<|endoftext|>"])
    writer.add_add_bos_token(False)


def add_tensors(writer, model):
    def plain(name, tensor):
        writer.add_tensor(name, tensor.detach().float().contiguous().numpy())

    def dense(name, tensor):
        rounded = gguf.quants.quantize(
            tensor.detach().to(torch.bfloat16).float().contiguous().numpy(), gguf.GGMLQuantizationType.BF16
        )
        writer.add_tensor(name, rounded, raw_dtype=gguf.GGMLQuantizationType.BF16)

    def experts(name, tensor):
        writer.add_tensor(name, mxfp4_blocks(tensor.detach()), raw_dtype=gguf.GGMLQuantizationType.MXFP4)

    dense("token_embd.weight", model.model.embed_tokens.weight)
    for number, layer in enumerate(model.model.layers):
        prefix = f"blk.{number}."
        plain(prefix + "attn_norm.weight", layer.input_layernorm.weight)
        plain(prefix + "post_attention_norm.weight", layer.post_attention_layernorm.weight)
        plain(prefix + "attn_sinks.weight", layer.self_attn.sinks)
        for name, linear in zip(("q", "k", "v", "output"), (getattr(layer.self_attn, f"{x}_proj") for x in "qkvo")):
            dense(f"{prefix}attn_{name}.weight", linear.weight)
            plain(f"{prefix}attn_{name}.bias", linear.bias)
        plain(prefix + "ffn_gate_inp.weight", layer.mlp.router.weight)
        plain(prefix + "ffn_gate_inp.bias", layer.mlp.router.bias)
        e = layer.mlp.experts
        for name, half in zip(("gate", "up"), range(2)):
            experts(f"{prefix}ffn_{name}_exps.weight", e.gate_up_proj.chunk(2, -1)[half])
            plain(f"{prefix}ffn_{name}_exps.bias", e.gate_up_proj_bias.chunk(2, -1)[half])
        experts(prefix + "ffn_down_exps.weight", e.down_proj)
        plain(prefix + "ffn_down_exps.bias", e.down_proj_bias)
    plain("output_norm.weight", model.model.norm.weight)
    dense("output.weight", model.lm_head.weight)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("file", type=Path)
    arguments = parser.parse_args()
    pieces, model = mini.load(arguments.folder)
    writer = gguf.GGUFWriter(arguments.file, gguf.MODEL_ARCH_NAMES[gguf.MODEL_ARCH.GPT_OSS])
    add_configuration(writer, model.config)
    add_vocabulary(writer, pieces)
    add_tensors(writer, model)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


if __name__ == "__main__":
    main()
