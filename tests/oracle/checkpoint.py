"""Reads a gpt-oss safetensors folder, Hugging Face's or OpenAI's layout, with numpy alone.

It shares no code with the libraries that wrote the files, so that a checker built on it is
independent of them.
"""

import json
import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import mxfp4

SWIGLU_ALPHA = 1.702  # where a configuration does not say


@dataclass
class Config:
    layers: int
    d_model: int
    d_ff: int
    heads: int
    kv_heads: int
    head_dim: int
    experts: int
    experts_per_token: int
    vocabulary: int
    window: int
    sliding: list  # one bool per layer
    norm_epsilon: float
    swiglu_alpha: float
    swiglu_limit: float
    rope_theta: float
    rope_factor: float
    rope_original_context: int
    rope_beta_fast: float
    rope_beta_slow: float
    rope_truncate: bool
    rope_attention_factor: float


@dataclass
class Layer:
    """Every matrix is [rows, columns] = [outputs, inputs]; rows of gate_up alternate gate, up."""

    attention_norm: np.ndarray
    q: np.ndarray
    q_bias: np.ndarray
    k: np.ndarray
    k_bias: np.ndarray
    v: np.ndarray
    v_bias: np.ndarray
    sinks: np.ndarray
    output: np.ndarray
    output_bias: np.ndarray
    mlp_norm: np.ndarray
    router: np.ndarray
    router_bias: np.ndarray
    gate_up: np.ndarray  # [experts, 2 d_ff, d_model]
    gate_up_bias: np.ndarray
    down: np.ndarray  # [experts, d_model, d_ff]
    down_bias: np.ndarray


@dataclass
class Model:
    config: Config
    embedding: np.ndarray
    layers: list
    norm: np.ndarray
    head: np.ndarray
    mxfp4_experts: bool


def _read_safetensors(path):
    data = Path(path).read_bytes()
    (header_size,) = struct.unpack_from("<Q", data)
    header = json.loads(data[8 : 8 + header_size])
    header.pop("__metadata__", None)
    tensors = {}
    for name, entry in header.items():
        begin, end = (8 + header_size + offset for offset in entry["data_offsets"])
        tensors[name] = _decode(data[begin:end], entry["dtype"]).reshape(entry["shape"])
    return tensors


def _decode(data, dtype):
    if dtype == "BF16":
        return (
            (np.frombuffer(data, "<u2").astype(np.uint32) << 16).view(np.float32).astype(np.float64)
        )
    if dtype in ("F16", "F32"):
        return np.frombuffer(data, {"F16": "<f2", "F32": "<f4"}[dtype]).astype(np.float64)
    if dtype == "U8":
        return np.frombuffer(data, np.uint8)
    raise ValueError(f"unexpected dtype {dtype}")


def _read_folder(folder):
    index = folder / "model.safetensors.index.json"
    if not index.exists():
        return _read_safetensors(folder / "model.safetensors")
    weight_map = json.loads(index.read_text())["weight_map"]
    tensors = {}
    for shard in sorted(set(weight_map.values())):
        tensors.update(_read_safetensors(folder / shard))
    if set(tensors) != set(weight_map):
        raise ValueError(f"{index}: names and shards differ")
    return tensors


def concentration(factor):
    """What YaRN multiplies cos and sin with, unless a configuration says otherwise."""
    return 0.1 * np.log(factor) + 1


def _hugging_face_config(raw):
    # transformers 5 keeps rope_theta among rope_parameters, transformers 4 beside rope_scaling.
    rope = raw.get("rope_parameters") or {**raw["rope_scaling"], "rope_theta": raw["rope_theta"]}
    if rope["rope_type"] != "yarn":
        raise ValueError(f"unexpected rope_type {rope['rope_type']}")
    return Config(
        layers=raw["num_hidden_layers"],
        d_model=raw["hidden_size"],
        d_ff=raw["intermediate_size"],
        heads=raw["num_attention_heads"],
        kv_heads=raw["num_key_value_heads"],
        head_dim=raw["head_dim"],
        experts=raw["num_local_experts"],
        experts_per_token=raw["num_experts_per_tok"],
        vocabulary=raw["vocab_size"],
        window=raw["sliding_window"],
        sliding=[kind == "sliding_attention" for kind in raw["layer_types"]],
        norm_epsilon=raw["rms_norm_eps"],
        swiglu_alpha=raw.get("swiglu_alpha", SWIGLU_ALPHA),
        swiglu_limit=raw["swiglu_limit"],
        rope_theta=rope["rope_theta"],
        rope_factor=rope["factor"],
        rope_original_context=rope["original_max_position_embeddings"],
        rope_beta_fast=rope["beta_fast"],
        rope_beta_slow=rope["beta_slow"],
        rope_truncate=rope.get("truncate", True),
        rope_attention_factor=rope.get("attention_factor") or concentration(rope["factor"]),
    )


def _openai_config(raw):
    return Config(
        layers=raw["num_hidden_layers"],
        d_model=raw["hidden_size"],
        d_ff=raw["intermediate_size"],
        heads=raw["num_attention_heads"],
        kv_heads=raw["num_key_value_heads"],
        head_dim=raw["head_dim"],
        experts=raw["num_experts"],
        experts_per_token=raw["experts_per_token"],
        vocabulary=raw["vocab_size"],
        window=raw["sliding_window"],
        sliding=[layer % 2 == 0 for layer in range(raw["num_hidden_layers"])],
        norm_epsilon=1e-5,
        swiglu_alpha=SWIGLU_ALPHA,
        swiglu_limit=raw["swiglu_limit"],
        rope_theta=raw["rope_theta"],
        rope_factor=raw["rope_scaling_factor"],
        rope_original_context=raw["initial_context_length"],
        rope_beta_fast=raw["rope_ntk_beta"],
        rope_beta_slow=raw["rope_ntk_alpha"],
        rope_truncate=False,
        rope_attention_factor=concentration(raw["rope_scaling_factor"]),
    )


def _experts(tensors, packed, plain, transposed):
    """One expert matrix, [experts, outputs, inputs], from MXFP4 or from floats."""
    if packed.format("blocks") in tensors:
        return mxfp4.dequantize(tensors[packed.format("blocks")], tensors[packed.format("scales")])
    return tensors[plain].swapaxes(1, 2) if transposed else tensors[plain]


def _hugging_face_layer(tensors, layer):
    prefix = f"model.layers.{layer}."

    def get(name):
        return tensors[prefix + name]

    def experts(name):
        full = prefix + "mlp.experts." + name
        return _experts(tensors, full + "_{}", full, transposed=True)

    attention = {
        short: get(f"self_attn.{short[0]}_proj.{'bias' if short.endswith('bias') else 'weight'}")
        for short in ("q", "q_bias", "k", "k_bias", "v", "v_bias")
    }
    return Layer(
        attention_norm=get("input_layernorm.weight"),
        **attention,
        sinks=get("self_attn.sinks"),
        output=get("self_attn.o_proj.weight"),
        output_bias=get("self_attn.o_proj.bias"),
        mlp_norm=get("post_attention_layernorm.weight"),
        router=get("mlp.router.weight"),
        router_bias=get("mlp.router.bias"),
        gate_up=experts("gate_up_proj"),
        gate_up_bias=get("mlp.experts.gate_up_proj_bias"),
        down=experts("down_proj"),
        down_bias=get("mlp.experts.down_proj_bias"),
    )


def _openai_layer(tensors, layer, config):
    prefix = f"block.{layer}."

    def get(name):
        return tensors[prefix + name]

    def experts(name):
        full = prefix + "mlp." + name
        return _experts(tensors, full + ".{}", full, transposed=False)

    borders = np.cumsum([config.heads * config.head_dim, config.kv_heads * config.head_dim])
    q, k, v = np.split(get("attn.qkv.weight"), borders)
    q_bias, k_bias, v_bias = np.split(get("attn.qkv.bias"), borders)
    return Layer(
        attention_norm=get("attn.norm.scale"),
        q=q,
        q_bias=q_bias,
        k=k,
        k_bias=k_bias,
        v=v,
        v_bias=v_bias,
        sinks=get("attn.sinks"),
        output=get("attn.out.weight"),
        output_bias=get("attn.out.bias"),
        mlp_norm=get("mlp.norm.scale"),
        router=get("mlp.gate.weight"),
        router_bias=get("mlp.gate.bias"),
        gate_up=experts("mlp1_weight"),
        gate_up_bias=get("mlp.mlp1_bias"),
        down=experts("mlp2_weight"),
        down_bias=get("mlp.mlp2_bias"),
    )


def load(folder):
    folder = Path(folder)
    raw = json.loads((folder / "config.json").read_text())
    tensors = _read_folder(folder)
    if "embedding.weight" in tensors:
        config = _openai_config(raw)
        layers = [_openai_layer(tensors, layer, config) for layer in range(config.layers)]
        names = ("embedding.weight", "norm.scale", "unembedding.weight")
    else:
        config = _hugging_face_config(raw)
        layers = [_hugging_face_layer(tensors, layer) for layer in range(config.layers)]
        head = "model.embed_tokens.weight" if raw["tie_word_embeddings"] else "lm_head.weight"
        names = ("model.embed_tokens.weight", "model.norm.weight", head)
    embedding, norm, head = (tensors[name] for name in names)
    packed = any(name.endswith("scales") for name in tensors)
    return Model(config, embedding, layers, norm, head, packed)
