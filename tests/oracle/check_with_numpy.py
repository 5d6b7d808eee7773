#!/usr/bin/env python3
"""Checks the goldens with a float64 forward pass that was written from the architecture's
description, not from transformers: python3 check_with_numpy.py [MODEL-FOLDER GOLDEN]...

Prints, per model, the largest difference of a log-probability over every position and each of the
stored ids, and fails when it exceeds LIMIT or when an argmax differs beyond it.
"""

import argparse
import sys
from pathlib import Path

import numpy as np

import checkpoint
import golden

LIMIT = 1e-4  # a twentieth of what the engine is allowed; the oracle itself computes in float32
HERE = Path(__file__).resolve().parent


class Forward:
    """One model; log_probabilities(tokens) is float64 [positions, vocabulary]."""

    def __init__(self, model):
        self.model = model
        self.config = model.config

    def log_probabilities(self, tokens):
        x = self.model.embedding[tokens]
        cos, sin = self.rope_tables(len(tokens))
        for layer, sliding in zip(self.model.layers, self.config.sliding):
            x = x + self.attention(layer, self.rms_norm(x, layer.attention_norm), cos, sin, sliding)
            x = x + self.mixture(layer, self.rms_norm(x, layer.mlp_norm))
        logits = self.rms_norm(x, self.model.norm) @ self.model.head.T
        largest = logits.max(axis=-1, keepdims=True)
        return logits - largest - np.log(np.exp(logits - largest).sum(axis=-1, keepdims=True))

    def rms_norm(self, x, weight):
        return (
            x / np.sqrt(np.mean(x * x, axis=-1, keepdims=True) + self.config.norm_epsilon) * weight
        )

    def rope_tables(self, positions):
        """cos and sin, [positions, head_dim / 2], YaRN: pairs that turn often keep their frequency,
        those that never complete a turn are slowed down by the factor, a ramp lies between."""
        config = self.config
        pairs = np.arange(config.head_dim // 2)
        frequency = config.rope_theta ** (-2 * pairs / config.head_dim)

        def pair_that_turns(times):
            wavelength = config.rope_original_context / (times * 2 * np.pi)
            return config.head_dim * np.log(wavelength) / (2 * np.log(config.rope_theta))

        low, high = pair_that_turns(config.rope_beta_fast), pair_that_turns(config.rope_beta_slow)
        if config.rope_truncate:
            low, high = np.floor(low), np.ceil(high)
        slowed = np.clip((pairs - low) / (high - low), 0, 1)
        frequency = frequency * (1 - slowed) + frequency / config.rope_factor * slowed
        angle = np.arange(positions)[:, None] * frequency
        return (
            np.cos(angle) * config.rope_attention_factor,
            np.sin(angle) * config.rope_attention_factor,
        )

    def rotate(self, x, cos, sin):
        """x is [positions, heads, head_dim]; element i turns with element i + head_dim / 2."""
        first, second = np.split(x, 2, axis=-1)
        cos, sin = cos[:, None, :], sin[:, None, :]
        return np.concatenate([first * cos - second * sin, second * cos + first * sin], axis=-1)

    def attention(self, layer, x, cos, sin, sliding):
        config, positions = self.config, len(x)
        q = (x @ layer.q.T + layer.q_bias).reshape(positions, config.heads, config.head_dim)
        k = (x @ layer.k.T + layer.k_bias).reshape(positions, config.kv_heads, config.head_dim)
        v = (x @ layer.v.T + layer.v_bias).reshape(positions, config.kv_heads, config.head_dim)
        q, k = self.rotate(q, cos, sin), self.rotate(k, cos, sin)
        distance = np.arange(positions)[:, None] - np.arange(positions)
        hidden = distance < 0
        if sliding:
            hidden = hidden | (distance >= config.window)
        out = np.empty_like(q)
        for head in range(config.heads):
            kv_head = head * config.kv_heads // config.heads
            score = q[:, head] @ k[:, kv_head].T / np.sqrt(config.head_dim)
            score[hidden] = -np.inf
            out[:, head] = self.softmax_with_sink(score, layer.sinks[head]) @ v[:, kv_head]
        return out.reshape(positions, -1) @ layer.output.T + layer.output_bias

    def softmax_with_sink(self, score, sink):
        """The sink takes part in the maximum and in the denominator, and has no value."""
        largest = np.maximum(score.max(axis=-1, keepdims=True), sink)
        weight = np.exp(score - largest)
        return weight / (weight.sum(axis=-1, keepdims=True) + np.exp(sink - largest))

    def route(self, layer, x):
        """The chosen experts and their weights, [positions, experts_per_token] each."""
        logits = x @ layer.router.T + layer.router_bias
        chosen = np.argsort(-logits, axis=-1, kind="stable")[:, : self.config.experts_per_token]
        top = np.take_along_axis(logits, chosen, axis=-1)
        weight = np.exp(top - top.max(axis=-1, keepdims=True))
        return chosen, weight / weight.sum(axis=-1, keepdims=True)

    def mixture(self, layer, x):
        chosen, weight = self.route(layer, x)
        out = np.zeros_like(x)
        for expert in range(self.config.experts):
            position, rank = np.nonzero(chosen == expert)
            out[position] += self.expert(
                layer, expert, x[position], weight[position, rank][:, None]
            )
        return out

    def expert(self, layer, expert, x, weight):
        gate_up = x @ layer.gate_up[expert].T + layer.gate_up_bias[expert]
        hidden = self.swiglu(gate_up[:, 0::2], gate_up[:, 1::2])
        return weight * (hidden @ layer.down[expert].T + layer.down_bias[expert])

    def swiglu(self, gate, up):
        alpha, limit = self.config.swiglu_alpha, self.config.swiglu_limit
        gate, up = np.minimum(gate, limit), np.clip(up, -limit, limit)
        return gate / (1 + np.exp(-alpha * gate)) * (up + 1)


def compare(forward, stored):
    """The largest |difference| at the stored ids, and how many argmaxes differ beyond LIMIT."""
    largest, wrong = 0.0, 0
    for prompt in stored.prompts:
        got = forward.log_probabilities(prompt.tokens)
        difference = (
            np.take_along_axis(got, prompt.ids.astype(np.int64), axis=-1) - prompt.log_probabilities
        )
        # NaN must not pass as small.
        largest = max(largest, np.abs(difference).max() if np.isfinite(got).all() else np.inf)
        margin = prompt.log_probabilities[:, 0] - prompt.log_probabilities[:, 1]
        wrong += int(((got.argmax(axis=-1) != prompt.ids[:, 0]) & (margin > LIMIT)).sum())
    return largest, wrong


def check(folder, golden_path):
    stored = golden.read(golden_path)
    model = checkpoint.load(folder)
    if stored.vocabulary != model.config.vocabulary:
        raise ValueError(f"{golden_path}: made for another vocabulary")
    largest, wrong = compare(Forward(model), stored)
    positions = sum(len(prompt.tokens) for prompt in stored.prompts)
    good = largest <= LIMIT and wrong == 0
    print(
        f"{'ok  ' if good else 'FAIL'} {'/'.join(folder.parts[-2:]):20} "
        f"{positions} positions, max |d log p| {largest:.2e}, "
        f"{wrong} argmaxes differ"
    )
    return good


def checked_in():
    for path in sorted(HERE.glob("goldens/*.golden.gz")):
        folder = HERE / "models" / path.name.removesuffix(".golden.gz")
        yield folder, path
        if (folder / "original").exists():
            yield folder / "original", path


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("paths", nargs="*", type=Path, metavar="MODEL-FOLDER GOLDEN")
    paths = parser.parse_args().paths
    if len(paths) % 2 != 0:
        parser.error("give a golden with every model folder")
    pairs = list(zip(paths[0::2], paths[1::2])) or list(checked_in())
    if not pairs:
        parser.error("no goldens found")
    results = [check(folder, path) for folder, path in pairs]
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
