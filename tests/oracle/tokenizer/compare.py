#!/usr/bin/env python3
"""Compares `dyno tokenize` with tiktoken on random text: python3 compare.py --dyno ../../../dyno

    --vocab FILE.tiktoken   a vocabulary (the small one of the tests)
    --count N               texts (100000)
    --seed N                another seed, other texts (1)
    --code-points           instead of random texts, every code point in a few neighbourhoods

Prints the first differences and fails if there are any.
"""

import argparse
import base64
import json
import random
import subprocess
import sys

import tiktoken
from make_vectors import POOLS, random_text
from small_vocabulary import DATA, PATTERN

SHOWN = 10


def random_texts(count, seed):
    rng = random.Random(seed)
    for _ in range(count):
        if rng.random() < 0.1:  # long runs, which are merged by another algorithm than short ones
            yield "".join(rng.choice(rng.choice(POOLS)) * rng.choice([2, 7, 97, 300]) for _ in range(4))
        else:
            yield random_text(rng)


def all_code_points():
    for code_point in range(0x110000):
        if not 0xD800 <= code_point < 0xE000:
            x = chr(code_point)
            yield f"a{x}b {x}A{x}{x}!{x}'s1{x}2 {x} {x}\n{x}/"


def ask_dyno(dyno, vocab, texts):
    lines = "".join(json.dumps({"text": text}) + "\n" for text in texts)
    command = [dyno, "tokenize", "--vocab", vocab, "--jsonl"]
    out = subprocess.run(command, input=lines, stdout=subprocess.PIPE, check=True, encoding="utf-8")
    return [json.loads(line)["ids"] for line in out.stdout.split("\n")[:-1]]


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("--dyno", required=True)
    parser.add_argument("--vocab", default=str(DATA / "small.tiktoken"))
    parser.add_argument("--count", type=int, default=100000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--code-points", action="store_true")
    arguments = parser.parse_args()

    with open(arguments.vocab, "rb") as file:
        ranks = {base64.b64decode(token): int(rank) for token, rank in map(bytes.split, file)}
    encoding = tiktoken.Encoding("it", pat_str=PATTERN, mergeable_ranks=ranks, special_tokens={})
    texts = all_code_points() if arguments.code_points else random_texts(arguments.count, arguments.seed)
    texts = list(texts)
    different = 0
    for text, ids in zip(texts, ask_dyno(arguments.dyno, arguments.vocab, texts), strict=True):
        wanted = encoding.encode_ordinary(text)
        if ids != wanted:
            different += 1
            if different <= SHOWN:
                print(f"{text!a}\n  dyno     {ids}\n  tiktoken {wanted}")
    print(f"{len(texts)} texts, {different} different")
    sys.exit(different > 0)


if __name__ == "__main__":
    main()
