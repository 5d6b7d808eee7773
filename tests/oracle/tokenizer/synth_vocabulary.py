#!/usr/bin/env python3
"""Trains the vocabulary that synthetic models bring along: runtime/synth/vocabulary.tiktoken.

    python3 synth_vocabulary.py        rewrites it; needs the repository's history, regex, tiktoken

The text is this project's own documents and headers, as they were at COMMIT: a model of the same
seed must not change its vocabulary because a document was edited.
"""

import base64
import subprocess
from pathlib import Path

import small_vocabulary

COMMIT = "6e006ca262e185396b4a7038db0a3ca9a4b7d19d"
SIZE = 4096
ROOT = Path(__file__).resolve().parents[3]


def git(*arguments):
    return subprocess.run(
        ["git", "-C", ROOT, *arguments], check=True, capture_output=True, text=True
    ).stdout


def main():
    names = git("ls-tree", "-r", "--name-only", COMMIT).splitlines()
    names = [name for name in names if name.endswith((".md", ".h", ".1"))]
    text = "".join(git("show", f"{COMMIT}:{name}") for name in names)
    ranks = small_vocabulary.train(text, SIZE - 256)
    lines = [f"{base64.b64encode(token).decode()} {rank}\n" for token, rank in ranks.items()]
    (ROOT / "runtime/synth/vocabulary.tiktoken").write_text("".join(lines))


if __name__ == "__main__":
    main()
