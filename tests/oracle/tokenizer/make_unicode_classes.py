#!/usr/bin/env python3
"""Prints runtime/text/unicode_classes.inc: the classes that tiktoken's own regular expressions see.

    python3 make_unicode_classes.py >../../../runtime/text/unicode_classes.inc

Every code point is asked for, so that the table has the Unicode version of the tokenizer that the
models were trained with, and not that of a library that happens to be installed.
"""

import tiktoken

CLASSES = [
    ("UPPER", r"[\p{Lu}\p{Lt}]"),
    ("LOWER", r"\p{Ll}"),
    ("CASELESS", r"[\p{Lm}\p{Lo}]"),
    ("MARK", r"\p{M}"),
    ("NUMBER", r"\p{N}"),
    ("NEWLINE", r"[\r\n]"),
    ("SPACE", r"[^\S\r\n]"),
    ("OTHER", r"[^\s\p{L}\p{N}\p{M}]"),
]
SURROGATES = range(0xD800, 0xE000)
CODE_POINTS = [c for c in range(0x110000) if c not in SURROGATES]
BYTES = {bytes([i]): i for i in range(256)}


def members(pattern):
    """The code points that a one-character pattern matches."""
    encoding = tiktoken.Encoding("one", pat_str=pattern, mergeable_ranks=BYTES, special_tokens={})
    found = set()
    for first in range(0, len(CODE_POINTS), 65536):
        text = "".join(map(chr, CODE_POINTS[first : first + 65536]))
        found |= set(map(ord, encoding.decode_bytes(encoding.encode_ordinary(text)).decode()))
    return found


def main():
    class_of = {}
    for name, pattern in CLASSES:
        for code_point in members(pattern):
            assert code_point not in class_of, (hex(code_point), name, class_of[code_point])
            class_of[code_point] = name
    assert len(class_of) == len(CODE_POINTS)

    runs = []
    for code_point in CODE_POINTS:
        if not runs or runs[-1][1] != class_of[code_point]:
            runs.append((code_point, class_of[code_point]))

    print("/* Made by tests/oracle/tokenizer/make_unicode_classes.py with")
    print(f" * tiktoken {tiktoken.__version__}: {len(runs)} runs. A run lasts until the next begins. */")
    line = ""
    for first, name in runs:
        item = f"{{0x{first:x}, {name}}},"
        if len(line) + 1 + len(item) > 100:
            print(line)
            line = ""
        line += (" " if line else "") + item
    print(line)


if __name__ == "__main__":
    main()
