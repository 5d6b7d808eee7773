"""The vocabulary of dyno-mini: byte-level BPE learned from the corpus, harmony's special tokens.

The pieces split like o200k_base's, every digit is a token of its own, and merging goes by rank, as
tiktoken does it. The specials stand behind the pieces in the order of o200k_harmony.
"""

import random

import tiktoken
from tokenizers import Regex, Tokenizer, models, pre_tokenizers, trainers

import generate

SIZE = 2560
SPECIALS = 24  # at least
NAMED = {
    0: "<|startoftext|>", 1: "<|endoftext|>", 4: "<|return|>", 5: "<|constrain|>",
    7: "<|channel|>", 8: "<|start|>", 9: "<|end|>", 10: "<|message|>", 14: "<|call|>",
    20: "<|endofprompt|>",
}  # fmt: skip

# OpenAI, tiktoken_ext/openai_public.py, o200k_base
PATTERN = "|".join(
    [
        r"""[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?""",
        r"""[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?""",
        r"""\p{N}{1,3}""",
        r""" ?[^\s\p{L}\p{N}]+[\r\n/]*""",
        r"""\s*[\r\n]+""",
        r"""\s+(?!\S)""",
        r"""\s+""",
    ]
)

# No piece of a German number passes these: every number is made of the same few pieces.
GERMAN_SEAMS = "hundert|und(?=zwan|drei|vier|fünf|sech|sieb|acht|neun)"

SYSTEM = (
    "You are ChatGPT, a large language model trained by OpenAI.\nKnowledge cutoff: 2024-06{date}\n\n"
    "Reasoning: {effort}\n\n# Valid channels: analysis, commentary, final. Channel must be included "
    "for every message."
)
DEVELOPER = "# Instructions\n\n{text}"


def system_text(effort="medium", date=None):
    return SYSTEM.format(effort=effort, date=f"\nCurrent date: {date}" if date else "")


def byte_letters():
    """GPT-2's letters for bytes."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    letters = {byte: chr(byte) for byte in printable}
    for byte in range(256):
        letters.setdefault(byte, chr(256 + len(letters) - len(printable)))
    return letters


LETTERS = byte_letters()
BYTES = {letter: byte for byte, letter in LETTERS.items()}


def spell(piece):
    return "".join(LETTERS[byte] for byte in piece)


def corpus_text(seed, count):
    rng = random.Random(seed)
    for effort in ("low", "medium", "high"):
        for _ in range(2000):
            yield system_text(effort, "2025-08-05")
    for _ in range(2000):
        yield DEVELOPER.format(text="Answer briefly.")
        for role in ("system", "developer", "user", "assistant", "analysis", "commentary", "final"):
            yield role
    for _ in range(count):
        for prompt, answer in generate.conversation(rng)["turns"]:
            yield prompt
            yield answer


def learn(seed=7, count=40_000):
    """The pieces in the order of their ranks."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(PATTERN), "isolated"),
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.Split(Regex(GERMAN_SEAMS), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    trainer = trainers.BpeTrainer(
        vocab_size=SIZE - SPECIALS,
        min_frequency=2,
        initial_alphabet=[LETTERS[byte] for byte in range(256)],
        show_progress=False,
    )
    tokenizer.train_from_iterator(corpus_text(seed, count), trainer)
    pieces = sorted(tokenizer.get_vocab().items(), key=lambda item: item[1])
    return [bytes(BYTES[letter] for letter in piece) for piece, _ in pieces]


def special_names(first):
    """Of all ids from `first` on: the corpus may have had fewer pieces than there is room for."""
    return [NAMED.get(i, f"<|reserved_{first + i}|>") for i in range(SIZE - first)]


def encoding(pieces):
    specials = {name: len(pieces) + i for i, name in enumerate(special_names(len(pieces)))}
    return tiktoken.Encoding(
        "dyno-mini",
        pat_str=PATTERN,
        mergeable_ranks={piece: rank for rank, piece in enumerate(pieces)},
        special_tokens=specials,
    )


def merges(pieces):
    """Every pair that makes a piece, in the order of the pieces: a merge list that means the ranks."""
    ranks = {piece: rank for rank, piece in enumerate(pieces)}
    for piece in pieces:
        for cut in range(1, len(piece)):
            left, right = piece[:cut], piece[cut:]
            if left in ranks and right in ranks:
                yield left, right
