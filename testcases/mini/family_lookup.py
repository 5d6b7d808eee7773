"""Facts about people among filler; a question asks for one."""

from words import ANIMALS, CITIES, COLORS, FOODS, JOBS, NAMES, filler

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
