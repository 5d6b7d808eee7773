#!/usr/bin/env python3
"""Writes tests/data/tokenizer/vectors.jsonl: texts and the ids that tiktoken gives them under the
small vocabulary (small_vocabulary.py), special tokens being ordinary text unless "special" is true.

    python3 make_vectors.py
"""

import json
import random

from small_vocabulary import DATA, load

SEED = 20240630
RANDOM_TEXTS = 420

# What the pattern tells apart, and the code points at which its neighbours differ.
POOLS = [
    "aAbB sStTmMdDlLrReEvV'''  ",
    "aA \t\n\r/!.,'-_",
    "aA\u00e0\u00c0\u01c5\u02b0\u00aa\u0301\u0300\u4e2d\u017f 1\u0663\u00bd \n'",
    "\r\n /!-  \t\u00a0\u2028\u3000\x0b\x0c\x85\x1c\u180e\u200b\ufeff",
    "0123456789\u0663\u0967\u00bd\u2167\u0d59 aA",
    "ABCabc\u01c5\u01c8\u01bb\u02b0\u02e0\u00aa\u00ba\u0100\u4e2d\u65e5\u3042\ud55c\u0627\u0640\u0e01\u0e31\u0301\u20dd\u0903",
    "the quick brown Fox's DON'T we'Ll THEY'VE i'\u017f '\u017f s'\u017fa",
    "\U0001f389\U0001f469\u200d\U0001f4bb\U0001f1e9\U0001f1ea\u2764\ufe0f aA1",
    # assigned after Unicode 15, and still unassigned or private
    "\U00010d4a\U00010d50\U00010d70\U00010d40\u1c89\u1c8a\ua7cb\U0002ebf0\U000116d0\u0378\ue000\U0010ffff a",
]

WRITTEN = [
    "",
    " ",
    "  ",
    "   ",
    "\n",
    "\r\n",
    "\n\n\n",
    " \n",
    "\n ",
    " \n \n x",
    "\t\t x",
    "x\t\t",
    "a  b   c    d",
    "trailing   ",
    "trailing \n",
    "Hello, world!",
    "the and tion ing  the",
    "I'm you're he'd we'll they've it's don't I'M YOU'RE HE'D WE'LL THEY'VE IT'S DON'T",
    "I'm' 'tis 'twas rock'n'roll o'clock 's't're've'm'll'd 'S'T'RE'VE'M'LL'D 'Re'rE'lL'l 'r'v",
    "s'\u017f S'\u017f \u017f's '\u017f",
    "a'sb a's'sb'llc 1's !'s",
    "CamelCase camelCase HTTPServer parseHTML ABCdef ABCDef XMLHttpRequest",
    "\u01c5ABC ABC\u01c5 a\u01c5b \u02b0ABC ABC\u02b0DEF ABC\u02b0 \u4e2dABC ABC\u4e2d\u6587DEF",
    "\u0301 \u0301a a\u0301 A\u0301B \u0301ABC \u0301\u0301\u0301 !\u0301 1\u0301 \n\u0301",
    "1 12 123 1234 12345 1234567890 1a2b3c 1,234.56 \u0661\u0662\u0663\u0664 \u00bd\u2167\u0d59\u00b2",
    "... !!! ??? ---- ==== //// \\\\\\\\ <<<< >>>> ((())) [[]] {{}}",
    "!\n!!\r\n!!!\n\n\n!/\n/\n//x/ /\n",
    " ! !! !!!\n \n!\n !",
    "http://example.org/a/b?c=d&e=f#g C:\\dir\\file.txt",
    "int main(void)\n{\n\treturn 0;\n}\n",
    "x = [i**2 for i in range(10)]\n\n\nprint(x)",
    "        indented\n    code\n\n\tand tabs\n",
    "na\u00efve caf\u00e9 r\u00e9sum\u00e9 \u00c0\u00c9\u00ce\u00d5\u00dc \u00df \u1e9e Stra\u00dfe",
    "\u043f\u0440\u0438\u0432\u0435\u0442, \u043c\u0438\u0440 \u0417\u0414\u0420\u0410\u0412\u0421\u0422\u0412\u0423\u0419\u0422\u0415",
    "\u4f60\u597d\uff0c\u4e16\u754c\u3002\u3053\u3093\u306b\u3061\u306f\u4e16\u754c \uc548\ub155\ud558\uc138\uc694",
    "\u0645\u0631\u062d\u0628\u0627 \u0628\u0627\u0644\u0639\u0627\u0644\u0645 \u0928\u092e\u0938\u094d\u0924\u0947 \u0e2a\u0e27\u0e31\u0e2a\u0e14\u0e35",
    "\U0001f389\U0001f680 \U0001f469\u200d\U0001f4bb \U0001f1e9\U0001f1ea \u2764\ufe0f",
    "\u00a0 \u00a0x \u2003\u2003x \u3000x\u3000\u3000 \u2028\u2029 \x85 \x0b\x0c x",
    "\x00 \x01\x02 \x1c\x1d\x1e\x1f x\x7f",
    "\ufeffBOM \ufffd \uffff \U0010ffff \u200b \u180e \u00ad",
    "<|start|>user<|message|>not special here<|end|>",
    "\u1c89\u1c8a \ua7cb\ua7cd \U00010d50\U00010d70 \U00010d40 \U0002ebf0 \u0897",
]

LONG = ["A", "a", " ", "\n", "\r\n", "\t", "0", "/", ".", "-", "=", "\u00e9", "\u00c9", "\u4e2d", "\u0301",
        "\u0663", "\u00a0", "\U0001f389", "aA", "ab", "Aa", "the", " the", "a ", "!\n", " \n", "'s", "a\u0301", "abc"]

SPECIAL = [
    "<|start|>user<|message|>Hello<|end|><|start|>assistant",
    "<|start|><|start|>",
    "a <|end|> b",
    "a  <|end|>  b\n<|end|>\n",
    "<|end|",
    "<<|end|>>",
    "<|<|end|>|>",
    "<|reserved_901|><|nothing|>",
    "no special at all",
    "",
]


def random_text(rng):
    length = rng.choice([1, 2, 3, 5, 8, 13, 24])
    kind = rng.random()
    if kind < 0.7:
        pool = rng.choice(POOLS)
        return "".join(rng.choice(pool) for _ in range(length))
    if kind < 0.9:
        return "".join(rng.choice(rng.choice(POOLS)) for _ in range(length))
    code_points = (rng.randrange(0x110000) for _ in range(length))
    return "".join(chr(c) for c in code_points if not 0xD800 <= c < 0xE000)


def main():
    rng = random.Random(SEED)
    encoding = load()
    texts = WRITTEN + [unit * n for unit in LONG for n in (4, 33, 150)]
    texts += [random_text(rng) for _ in range(RANDOM_TEXTS)]
    texts += (DATA / "training.txt").read_text(encoding="utf-8").split("\n\n")
    with open(DATA / "vectors.jsonl", "w", encoding="ascii", newline="\n") as out:
        for text in texts:
            print(json.dumps({"text": text, "ids": encoding.encode_ordinary(text)}), file=out)
        for text in SPECIAL:
            ids = encoding.encode(text, allowed_special="all")
            print(json.dumps({"text": text, "ids": ids, "special": True}), file=out)


if __name__ == "__main__":
    main()
