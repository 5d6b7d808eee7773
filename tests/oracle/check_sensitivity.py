#!/usr/bin/env python3
"""Shows that the goldens notice mistakes: python3 check_sensitivity.py

Runs check_with_numpy's forward pass with one mistake at a time, each one an engine has made or
could make, and prints how far the log-probabilities of every model then move. Fails when a mistake
that concerns a model stays within what the engine is allowed in all of them. The last rows are no
mistakes but roundings, for comparison; they fail nothing.
"""

import dataclasses
import sys

import numpy as np

import checkpoint
import golden
from check_with_numpy import Forward, checked_in, compare

ALLOWED = 2e-3  # max |d log p| of the engine's reference path


def with_config(**changes):
    """A mistake in a hyper-parameter: every change is a function of the right configuration."""

    def make(model):
        values = {name: change(model.config) for name, change in changes.items()}
        return Forward(
            dataclasses.replace(model, config=dataclasses.replace(model.config, **values))
        )

    return make


def with_layers(**changes):
    """A mistake in weights: every change is a function of the configuration and the tensor."""

    def change_layer(layer, config):
        changed = {name: change(config, getattr(layer, name)) for name, change in changes.items()}
        return dataclasses.replace(layer, **changed)

    def make(model):
        layers = [change_layer(layer, model.config) for layer in model.layers]
        return Forward(dataclasses.replace(model, layers=layers))

    return make


def zero(config, tensor):
    return np.zeros_like(tensor)


def gate_and_up_in_halves(config, tensor):
    """What reading the first half as gate and the second as up amounts to."""
    half = tensor.shape[1] // 2
    return np.stack([tensor[:, :half], tensor[:, half:]], axis=2).reshape(tensor.shape)


def gate_and_up_swapped(config, tensor):
    return gate_and_up_in_halves(config, np.concatenate([tensor[:, 1::2], tensor[:, 0::2]], axis=1))


def neighbours_as_pairs(config, tensor):
    """Puts element 2i where i was and 2i + 1 where i + head_dim / 2 was, in every head."""
    heads = tensor.reshape(-1, config.head_dim, *tensor.shape[1:])
    return np.concatenate([heads[:, 0::2], heads[:, 1::2]], axis=1).reshape(tensor.shape)


class SinkInTheMaximumOnly(Forward):
    def softmax_with_sink(self, score, sink):
        return super().softmax_with_sink(score, -np.inf)


class SoftmaxOverAllExperts(Forward):
    def route(self, layer, x):
        logits = x @ layer.router.T + layer.router_bias
        chosen, _ = super().route(layer, x)
        weight = np.exp(logits - logits.max(axis=-1, keepdims=True))
        return chosen, np.take_along_axis(
            weight / weight.sum(axis=-1, keepdims=True), chosen, axis=-1
        )


class DownBiasNotWeighted(Forward):
    def expert(self, layer, expert, x, weight):
        right = super().expert(layer, expert, x, weight)
        return right + (1 - weight) * layer.down_bias[expert]


class BiasForTheWeightOnly(Forward):
    def route(self, layer, x):
        logits = x @ layer.router.T
        chosen = np.argsort(-logits, axis=-1, kind="stable")[:, : self.config.experts_per_token]
        top = np.take_along_axis(logits + layer.router_bias, chosen, axis=-1)
        weight = np.exp(top - top.max(axis=-1, keepdims=True))
        return chosen, weight / weight.sum(axis=-1, keepdims=True)


class UpWithoutOne(Forward):
    def swiglu(self, gate, up):
        return super().swiglu(
            gate, np.clip(up, -self.config.swiglu_limit, self.config.swiglu_limit) - 1
        )


class GateClampedBelow(Forward):
    def swiglu(self, gate, up):
        return super().swiglu(np.maximum(gate, -self.config.swiglu_limit / 4), up)


class KvHeadsInterleaved(Forward):
    def attention(self, layer, x, cos, sin, sliding):
        order = np.arange(self.config.heads).reshape(-1, self.config.kv_heads).T.ravel()

        def reorder(tensor):
            heads = tensor.reshape(self.config.heads, self.config.head_dim, -1)[order]
            return heads.reshape(tensor.shape)

        output = layer.output.T.reshape(self.config.heads, self.config.head_dim, -1)[order]
        layer = dataclasses.replace(
            layer,
            q=reorder(layer.q),
            q_bias=reorder(layer.q_bias),
            sinks=layer.sinks[order],
            output=output.reshape(layer.output.T.shape).T,
        )
        return super().attention(layer, x, cos, sin, sliding)


def to_bf16(x):
    bits = np.asarray(x, dtype=np.float32).view(np.uint32)
    rounded = bits + 0x7FFF + (bits >> 16 & 1) & 0xFFFF0000
    return rounded.astype(np.uint32).view(np.float32).astype(np.float64)


class Bf16Activations(Forward):
    """Rounds the input of the projections, as a matmul with bfloat16 operands does."""

    def rms_norm(self, x, weight):
        return to_bf16(super().rms_norm(x, weight))


class Bf16KeysAndQueries(Forward):
    """Rounds rotated queries and keys, as attention with bfloat16 operands does."""

    def rotate(self, x, cos, sin):
        return to_bf16(super().rotate(x, cos, sin))


MISTAKES = {
    "window one token wider": with_config(window=lambda c: c.window + 1),
    "window one token narrower": with_config(window=lambda c: c.window - 1),
    "odd layers slide": with_config(sliding=lambda c: [not sliding for sliding in c.sliding]),
    "all layers slide": with_config(sliding=lambda c: [True] * c.layers),
    "YaRN range rounded, or not": with_config(rope_truncate=lambda c: not c.rope_truncate),
    "no YaRN": with_config(rope_factor=lambda c: 1.0),
    "cos and sin not scaled": with_config(rope_attention_factor=lambda c: 1.0),
    "theta of 10000 or 150000": with_config(
        rope_theta=lambda c: 150000.0 if c.rope_theta == 10000.0 else 10000.0
    ),
    "original context doubled": with_config(
        rope_original_context=lambda c: 2 * c.rope_original_context
    ),
    "neighbours rotated as pairs": with_layers(
        q=neighbours_as_pairs,
        q_bias=neighbours_as_pairs,
        k=neighbours_as_pairs,
        k_bias=neighbours_as_pairs,
    ),
    "kv heads interleaved": KvHeadsInterleaved,
    "no sinks": SinkInTheMaximumOnly,
    "sinks of zero": with_layers(sinks=zero),
    "sinks scaled like scores": with_layers(sinks=lambda c, sinks: sinks / np.sqrt(c.head_dim)),
    "no q bias": with_layers(q_bias=zero),
    "no k bias": with_layers(k_bias=zero),
    "no v bias": with_layers(v_bias=zero),
    "no o bias": with_layers(output_bias=zero),
    "no router bias": with_layers(router_bias=zero),
    "no gate and up bias": with_layers(gate_up_bias=zero),
    "no down bias": with_layers(down_bias=zero),
    "down bias not weighted": DownBiasNotWeighted,
    "router bias after the choice": BiasForTheWeightOnly,
    "softmax before top-k": SoftmaxOverAllExperts,
    "one expert fewer": with_config(experts_per_token=lambda c: max(1, c.experts_per_token - 1)),
    "gate and up in halves": with_layers(
        gate_up=gate_and_up_in_halves, gate_up_bias=gate_and_up_in_halves
    ),
    "gate and up swapped": with_layers(
        gate_up=gate_and_up_swapped, gate_up_bias=gate_and_up_swapped
    ),
    "no clamp": with_config(swiglu_limit=lambda c: np.inf),
    "gate clamped below too": GateClampedBelow,
    "clamp at 7 or 6": with_config(swiglu_limit=lambda c: 6.0 if c.swiglu_limit == 7.0 else 7.0),
    "up without the 1": UpWithoutOne,
    "plain SiLU": with_config(swiglu_alpha=lambda c: 1.0),
    "alpha of 1.702 or 1.5": with_config(
        swiglu_alpha=lambda c: 1.5 if c.swiglu_alpha == 1.702 else 1.702
    ),
    "epsilon of 1e-6 or 1e-5": with_config(
        norm_epsilon=lambda c: 1e-6 if c.norm_epsilon == 1e-5 else 1e-5
    ),
}
ROUNDINGS = {
    "(bfloat16 normed activations)": Bf16Activations,
    "(bfloat16 queries and keys)": Bf16KeysAndQueries,
}


def main():
    models = [
        (folder.name, checkpoint.load(folder), golden.read(path))
        for folder, path in checked_in()
        if folder.name != "original"
    ]
    print(f"{'max |d log p| with':32}" + "".join(f"{name:>14}" for name, _, _ in models))
    missed = []
    for what, mistake in {**MISTAKES, **ROUNDINGS}.items():
        with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
            moved = [compare(mistake(model), stored)[0] for _, model, stored in models]
        print(f"{what:32}" + "".join(f"{value:14.1e}" for value in moved), flush=True)
        if what in MISTAKES and not max(moved) > ALLOWED:
            missed.append(what)
    print(f"unnoticed: {', '.join(missed) or 'none'}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
