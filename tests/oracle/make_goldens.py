#!/usr/bin/env python3
"""Makes the small random gpt-oss models and their goldens with Hugging Face transformers:

    python3 make_goldens.py [--output FOLDER] [NAME]...  (this folder and all, unless given)

writes FOLDER/models/NAME/, FOLDER/goldens/NAME.golden.gz and FOLDER/SHA256SUMS, and prints how
hard each golden is.
README.md says what the models are for and which versions make identical files.
"""

import argparse
import hashlib
import json
import shutil
import sys
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from transformers import GptOssConfig, GptOssForCausalLM
from transformers.utils import logging

import golden
import mxfp4

PROMPT_LENGTHS = (1, 5, 127, 128, 129, 400, 1000)
TOP = 50
LEAST_ROUTER_MARGIN = 1.5e-4  # closer decisions could fall either way by rounding alone
SEED = 20250805
EXPERT_MATRICES = ("gate_up_proj", "down_proj")
HERE = Path(__file__).resolve().parent


@dataclass(frozen=True)
class Spec:
    name: str
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
    dtype: torch.dtype
    rope: dict
    norms_in_float32: bool = False  # what transformers saves after loading in 16 bits
    mxfp4: bool = False
    openai_layout: bool = False
    shard_size: str = "1GB"
    norm_epsilon: float = 1e-5
    swiglu_alpha: float = 1.702
    swiglu_limit: float = 7.0
    tied_head: bool = False
    layer_types: tuple = ()  # sliding and full in turn, unless given
    salt: int = 0  # moves all random numbers, for a model whose router margins are too small


def yarn(
    theta=150000.0, factor=32.0, context=4096, beta_fast=32.0, beta_slow=1.0, truncate=False, **more
):
    return {
        "rope_type": "yarn",
        "rope_theta": theta,
        "factor": factor,
        "original_max_position_embeddings": context,
        "beta_fast": beta_fast,
        "beta_slow": beta_slow,
        "truncate": truncate,
        **more,
    }


SPECS = (
    Spec(
        "f32", layers=2, d_model=32, d_ff=32, heads=4, kv_heads=2, head_dim=16,
        experts=4, experts_per_token=2, vocabulary=256, window=128, dtype=torch.float32,
        rope=yarn(),
    ),
    Spec(
        "bf16-odd", layers=3, d_model=32, d_ff=64, heads=4, kv_heads=4, head_dim=24,
        experts=5, experts_per_token=3, vocabulary=509, window=7, dtype=torch.bfloat16, rope=yarn(),
        openai_layout=True,
    ),
    Spec(
        "bf16-sharded", layers=4, d_model=64, d_ff=32, heads=8, kv_heads=1, head_dim=16,
        experts=6, experts_per_token=4, vocabulary=300, window=128, dtype=torch.bfloat16,
        rope=yarn(theta=10000.0, factor=8.0, context=128, beta_fast=16.0, beta_slow=2.0),
        shard_size="100KB", salt=4,
    ),
    Spec(
        "mxfp4", layers=2, d_model=64, d_ff=96, heads=4, kv_heads=2, head_dim=32,
        experts=12, experts_per_token=4, vocabulary=320, window=128, dtype=torch.bfloat16,
        rope=yarn(), mxfp4=True, openai_layout=True, salt=1,
    ),
    Spec(
        # All that config.json can say and no published model does.
        "f16-unusual", layers=2, d_model=32, d_ff=64, heads=2, kv_heads=1, head_dim=64,
        experts=3, experts_per_token=1, vocabulary=128, window=50, dtype=torch.float16,
        rope=yarn(theta=50000.0, factor=4.0, context=256, truncate=True, attention_factor=1.1),
        norms_in_float32=True, norm_epsilon=1e-6, swiglu_alpha=1.5, swiglu_limit=5.0,
        tied_head=True, layer_types=("full_attention", "sliding_attention"),
    ),
    Spec(
        "bf16-deep", layers=6, d_model=32, d_ff=32, heads=2, kv_heads=1, head_dim=32,
        experts=8, experts_per_token=8, vocabulary=400, window=33, dtype=torch.bfloat16,
        rope=yarn(),
    ),
)  # fmt: skip


def generator(spec, what):
    """Random numbers that depend on the model and on what they are for, not on any order."""
    names = [zlib.crc32(name.encode()) for name in (spec.name, what)]
    return np.random.Generator(np.random.PCG64([SEED, spec.salt, *names]))


def standard_deviation(spec, name):
    """What keeps every intermediate result at a size where a wrong one shows in the logits."""
    d_model, d_ff, q_width = spec.d_model, spec.d_ff, spec.heads * spec.head_dim
    # A plain embedding is small enough for the norms' epsilon to show, and what a block adds to it
    # small enough for roundings not to grow. A tied one has to make logits, and blocks move them.
    embedding, share = (2 / d_model**0.5, 0.6) if spec.tied_head else (0.1, 0.15)
    residual = share * embedding
    table = {
        "embed_tokens.weight": embedding,
        "lm_head.weight": 2 / d_model**0.5,
        "norm.weight": 0.2,  # around 1, all norms
        "layernorm.weight": 0.2,
        "q_proj.weight": 1 / d_model**0.5,
        "k_proj.weight": 1 / d_model**0.5,
        "v_proj.weight": 1 / d_model**0.5,
        "o_proj.weight": 2 * residual / q_width**0.5,
        "q_proj.bias": 0.3,
        "k_proj.bias": 0.3,
        "v_proj.bias": 0.5,
        "o_proj.bias": residual / 2,
        "sinks": 1.5,
        "router.weight": 3 / d_model**0.5,
        "router.bias": 0.5,
        "gate_up_proj": 2.5 / d_model**0.5,
        "gate_up_proj_bias": 1.0,
        "down_proj": residual / (3 * d_ff**0.5),
        "down_proj_bias": residual,
    }
    return next(std for suffix, std in table.items() if name.endswith(suffix))


def random_tensor(spec, name, shape):
    values = standard_deviation(spec, name) * generator(spec, name).standard_normal(shape)
    return values + 1 if name.endswith("norm.weight") else values


def lower_some_scales(scales):
    """Gives a few blocks with values in them the least scales there are, 0 to 2: they are worth
    next to nothing, and what a decoder that is careless with the exponent makes of them is not."""
    scales[0, ::5, 0] = np.arange(len(scales[0, ::5, 0])) % 3


def model_config(spec):
    rope = dict(spec.rope)
    return GptOssConfig(
        num_hidden_layers=spec.layers,
        num_local_experts=spec.experts,
        num_experts_per_tok=spec.experts_per_token,
        vocab_size=spec.vocabulary,
        hidden_size=spec.d_model,
        intermediate_size=spec.d_ff,
        head_dim=spec.head_dim,
        num_attention_heads=spec.heads,
        num_key_value_heads=spec.kv_heads,
        sliding_window=spec.window,
        rope_parameters=rope,
        max_position_embeddings=int(rope["factor"] * rope["original_max_position_embeddings"]),
        rms_norm_eps=spec.norm_epsilon,
        swiglu_alpha=spec.swiglu_alpha,
        swiglu_limit=spec.swiglu_limit,
        tie_word_embeddings=spec.tied_head,
        layer_types=list(spec.layer_types) or None,
    )


@torch.no_grad()
def random_model(spec):
    """The model in the dtype it is saved in, and the MXFP4 tensors that replace its experts'."""
    model = GptOssForCausalLM(model_config(spec))
    packed = {}
    for name, parameter in model.named_parameters():
        values = random_tensor(spec, name, tuple(parameter.shape))
        if spec.mxfp4 and name.endswith(EXPERT_MATRICES):
            blocks, scales = mxfp4.quantize(values.swapaxes(1, 2))  # to [experts, outputs, inputs]
            lower_some_scales(scales)
            packed[name + "_blocks"] = torch.from_numpy(blocks)
            packed[name + "_scales"] = torch.from_numpy(scales)
            values = mxfp4.dequantize(blocks, scales).swapaxes(1, 2)
        parameter.copy_(torch.from_numpy(np.ascontiguousarray(values)))
    return model.to(spec.dtype), packed


def save_as_transformers_does(spec, model, folder):
    model.save_pretrained(folder, max_shard_size=spec.shard_size)
    if spec.norms_in_float32:
        reloaded = GptOssForCausalLM.from_pretrained(folder, dtype=spec.dtype)
        shutil.rmtree(folder)
        reloaded.save_pretrained(folder, max_shard_size=spec.shard_size)


def save_as_openai_on_hugging_face(spec, model, packed, folder):
    """What openai/gpt-oss-20b holds: MXFP4 experts, and a config.json of transformers 4.55."""
    folder.mkdir(parents=True)
    state = model.state_dict()
    dense = {name: state[name] for name in state if not name.endswith(EXPERT_MATRICES)}
    save_file({**dense, **packed}, folder / "model.safetensors", metadata={"format": "pt"})
    rope = dict(spec.rope)
    theta = rope.pop("rope_theta")
    config = {
        "architectures": ["GptOssForCausalLM"],
        "attention_bias": True,
        "attention_dropout": 0.0,
        "eos_token_id": spec.vocabulary - 1,
        "experts_per_token": spec.experts_per_token,
        "head_dim": spec.head_dim,
        "hidden_act": "silu",
        "hidden_size": spec.d_model,
        "initial_context_length": rope["original_max_position_embeddings"],
        "initializer_range": 0.02,
        "intermediate_size": spec.d_ff,
        "layer_types": model.config.layer_types,
        "max_position_embeddings": model.config.max_position_embeddings,
        "model_type": "gpt_oss",
        "num_attention_heads": spec.heads,
        "num_experts_per_tok": spec.experts_per_token,
        "num_hidden_layers": spec.layers,
        "num_key_value_heads": spec.kv_heads,
        "num_local_experts": spec.experts,
        "output_router_logits": False,
        "pad_token_id": spec.vocabulary - 2,
        "quantization_config": {
            "modules_to_not_convert": [
                "model.layers.*.self_attn",
                "model.layers.*.mlp.router",
                "model.embed_tokens",
                "lm_head",
            ],
            "quant_method": "mxfp4",
        },
        "rms_norm_eps": spec.norm_epsilon,
        "rope_scaling": rope,
        "rope_theta": int(theta),
        "router_aux_loss_coef": 0.9,
        "sliding_window": spec.window,
        "swiglu_limit": spec.swiglu_limit,
        "tie_word_embeddings": False,
        "transformers_version": "4.55.0.dev0",
        "use_cache": True,
        "vocab_size": spec.vocabulary,
    }
    write_json(folder / "config.json", config)


def save_as_openai(spec, model, packed, folder):
    """The layout of the repository's original/ folder: fused qkv, experts as [outputs, inputs]."""
    state = model.state_dict()
    tensors = {
        "embedding.weight": state["model.embed_tokens.weight"],
        "norm.scale": state["model.norm.weight"],
        "unembedding.weight": state["lm_head.weight"],
    }
    for layer in range(spec.layers):
        theirs, ours = f"model.layers.{layer}.", f"block.{layer}."
        for kind in ("weight", "bias"):
            fused = [state[f"{theirs}self_attn.{letter}_proj.{kind}"] for letter in "qkv"]
            tensors[f"{ours}attn.qkv.{kind}"] = torch.cat(fused)
            tensors[f"{ours}attn.out.{kind}"] = state[f"{theirs}self_attn.o_proj.{kind}"]
            tensors[f"{ours}mlp.gate.{kind}"] = state[f"{theirs}mlp.router.{kind}"]
        tensors[ours + "attn.norm.scale"] = state[theirs + "input_layernorm.weight"]
        tensors[ours + "attn.sinks"] = state[theirs + "self_attn.sinks"]
        tensors[ours + "mlp.norm.scale"] = state[theirs + "post_attention_layernorm.weight"]
        for theirs_name, ours_name in (("gate_up_proj", "mlp1"), ("down_proj", "mlp2")):
            expert = f"{theirs}mlp.experts.{theirs_name}"
            tensors[f"{ours}mlp.{ours_name}_bias"] = state[expert + "_bias"]
            if packed:
                tensors[f"{ours}mlp.{ours_name}_weight.blocks"] = packed[expert + "_blocks"]
                tensors[f"{ours}mlp.{ours_name}_weight.scales"] = packed[expert + "_scales"]
            else:
                tensors[f"{ours}mlp.{ours_name}_weight"] = (
                    state[expert].transpose(1, 2).contiguous()
                )
    folder.mkdir()
    save_file(tensors, folder / "model.safetensors")
    kinds = {"blocks": "FP4", "scales": "UE8"}
    dtypes = {name: kinds.get(name.rpartition(".")[2], "BF16") for name in sorted(tensors)}
    write_json(folder / "dtypes.json", dtypes)
    config = {
        "num_hidden_layers": spec.layers,
        "num_experts": spec.experts,
        "experts_per_token": spec.experts_per_token,
        "vocab_size": spec.vocabulary,
        "hidden_size": spec.d_model,
        "intermediate_size": spec.d_ff,
        "swiglu_limit": spec.swiglu_limit,
        "head_dim": spec.head_dim,
        "num_attention_heads": spec.heads,
        "num_key_value_heads": spec.kv_heads,
        "sliding_window": spec.window,
        "initial_context_length": spec.rope["original_max_position_embeddings"],
        "rope_theta": int(spec.rope["rope_theta"]),
        "rope_scaling_factor": spec.rope["factor"],
        "rope_ntk_alpha": int(spec.rope["beta_slow"]),
        "rope_ntk_beta": int(spec.rope["beta_fast"]),
    }
    write_json(folder / "config.json", config)


def write_json(path, value):
    path.write_text(json.dumps(value, indent=2) + "\n")


def load_oracle(spec, folder):
    """The saved weights in a float32 model; MXFP4 ones are dequantized on the way."""
    exactly = {
        "dtype": torch.float32,
        "attn_implementation": "eager",
        "experts_implementation": "eager",
    }
    if not spec.mxfp4:
        return GptOssForCausalLM.from_pretrained(folder, **exactly).eval()
    state = load_file(folder / "model.safetensors")
    for name in [name for name in state if name.endswith("_blocks")]:
        blocks, scales = state.pop(name), state.pop(name.replace("_blocks", "_scales"))
        values = mxfp4.dequantize(blocks.numpy(), scales.numpy()).swapaxes(1, 2)
        state[name.removesuffix("_blocks")] = torch.from_numpy(
            np.ascontiguousarray(values, dtype=np.float32)
        )
    oracle = GptOssForCausalLM._from_config(model_config(spec), **exactly)
    oracle.load_state_dict(state)
    return oracle.eval()


class RouterMargins:
    """Watches the routers: the least gap between the last chosen expert and the first left out."""

    def __init__(self, model, experts_per_token):
        self.least = float("inf")
        self.experts_per_token = experts_per_token
        for layer in model.model.layers:
            layer.mlp.router.register_forward_hook(self.look)

    def look(self, module, inputs, outputs):
        ordered = outputs[0].sort(dim=-1, descending=True).values
        if ordered.shape[-1] > self.experts_per_token:
            gap = ordered[:, self.experts_per_token - 1] - ordered[:, self.experts_per_token]
            self.least = min(self.least, gap.min().item())


@torch.no_grad()
def make_golden(spec, folder):
    oracle = load_oracle(spec, folder)
    margins = RouterMargins(oracle, spec.experts_per_token)
    prompts = []
    for length in PROMPT_LENGTHS:
        tokens = generator(spec, f"prompt {length}").integers(0, spec.vocabulary, length)
        logits = oracle(torch.from_numpy(tokens)[None], use_cache=False).logits[0]
        assert logits.dtype == torch.float32 and torch.isfinite(logits).all()
        values = torch.log_softmax(logits.double(), dim=-1).numpy()
        prompts.append(golden.Prompt(tokens, *golden.top_entries(values, TOP)))
    if margins.least < LEAST_ROUTER_MARGIN:
        raise SystemExit(
            f"{spec.name}: a router margin of {margins.least:.1e}, give the model another salt"
        )
    describe(spec, margins, prompts)
    return golden.Golden(spec.vocabulary, TOP, golden.model_crc32(folder), prompts)


def describe(spec, margins, prompts):
    first = np.concatenate([prompt.log_probabilities for prompt in prompts])
    mass = np.exp(first.astype(np.float64)).sum(axis=-1)
    margin = first[:, 0] - first[:, 1]
    print(
        f"{spec.name:13} mean log p of the top: {first[:, 0].mean():.2f}; mass of the top {TOP}: "
        f"{mass.mean():.3f}; argmax margins over 2e-3: {np.mean(margin > 2e-3):.1%}; "
        f"least router margin: {margins.least:.1e}"
    )


def make(spec, output):
    folder = output / "models" / spec.name
    shutil.rmtree(folder, ignore_errors=True)
    model, packed = random_model(spec)
    if spec.mxfp4:
        save_as_openai_on_hugging_face(spec, model, packed, folder)
    else:
        save_as_transformers_does(spec, model, folder)
    if spec.openai_layout:
        save_as_openai(spec, model, packed, folder / "original")
    for path in folder.rglob("*.safetensors"):
        path.chmod(0o644)  # safetensors makes them private
    (output / "goldens").mkdir(exist_ok=True)
    golden.write(output / "goldens" / f"{spec.name}.golden.gz", make_golden(spec, folder))


def write_checksums(output):
    paths = [path for top in ("goldens", "models") for path in (output / top).rglob("*")]
    lines = [
        f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.relative_to(output)}\n"
        for path in sorted(paths)
        if path.is_file()
    ]
    (output / "SHA256SUMS").write_text("".join(lines))


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--output", type=Path, default=HERE)
    parser.add_argument("names", nargs="*", metavar="NAME", help="only these models")
    arguments = parser.parse_args()
    unknown = set(arguments.names) - {spec.name for spec in SPECS}
    if unknown:
        parser.error(f"no such model: {', '.join(sorted(unknown))}")
    logging.disable_progress_bar()
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    for spec in SPECS:
        if not arguments.names or spec.name in arguments.names:
            make(spec, arguments.output)
    write_checksums(arguments.output)
    return 0


if __name__ == "__main__":
    sys.exit(main())
