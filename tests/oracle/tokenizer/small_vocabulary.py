#!/usr/bin/env python3
"""Trains the small vocabulary of the tests and writes it as its two file formats.

    python3 small_vocabulary.py        rewrites small.tiktoken and small.json in tests/data/tokenizer

The vocabulary is that of tests/data/tokenizer/training.txt: 256 bytes and MERGES merges, with the
pattern of o200k. small.json has it as Hugging Face's converter of tiktoken files writes one: for
every token all the ways to join it from two others, in the order of ids.
"""

import base64
import collections
import json
from pathlib import Path

import regex
import tiktoken

PATTERN = "|".join(
    [
        r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?",
        r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?",
        r"\p{N}{1,3}",
        r" ?[^\s\p{L}\p{N}]+[\r\n/]*",
        r"\s*[\r\n]+",
        r"\s+(?!\S)",
        r"\s+",
    ]
)
MERGES = 640
NAMED = {
    0: "<|startoftext|>",
    1: "<|endoftext|>",
    4: "<|return|>",
    5: "<|constrain|>",
    7: "<|channel|>",
    8: "<|start|>",
    9: "<|end|>",
    10: "<|message|>",
    14: "<|call|>",
    20: "<|endofprompt|>",
}
DATA = Path(__file__).resolve().parents[2] / "data" / "tokenizer"


def train(text, merges):
    """Ranks by greedy merging; equal counts are settled by the bytes of the pair."""
    # Printable ASCII first, as in GPT-2 and o200k, so that ids and bytes differ.
    order = list(range(33, 127)) + list(range(161, 173)) + list(range(174, 256))
    order += [b for b in range(256) if b not in order]
    ranks = {bytes([b]): i for i, b in enumerate(order)}
    pieces = collections.Counter(regex.findall(PATTERN, text))
    words = [([bytes([b]) for b in piece.encode()], count) for piece, count in pieces.items()]
    for _ in range(merges):
        pairs = collections.Counter()
        for parts, count in words:
            for pair in zip(parts, parts[1:]):
                pairs[pair] += count
        best = max(pairs, key=lambda pair: (pairs[pair], pair))
        ranks[b"".join(best)] = len(ranks)
        for parts, _ in words:
            i = 0
            while i + 1 < len(parts):
                if (parts[i], parts[i + 1]) == best:
                    parts[i : i + 2] = [b"".join(best)]
                i += 1
    return ranks


def special_tokens(ranks):
    first = len(ranks)
    return {NAMED.get(i, f"<|reserved_{first + i}|>"): first + i for i in range(201088 - 199998)}


def load():
    """The vocabulary as tiktoken has it."""
    lines = (DATA / "small.tiktoken").read_bytes().splitlines()
    ranks = {base64.b64decode(token): int(rank) for token, rank in map(bytes.split, lines)}
    return tiktoken.Encoding(
        "small", pat_str=PATTERN, mergeable_ranks=ranks, special_tokens=special_tokens(ranks)
    )


def byte_alphabet():
    """GPT-2's printable characters for bytes."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [b for b in range(256) if b not in plain]
    return {b: chr(b) for b in plain} | {b: chr(256 + i) for i, b in enumerate(others)}


def tokenizer_json(ranks):
    alphabet = byte_alphabet()

    def spell(token):
        return "".join(alphabet[b] for b in token)

    merges = []
    for token in sorted(ranks, key=ranks.get):
        splits = [(token[:i], token[i:]) for i in range(1, len(token))]
        splits = [pair for pair in splits if pair[0] in ranks and pair[1] in ranks]
        merges += sorted(splits, key=lambda pair: (ranks[pair[0]], ranks[pair[1]]))
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False}
    named = [(text, id) for text, id in special_tokens(ranks).items() if "reserved" not in text]
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [{"id": id, "content": text, **flags, "special": True} for text, id in named],
        "normalizer": None,
        "pre_tokenizer": {
            "type": "Sequence",
            "pretokenizers": [
                {
                    "type": "Split",
                    "pattern": {"Regex": PATTERN},
                    "behavior": "Isolated",
                    "invert": False,
                },
                {
                    "type": "ByteLevel",
                    "add_prefix_space": False,
                    "trim_offsets": True,
                    "use_regex": False,
                },
            ],
        },
        "post_processor": None,
        "decoder": {
            "type": "ByteLevel",
            "add_prefix_space": True,
            "trim_offsets": True,
            "use_regex": True,
        },
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": None,
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": False,
            "byte_fallback": False,
            "ignore_merges": True,
            "vocab": {spell(token): id for token, id in ranks.items()},
            "merges": [[spell(a), spell(b)] for a, b in merges],
        },
    }


def main():
    ranks = train((DATA / "training.txt").read_text(encoding="utf-8"), MERGES)
    lines = [f"{base64.b64encode(token).decode()} {rank}\n" for token, rank in ranks.items()]
    (DATA / "small.tiktoken").write_text("".join(lines))
    text = json.dumps(tokenizer_json(ranks), ensure_ascii=False, indent=0, separators=(",", ":"))
    (DATA / "small.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
