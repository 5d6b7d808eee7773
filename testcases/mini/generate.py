#!/usr/bin/env python3
"""Writes the corpus of dyno-mini: conversations of five families, from a seed.

    python3 generate.py corpus --seed 1 --count 1000          conversations, JSON lines
    python3 generate.py heldout --tokenizer FILE FOLDER       the items of dyno quality

Nothing is taken from elsewhere: every sentence comes from the tables and the grammar below. A
prompt whose hash falls into the held-out share is never written into the corpus.
"""

import argparse
import json
import random
import sys
import zlib
from pathlib import Path

from family_essays import essay
from family_explanations import explanation
from family_lookup import OPENINGS, lookup, lookup_text
from family_programs import program
from family_questions import arithmetic_question
from family_repetition import repetition
from family_translation import translation

HELDOUT_SEED = 20_000
HELDOUT_SHARE = 16  # one prompt of so many is kept from training


def held_out(prompt):
    return zlib.crc32(prompt.encode()) % HELDOUT_SHARE == 0


# --- conversations ---------------------------------------------------------------------------------

FAMILIES = {
    "questions": arithmetic_question,
    "explanations": explanation,
    "essays": essay,
    "programs": program,
    "translation": translation,
    "repetition": repetition,
}
TRAINING_ONLY = ("repetition",)  # no case of the benchmark
# How often a conversation is of a family, and how many turns it may have.
SHARES = {"questions": (20, 28), "lookup": (50, 1), "explanations": (8, 4), "essays": (20, 1),
          "programs": (36, 14), "translation": (20, 20), "repetition": (40, 1)}


def fresh(rng, family):
    """A turn whose prompt is not held out."""
    while True:
        prompt, answer = FAMILIES[family](rng)[:2]
        if not held_out(prompt):
            return prompt, answer


def conversation(rng, shares=SHARES):
    family = rng.choices(list(shares), [s[0] for s in shares.values()])[0]
    if family == "lookup":
        while True:
            made = lookup(rng)
            if not held_out(made["turns"][0][0]):
                return made
    most = shares[family][1]
    count = 1 if rng.random() < 0.3 else rng.randrange(1, most + 1)
    if rng.random() < 0.12 and family != "essays":  # one of each
        others = [f for f in ("questions", "programs", "translation") if f != family]
        turns = [fresh(rng, rng.choice(others + [family])) for _ in range(min(count, 8))]
        return {"family": family, "turns": turns}
    return {"family": family, "turns": [fresh(rng, family) for _ in range(count)]}


# --- held-out items ----------------------------------------------------------------------------------

def heldout_items(rng, family, count):
    seen, items = set(), []
    while len(items) < count:
        made = FAMILIES[family](rng)
        prompt, answer = made[:2]
        if held_out(prompt) and prompt not in seen:
            seen.add(prompt)
            item = {"family": family, "prompt": prompt, "answer": answer}
            if len(made) > 2:
                item["rule"] = made[2]
            items.append(item)
    return items


def heldout_lookups(rng, count, tokens):
    """Spread evenly over the distance, in tokens, between the end of the fact and the answer."""
    bounds = [(8, 64), (64, 128), (129, 256), (256, 512), (512, 768), (768, 1010)]
    items = {bound: [] for bound in bounds}
    each = -(-count // len(bounds))
    while any(len(found) < each for found in items.values()):
        text, facts = lookup_text(rng, round(2 * 50 ** rng.random()))
        text = rng.choice(OPENINGS) + text
        for answer, question in facts:
            prompt = f"{text}\n\n{question}"
            if not held_out(prompt):
                continue
            distance = len(tokens(prompt[prompt.index(answer) + len(answer):])) + 6
            for (low, high), found in items.items():
                if low <= distance < high and len(found) < each:
                    found.append({"family": "lookup", "prompt": prompt, "answer": answer, "distance": distance})
    return [item for found in items.values() for item in found]


def write_heldout(folder, tokens, count):
    """tokens: what turns text into tokens, to measure distances."""
    folder.mkdir(parents=True, exist_ok=True)
    for family in ("lookup", *(f for f in FAMILIES if f not in TRAINING_ONLY)):
        rng = random.Random(f"{HELDOUT_SEED} {family}")
        if family == "lookup":
            items = heldout_lookups(rng, count, tokens)
        else:
            items = heldout_items(rng, family, count)
        with open(folder / f"{family}.jsonl", "w", encoding="utf-8") as file:
            for item in items:
                file.write(json.dumps(item, ensure_ascii=False) + "\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(dest="verb", required=True)
    corpus = verbs.add_parser("corpus")
    corpus.add_argument("--seed", type=int, default=1)
    corpus.add_argument("--count", type=int, default=1000)
    heldout = verbs.add_parser("heldout")
    heldout.add_argument("--tokenizer", type=Path, required=True)
    heldout.add_argument("--count", type=int, default=240)
    heldout.add_argument("folder", type=Path)
    arguments = parser.parse_args()
    if arguments.verb == "corpus":
        rng = random.Random(arguments.seed)
        for _ in range(arguments.count):
            json.dump(conversation(rng), sys.stdout, ensure_ascii=False)
            sys.stdout.write("\n")
    else:
        write_heldout(arguments.folder, arguments.tokenizer, arguments.count)


if __name__ == "__main__":
    main()
