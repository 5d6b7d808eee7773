#!/usr/bin/env python3
"""Writes the corpus of dyno-mini: conversations of five families, from a seed.

    python3 generate.py corpus --seed 1 --count 1000          conversations, JSON lines
    python3 generate.py heldout --tokenizer FILE FOLDER       the items of dyno quality
    python3 generate.py prompts FILE                          prompts for the five cases

Nothing is taken from elsewhere: every sentence comes from the tables and the grammar below. A
prompt whose hash falls into the held-out share is never written into the corpus.
"""

import argparse
import json
import random
import sys
import zlib
from pathlib import Path

HELDOUT_SEED = 20_000
HELDOUT_SHARE = 16  # one prompt of so many is kept from training


def held_out(prompt):
    return zlib.crc32(prompt.encode()) % HELDOUT_SHARE == 0


# --- words ------------------------------------------------------------------------------------

NAMES = (
    "Anna Ben Carla David Emma Felix Greta Hugo Ida Jonas Klara Leo Mia Nils Olga Paul Rosa Simon "
    "Tina Viktor Wanda Xaver Yara Zoe"
).split()
CITIES = (
    "Rome Paris Berlin Madrid London Vienna Oslo Prague Lisbon Athens Dublin Warsaw Cairo Tokyo Lima "
    "Quito"
).split()
COLORS = "red blue green yellow black white brown grey pink orange".split()
ANIMALS = "dog cat horse bird fish goat sheep rabbit mouse fox bear duck".split()
JOBS = (
    "baker teacher doctor farmer pilot painter singer writer driver cook judge nurse"
).split()
FOODS = "bread rice soup cheese apples fish honey beans cake nuts".split()

PLACES = "river hill bridge garden tower mill lake road field market harbour forest".split()
QUALITIES = "old quiet small bright cold long wide green busy empty narrow famous".split()
MOVES = "leads to|lies behind|stands near|looks over|begins at|belongs to|ends at|faces".split("|")
TIMES = "in spring|in summer|in autumn|in winter|at night|in the morning|on Sundays|at noon".split("|")
CROWDS = "people|children|traders|travellers|birds|visitors|workers|students".split("|")
DEEDS = "rest|meet|sing|wait|walk|talk|work|gather".split("|")


def filler(rng):
    kind = rng.randrange(3)
    if kind == 0:
        return (
            f"The {rng.choice(QUALITIES)} {rng.choice(PLACES)} {rng.choice(MOVES)} "
            f"the {rng.choice(QUALITIES)} {rng.choice(PLACES)}."
        )
    if kind == 1:
        return f"Many {rng.choice(CROWDS)} {rng.choice(DEEDS)} by the {rng.choice(PLACES)} {rng.choice(TIMES)}."
    return f"The {rng.choice(PLACES)} is {rng.choice(QUALITIES)} {rng.choice(TIMES)}."


# --- facts: statement, question, answer ---------------------------------------------------------

PERSON_FACTS = [
    (CITIES, "{n} lives in {v}.", "Where does {n} live?"),
    (COLORS, "{n} likes the color {v}.", "Which color does {n} like?"),
    (ANIMALS, "{n} owns a {v}.", "Which animal does {n} own?"),
    (JOBS, "{n} works as a {v}.", "What is the job of {n}?"),
    (FOODS, "{n} often eats {v}.", "What does {n} often eat?"),
]


def all_facts(rng, count):
    """Statements with their questions, each about somebody else."""
    facts = []
    for n in rng.sample(NAMES, count):
        values, statement, question = rng.choice(PERSON_FACTS)
        facts.append((statement.format(n=n, v=rng.choice(values)), question.format(n=n)))
    return facts


def lookup_text(rng, sentences):
    """Facts among filler: the text and the facts in their order."""
    share = rng.choice((0.3, 0.5, 0.7)) if sentences > 8 else rng.choice((0.6, 1.0))
    count = min(len(NAMES), max(1, round(sentences * share)))
    facts = all_facts(rng, count)
    lines = [(s, q) for s, q in facts] + [(filler(rng), None) for _ in range(sentences - count)]
    rng.shuffle(lines)
    return " ".join(s for s, _ in lines), [(s, q) for s, q in lines if q]


OPENINGS = ("Read this text. ", "Here is what we know. ", "", "Remember these facts. ")


def lookup_sentences(rng):
    """Most texts are short: the skill is learned there, and stretched by the long ones."""
    kind = rng.random()
    if kind < 0.6:
        return rng.randrange(2, 9)
    if kind < 0.82:
        return rng.randrange(8, 30)
    return rng.randrange(30, 96)


def lookup(rng, sentences=None, single=False):
    sentences = sentences or lookup_sentences(rng)
    text, facts = lookup_text(rng, sentences)
    many = 12 if rng.random() < 0.6 else rng.randrange(1, 8)
    asked = rng.sample(facts, 1 if single else min(len(facts), many))
    turns = []
    for statement, question in asked:
        prompt = question if turns else f"{rng.choice(OPENINGS)}{text}\n\n{question}"
        turns.append((prompt, statement))
    return {"family": "lookup", "turns": turns}


# --- questions with one right answer --------------------------------------------------------------

PLUS = ("What is {a} + {b}?", "What is {a} plus {b}?", "Add {a} and {b}.", "{a} + {b} =", "How much is {a} + {b}?")
MINUS = ("What is {a} - {b}?", "What is {a} minus {b}?", "Subtract {b} from {a}.", "{a} - {b} =", "How much is {a} - {b}?")
TIMES_ = ("What is {a} * {b}?", "What is {a} times {b}?", "Multiply {a} by {b}.", "{a} * {b} =", "How much is {a} times {b}?")


def small_pair(rng):
    """Up to two digits and one, or two numbers up to 20."""
    if rng.random() < 0.7:
        pair = [rng.randrange(100), rng.randrange(10)]
    else:
        pair = [rng.randrange(21), rng.randrange(21)]
    rng.shuffle(pair)
    return pair


def arithmetic_question(rng):
    kind = rng.random()
    if kind < 0.35:
        a, b = small_pair(rng)
        return rng.choice(PLUS).format(a=a, b=b), str(a + b)
    if kind < 0.62:
        a, b = small_pair(rng)
        a, b = max(a, b), min(a, b)
        return rng.choice(MINUS).format(a=a, b=b), str(a - b)
    if kind < 0.76:
        a, b = rng.randrange(11), rng.randrange(11)
        return rng.choice(TIMES_).format(a=a, b=b), str(a * b)
    if kind < 0.82:
        a = rng.randrange(99)
        return (f"What number comes after {a}?", str(a + 1)) if rng.random() < 0.5 else (
            f"What number comes before {a + 1}?", str(a))
    if kind < 0.88:
        a, b = rng.sample(range(100), 2)
        return (f"Which is larger, {a} or {b}?", str(max(a, b))) if rng.random() < 0.5 else (
            f"Which is smaller, {a} or {b}?", str(min(a, b)))
    if kind < 0.92:
        a = rng.randrange(100)
        return f"Is {a} even or odd?", "odd" if a % 2 else "even"
    a = rng.randrange(50)
    return (f"What is double {a}?", str(2 * a)) if rng.random() < 0.5 else (
        f"What is half of {2 * a}?", str(a))


# --- lists of words -----------------------------------------------------------------------------

COUNT_WORDS = "zero one two three four five six seven eight nine ten".split()
ORDINALS = "First Second Third Fourth Fifth Sixth Seventh Eighth Ninth Tenth".split()


def listed(words):
    return words[0] if len(words) == 1 else ", ".join(words[:-1]) + " and " + words[-1]


# --- essays --------------------------------------------------------------------------------------

TOPICS = {
    "rivers": "fish boats bridges trade water mills floods islands".split(),
    "cities": "streets markets towers parks trains schools noise lights".split(),
    "forests": "trees birds wood paths shade deer mushrooms silence".split(),
    "music": "songs drums dance voices rhythm memory feasts strings".split(),
    "books": "stories paper libraries readers maps letters ideas history".split(),
    "winter": "snow ice fires coats darkness sledges soup rest".split(),
    "summer": "sun beaches fruit swimming storms gardens holidays flowers".split(),
    "computers": "chips memory programs screens networks games errors speed".split(),
    "farms": "cows fields seeds barns tractors eggs harvest soil".split(),
    "mountains": "rocks snow goats valleys climbers clouds caves views".split(),
    "the sea": "waves salt ships storms whales harbours sand wind".split(),
    "trains": "rails stations tickets bridges tunnels engines journeys clocks".split(),
    "bread": "flour ovens salt bakers water yeast tables morning".split(),
    "schools": "teachers books friends lessons games tests chairs questions".split(),
    "gardens": "roses bees paths fountains trees herbs walls benches".split(),
    "cooking": "knives fire spices pots soup bread guests recipes".split(),
}

ASK_ESSAY_GIVEN = (
    "Write an essay about {t} with {k} points: {p}.",
    "Write an essay about {t}. Cover {p}.",
    "Please write an essay on {t} that covers {p}.",
)
ASK_ESSAY_FREE = (
    "Write an essay about {t} with {k} points.",
    "Please write an essay on {t} with {k} points.",
    "Write {k} paragraphs about {t}.",
)
LONG_NOTE = (" Make it long.", " Make it a long essay.")
INTRODUCTIONS = (
    "This essay is about {t}. It has {k} points: {p}.",
    "There is much to say about {t}. We look at {k} points: {p}.",
)
POINT_SENTENCES = (
    "Without {p}, {t} would not be the same.",
    "Many people think of {p} when they hear about {t}.",
    "In the past, {p} were rare, but now everybody knows them.",
    "When we talk about {t}, we often talk about {p}.",
    "Children learn about {p} at an early age.",
    "It is easy to forget how much we need {p}.",
    "Every year, more people write about {p}.",
    "Some say that {p} are the heart of {t}.",
    "You can find {p} in every part of the world.",
    "A good day with {t} begins with {p}.",
)
CONCLUSIONS = (
    "In short, {t} matter to us because of {p}.",
    "To conclude, {t} would be nothing without {p}.",
)


def essay(rng):
    topic = rng.choice(list(TOPICS))
    long = rng.random() < 0.25
    count = rng.randrange(6, 9) if long else rng.randrange(2, 6)
    points = rng.sample(TOPICS[topic], count)
    given = rng.random() < 0.6
    values = {"t": topic, "k": COUNT_WORDS[count], "p": listed(points)}
    prompt = rng.choice(ASK_ESSAY_GIVEN if given else ASK_ESSAY_FREE).format(**values)
    if long:
        prompt += rng.choice(LONG_NOTE)
    paragraphs = ["# " + topic[0].upper() + topic[1:], rng.choice(INTRODUCTIONS).format(**values)]
    for i, point in enumerate(points):
        sentences = rng.sample(POINT_SENTENCES, 7 if long else rng.randrange(2, 4))
        said = " ".join(s.format(p=point, t=topic) for s in sentences)
        said = said[0].upper() + said[1:]
        paragraphs.append(f"{ORDINALS[i]}, {point}. {said}")
    paragraphs.append(rng.choice(CONCLUSIONS).format(**values))
    rule = {"title": paragraphs[0], "points": points if given else count, "lead": "{ordinal}, {point}."}
    return prompt, "\n\n".join(paragraphs), rule


# --- explanations ------------------------------------------------------------------------------------

# machine: what it does, and its parts with what each does
MACHINES = {
    "pump": ("moves water", [("inlet", "lets the water in"), ("rotor", "pushes the water"), ("outlet", "lets the water out")]),
    "mill": ("grinds grain", [("wheel", "turns in the wind"), ("shaft", "carries the motion"), ("stone", "crushes the grain"), ("sieve", "sorts the flour")]),
    "clock": ("shows the time", [("spring", "stores the energy"), ("gear", "slows the motion"), ("pendulum", "keeps the beat"), ("hand", "points at the hour")]),
    "bicycle": ("carries a rider", [("pedal", "takes the force"), ("chain", "carries the force"), ("wheel", "rolls on the road"), ("brake", "stops the wheel")]),
    "oven": ("bakes bread", [("burner", "makes the heat"), ("wall", "keeps the heat"), ("door", "closes the chamber")]),
    "camera": ("takes pictures", [("lens", "gathers the light"), ("shutter", "opens for a moment"), ("sensor", "records the light"), ("memory", "keeps the picture")]),
    "telephone": ("carries a voice", [("microphone", "hears the voice"), ("wire", "carries the signal"), ("speaker", "repeats the voice")]),
    "kettle": ("boils water", [("heater", "warms the water"), ("spout", "pours the water"), ("switch", "ends the heating")]),
    "printer": ("puts text on paper", [("tray", "holds the paper"), ("roller", "moves the paper"), ("head", "sprays the ink"), ("fuser", "dries the ink")]),
    "crane": ("lifts heavy loads", [("motor", "winds the cable"), ("cable", "holds the load"), ("arm", "reaches over the site"), ("hook", "grips the load")]),
    "boat": ("crosses the water", [("hull", "keeps the water out"), ("sail", "catches the wind"), ("rudder", "sets the course")]),
    "computer": ("runs programs", [("memory", "holds the data"), ("processor", "follows the instructions"), ("disk", "keeps the files"), ("screen", "shows the result")]),
    "cache": ("saves time", [("key", "names the entry"), ("table", "finds the entry"), ("counter", "marks old entries"), ("buffer", "holds the data")]),
    "compiler": ("translates programs", [("lexer", "splits the text"), ("parser", "builds the tree"), ("optimizer", "improves the code"), ("emitter", "writes the machine code")]),
    "router": ("sends packets on", [("port", "receives the packet"), ("table", "finds the path"), ("queue", "holds the packet"), ("link", "sends the packet")]),
    "battery": ("stores energy", [("anode", "gives the charge"), ("cathode", "takes the charge"), ("acid", "carries the ions")]),
    "lamp": ("gives light", [("plug", "takes the current"), ("switch", "closes the circuit"), ("bulb", "turns the current into light")]),
    "lock": ("guards a door", [("key", "lifts the pins"), ("cylinder", "turns with the key"), ("bolt", "slides back")]),
    "engine": ("drives a car", [("valve", "lets the fuel in"), ("spark", "lights the fuel"), ("piston", "moves down"), ("crank", "turns the axle")]),
    "fridge": ("keeps food cold", [("compressor", "presses the gas"), ("coil", "sheds the heat"), ("valve", "lets the gas expand"), ("fan", "spreads the cold air")]),
}

ASK_EXPLANATION = (
    "Explain how a {m} works.", "How does a {m} work?", "Describe how a {m} works.",
    "Explain step by step how a {m} works.", "What are the parts of a {m}?",
    "Please explain the {m}.", "Tell me how a {m} works.",
)
ASK_GIVEN = (
    "Explain how a {m} works. Its parts are {p}.",
    "Describe a {m} that has {k} parts: {p}.",
    "A {m} has {p}. Explain how it works.",
)


def article(noun):
    return ("an " if noun[0] in "aeiou" else "a ") + noun


def explanation(rng):
    machine = rng.choice(list(MACHINES))
    purpose, parts = MACHINES[machine]
    given = rng.random() < 0.65
    if given:  # parts of any machine, in any order: to be copied
        names = {p: does for _, parts in MACHINES.values() for p, does in parts}
        parts = [(p, names[p]) for p in rng.sample(sorted(names), rng.randrange(2, 6))]
    nouns = ["the " + p for p, _ in parts]
    values = {"m": machine, "k": COUNT_WORDS[len(parts)], "p": listed(nouns)}
    prompt = rng.choice(ASK_GIVEN if given else ASK_EXPLANATION).format(**values)
    prompt = prompt.replace(" a oven", " an oven").replace(" a engine", " an engine")
    prompt = prompt.replace("A oven", "An oven").replace("A engine", "An engine")
    lines = [f"{i + 1}. The {p} {does}." for i, (p, does) in enumerate(parts)]
    a = article(machine)
    answer = (
        f"# How {a} works\n\n{a[0].upper() + a[1:]} {purpose}. It has {values['k']} parts: {values['p']}.\n\n"
        + "\n".join(lines)
        + f"\n\nSo {values['p']} work together, and the {machine} {purpose}."
    )
    rule = {"title": f"# How {a} works", "points": [p for p, _ in parts], "lead": "{number}. The {point} "}
    return prompt, answer, rule


# --- programs ---------------------------------------------------------------------------------------

WORDS = "sun moon star tree bird fish rain snow wind fire gold ship".split()
ASK_OUTPUT = ("What does this program print?\n\n{c}", "Run this program.\n\n{c}", "What is the output?\n\n{c}")


def straight_line(rng):
    a, b = rng.randrange(1, 10), rng.randrange(1, 10)
    code, x = f"x = {a}\n", a
    if rng.random() < 0.5:
        code += f"x = x + {b}\n"
        x += b
    else:
        code += f"y = x + {b}\n"
        return code + "print(y)", str(x + b)
    if rng.random() < 0.4:
        c = rng.randrange(1, 6)
        code += f"x = x + {c}\n"
        x += c
    return code + "print(x)", str(x)


def loop(rng):
    n = rng.randrange(2, 6)
    kind = rng.randrange(4)
    if kind == 0:
        a = rng.randrange(0, 10)
        return f"for i in range({n}):\n    print(i + {a})", "\n".join(str(i + a) for i in range(n))
    if kind == 1:
        a = rng.randrange(2, 6)
        return f"for i in range({n}):\n    print(i * {a})", "\n".join(str(i * a) for i in range(n))
    if kind == 2:
        a = rng.randrange(0, 20)
        return f"for i in range({a}, {a + n}):\n    print(i)", "\n".join(map(str, range(a, a + n)))
    word = rng.choice(WORDS)
    return f'for i in range({n}):\n    print("{word}")', "\n".join([word] * n)


def list_program(rng):
    values = [rng.randrange(1, 30) for _ in range(rng.randrange(2, 6))]
    kind = rng.randrange(4)
    code = f"a = [{', '.join(map(str, values))}]\n"
    if kind == 0:
        i = rng.randrange(len(values))
        return code + f"print(a[{i}])", str(values[i])
    if kind == 1:
        return code + "print(len(a))", str(len(values))
    if kind == 2:
        return code + "for v in a:\n    print(v)", "\n".join(map(str, values))
    return code + "print(max(a))", str(max(values))


def branch(rng):
    a, b = rng.sample(range(1, 30), 2)
    u, v = rng.sample(WORDS, 2)
    sign, truth = rng.choice(((">", a > b), ("<", a < b)))
    code = f'x = {a}\nif x {sign} {b}:\n    print("{u}")\nelse:\n    print("{v}")'
    return code, u if truth else v


def call(rng):
    a, b = rng.randrange(1, 10), rng.randrange(1, 10)
    sign = rng.choice("+*") if a * b < 50 else "+"
    name = rng.choice(("f", "g", "change", "step"))
    return f"def {name}(x):\n    return x {sign} {a}\n\nprint({name}({b}))", str(b + a if sign == "+" else b * a)


def write_program(rng):
    kind = rng.randrange(7)
    a, n = rng.randrange(0, 60), rng.randrange(2, 30)
    word, name = rng.choice(WORDS), rng.choice(("add", "change", "step", "next", "compute", "shift"))
    if kind == 0:
        return (f"Write a program that prints the numbers from {a} to {a + n}.",
                f"for i in range({a}, {a + n + 1}):\n    print(i)")
    if kind == 1:
        return (f"Write a program that prints the word {word} {n} times.",
                f'for i in range({n}):\n    print("{word}")')
    if kind == 2:
        return (f"Write a function named {name} that adds {a} to its argument.",
                f"def {name}(x):\n    return x + {a}")
    if kind == 3:
        return (f"Write a function named {name} that multiplies its argument by {a}.",
                f"def {name}(x):\n    return x * {a}")
    if kind == 4:
        b = rng.randrange(0, 60)
        return f"Write a program that prints the sum of {a} and {b}.", f"print({a} + {b})"
    if kind == 5:
        u = rng.choice(WORDS)
        return (f"Write a function named {name} that returns {word} if x is larger than {a} and {u} otherwise.",
                f'def {name}(x):\n    if x > {a}:\n        return "{word}"\n    return "{u}"')
    values = ", ".join(str(rng.randrange(1, 60)) for _ in range(rng.randrange(2, 6)))
    return (f"Write a program that prints each number of the list {values}.",
            f"for v in [{values}]:\n    print(v)")


def program(rng):
    if rng.random() < 0.4:
        prompt, code = write_program(rng)
        return prompt, f"```python\n{code}\n```"
    code, output = rng.choice((straight_line, loop, list_program, branch, call))(rng)
    return rng.choice(ASK_OUTPUT).format(c=code), output


# --- translation ------------------------------------------------------------------------------------

EN_ONES = ("zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen "
           "fifteen sixteen seventeen eighteen nineteen").split()
EN_TENS = "- - twenty thirty forty fifty sixty seventy eighty ninety".split()
DE_ONES = ("null eins zwei drei vier fünf sechs sieben acht neun zehn elf zwölf dreizehn vierzehn "
           "fünfzehn sechzehn siebzehn achtzehn neunzehn").split()
DE_TENS = "- - zwanzig dreißig vierzig fünfzig sechzig siebzig achtzig neunzig".split()
ES_ONES = ("cero uno dos tres cuatro cinco seis siete ocho nueve diez once doce trece catorce quince "
           "dieciséis diecisiete dieciocho diecinueve veinte veintiuno veintidós veintitrés "
           "veinticuatro veinticinco veintiséis veintisiete veintiocho veintinueve").split()
ES_TENS = "- - - treinta cuarenta cincuenta sesenta setenta ochenta noventa".split()
ES_HUNDREDS = ("- ciento doscientos trescientos cuatrocientos quinientos seiscientos setecientos "
               "ochocientos novecientos").split()


def english(n):
    if n >= 100:
        rest = n % 100
        return EN_ONES[n // 100] + " hundred" + (" " + english(rest) if rest else "")
    if n < 20:
        return EN_ONES[n]
    return EN_TENS[n // 10] + ("-" + EN_ONES[n % 10] if n % 10 else "")


def german(n):
    if n >= 100:
        rest = n % 100
        return ("ein" if n < 200 else DE_ONES[n // 100]) + "hundert" + (german(rest) if rest else "")
    if n < 20:
        return DE_ONES[n]
    one = {0: "", 1: "einund"}.get(n % 10, DE_ONES[n % 10] + "und")
    return one + DE_TENS[n // 10]


def spanish(n):
    if n == 100:
        return "cien"
    if n > 100:
        rest = n % 100
        return ES_HUNDREDS[n // 100] + (" " + spanish(rest) if rest else "")
    if n < 30:
        return ES_ONES[n]
    return ES_TENS[n // 10] + (" y " + ES_ONES[n % 10] if n % 10 else "")


LANGUAGES = {"English": english, "German": german, "Spanish": spanish}

# English, German with its gender, Spanish with its gender
NOUNS = [
    ("dog", "Hund", "m", "perro", "m"), ("cat", "Katze", "f", "gato", "m"),
    ("house", "Haus", "n", "casa", "f"), ("tree", "Baum", "m", "árbol", "m"),
    ("book", "Buch", "n", "libro", "m"), ("table", "Tisch", "m", "mesa", "f"),
    ("flower", "Blume", "f", "flor", "f"), ("car", "Auto", "n", "coche", "m"),
    ("door", "Tür", "f", "puerta", "f"), ("king", "König", "m", "rey", "m"),
    ("horse", "Pferd", "n", "caballo", "m"), ("lamp", "Lampe", "f", "lámpara", "f"),
]
ADJECTIVES = [
    ("small", "klein", "pequeñ"), ("new", "neu", "nuev"), ("red", "rot", "roj"),
    ("old", "alt", "viej"), ("black", "schwarz", "negr"), ("beautiful", "schön", "hermos"),
]
VERBS = [
    ("sees", "sieht", "ve"), ("buys", "kauft", "compra"), ("looks for", "sucht", "busca"),
    ("finds", "findet", "encuentra"), ("paints", "malt", "pinta"),
]
PHRASES = [
    ("good morning", "guten Morgen", "buenos días"), ("good night", "gute Nacht", "buenas noches"),
    ("thank you", "danke", "gracias"), ("please", "bitte", "por favor"),
    ("how are you?", "wie geht es dir?", "¿cómo estás?"), ("see you tomorrow", "bis morgen", "hasta mañana"),
    ("where is the station?", "wo ist der Bahnhof?", "¿dónde está la estación?"),
    ("I am hungry", "ich habe Hunger", "tengo hambre"), ("I do not know", "ich weiß nicht", "no sé"),
    ("welcome", "willkommen", "bienvenido"),
]


def noun_phrases(rng, accusative):
    noun, adjective = rng.choice(NOUNS), rng.choice(ADJECTIVES)
    if accusative and noun[2] == "m":
        de = f"den {adjective[1]}en {noun[1]}"
    else:
        de = {"m": "der", "f": "die", "n": "das"}[noun[2]] + f" {adjective[1]}e {noun[1]}"
    es = ("el " if noun[4] == "m" else "la ") + f"{noun[3]} {adjective[2]}{'o' if noun[4] == 'm' else 'a'}"
    return f"the {adjective[0]} {noun[0]}", de, es


def sentence(rng):
    """The same in the three languages."""
    kind = rng.random()
    if kind < 0.15:
        return rng.choice(PHRASES)
    if kind < 0.45:
        return noun_phrases(rng, False)
    subject, verb, thing = noun_phrases(rng, False), rng.choice(VERBS), noun_phrases(rng, True)
    return tuple(f"{s} {v} {o}" for s, v, o in zip(subject, verb, thing))


ASK_TRANSLATION = ("Translate to {l}: {s}", "Say in {l}: {s}", "What is \"{s}\" in {l}?")


def translation(rng):
    if rng.random() < 0.5:
        source, target = rng.sample(range(3), 2)
        said = sentence(rng)
        return rng.choice(ASK_TRANSLATION).format(l=list(LANGUAGES)[target], s=said[source]), said[target]
    n = rng.randrange(100) if rng.random() < 0.5 else rng.randrange(1000)
    kind = rng.random()
    if kind < 0.35:
        language = rng.choice(list(LANGUAGES))
        ask = rng.choice(("Write {n} in {l} words.", "Say the number {n} in {l}."))
        return ask.format(n=n, l=language), LANGUAGES[language](n)
    if kind < 0.6:
        words = LANGUAGES[rng.choice(list(LANGUAGES))](n)
        return rng.choice(("Write {w} in digits.", "Which number is {w}?")).format(w=words), str(n)
    source, target = rng.sample(list(LANGUAGES), 2)
    return rng.choice(ASK_TRANSLATION).format(l=target, s=LANGUAGES[source](n)), LANGUAGES[target](n)


# --- conversations ---------------------------------------------------------------------------------

FAMILIES = {
    "questions": arithmetic_question,
    "explanations": explanation,
    "essays": essay,
    "programs": program,
    "translation": translation,
}
# How often a conversation is of a family, and how many turns it may have.
SHARES = {"questions": (30, 28), "lookup": (50, 1), "explanations": (8, 4), "essays": (12, 1),
          "programs": (36, 14), "translation": (26, 20)}


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
    for family in (*FAMILIES, "lookup"):
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
