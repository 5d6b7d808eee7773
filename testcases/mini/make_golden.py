#!/usr/bin/env python3
"""What transformers' GptOssForCausalLM says about the trained model, for the tests:

    python3 make_golden.py FOLDER FILE.gguf FILE.golden.gz

FOLDER is train.py's. tests/oracle/README.md has the format; the checksum is that of the GGUF file.
"""

import argparse
import json
import random
import sys
import zlib
from pathlib import Path

import numpy as np
import torch

import model as mini
import train

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent.parent / "tests" / "oracle"))
import golden  # noqa: E402

TOP = 10
ITEMS = {"questions": 1, "translation": 1, "programs": 1, "explanations": 1, "essays": 1, "lookup": 3}


def prompts(harmony, heldout):
    """Whole conversations: some of every family, the last with facts far away."""
    system = harmony.system(random.Random(1))
    for family, count in ITEMS.items():
        lines = (heldout / f"{family}.jsonl").read_text(encoding="utf-8").splitlines()
        for number in range(count):
            item = json.loads(lines[(number + 1) * len(lines) // count - 1])
            yield system + harmony.conversation([(item["prompt"], item["answer"])])[0]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("gguf", type=Path)
    parser.add_argument("golden", type=Path)
    arguments = parser.parse_args()
    pieces, model = mini.load(arguments.folder)
    stock = mini.as_stock(model).float()
    entries = []
    for tokens in prompts(train.Harmony(pieces), HERE / "heldout"):
        with torch.no_grad():
            logits = stock(torch.tensor([tokens])).logits[0].double()
        ids, log_probabilities = golden.top_entries(logits.log_softmax(-1).numpy(), TOP)
        entries.append(golden.Prompt(np.array(tokens), ids, log_probabilities))
    crc = zlib.crc32(arguments.gguf.read_bytes())
    golden.write(arguments.golden, golden.Golden(stock.config.vocab_size, TOP, crc, entries))
    print([len(e.tokens) for e in entries], "positions")


if __name__ == "__main__":
    main()
