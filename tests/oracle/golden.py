"""Writes and reads golden files. README.md has the format, golden.c is the reader of the tests."""

import gzip
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

MAGIC = b"DYNOGOLD"
VERSION = 1
HEADER = struct.Struct("<8sIIIII")


@dataclass
class Prompt:
    tokens: np.ndarray  # [positions]
    ids: np.ndarray  # [positions, top], most likely first, equal ones by lower id
    log_probabilities: np.ndarray  # float32 [positions, top]


@dataclass
class Golden:
    vocabulary: int
    top: int
    model_crc32: int
    prompts: list


def model_crc32(folder):
    """CRC-32 of config.json and the weights, one after the other in the order of their names."""
    crc = 0
    for path in sorted([folder / "config.json", *folder.glob("*.safetensors")]):
        crc = zlib.crc32(path.read_bytes(), crc)
    return crc


def top_entries(log_probabilities, top):
    """The first `top` columns of every row by descending float32 value, then by ascending id."""
    stored = log_probabilities.astype(np.float32)
    ids = np.argsort(-stored, axis=-1, kind="stable")[:, :top]
    return ids, np.take_along_axis(stored, ids, axis=-1)


def write(path, golden):
    parts = [
        HEADER.pack(
            MAGIC, VERSION, golden.vocabulary, golden.top, len(golden.prompts), golden.model_crc32
        )
    ]
    for prompt in golden.prompts:
        parts.append(struct.pack("<I", len(prompt.tokens)))
        parts.append(prompt.tokens.astype("<u2").tobytes())
        parts.append(prompt.ids.astype("<u2").tobytes())
        parts.append(prompt.log_probabilities.astype("<f4").tobytes())
    # No time and no name in the gzip header: the same goldens give the same file.
    Path(path).write_bytes(gzip.compress(b"".join(parts), compresslevel=9, mtime=0))


def read(path):
    data = gzip.decompress(Path(path).read_bytes())
    magic, version, vocabulary, top, prompt_count, crc = HEADER.unpack_from(data)
    if magic != MAGIC or version != VERSION:
        raise ValueError(f"{path}: not a golden file of version {VERSION}")
    offset = HEADER.size

    def take(count, dtype):
        nonlocal offset
        array = np.frombuffer(data, dtype, count, offset)
        offset += array.nbytes
        return array

    prompts = []
    for _ in range(prompt_count):
        (length,) = take(1, "<u4").tolist()
        tokens = take(length, "<u2")
        ids = take(length * top, "<u2").reshape(length, top)
        prompts.append(Prompt(tokens, ids, take(length * top, "<f4").reshape(length, top)))
    if offset != len(data):
        raise ValueError(f"{path}: {len(data) - offset} bytes too many")
    return Golden(vocabulary, top, crc, prompts)
