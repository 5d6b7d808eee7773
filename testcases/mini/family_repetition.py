"""Repeating, for training only: what looking up and naming points again rest on."""

from family_essays import TOPICS
from family_lookup import OPENINGS, PERSON_FACTS, lookup_sentences, lookup_text
from words import NAMES

ALL_WORDS = sorted({word for values, _, _ in PERSON_FACTS for word in values} | set(NAMES)
                   | {point for points in TOPICS.values() for point in points})


def repetition(rng):
    """Words in their order, or facts about people in another: every answer token is in the prompt."""
    kind = rng.random()
    if kind < 0.65:
        words = rng.sample(ALL_WORDS, rng.randrange(3, 10) if rng.random() < 0.3 else rng.randrange(10, 60))
        said = (" " if kind < 0.45 else ", ").join(words)
        return f"{rng.choice(('Repeat these words', 'Say again', 'Copy'))}: {said}", said
    text, facts = lookup_text(rng, lookup_sentences(rng))
    said = rng.sample([statement for statement, _ in facts], min(len(facts), 16))
    return f"{rng.choice(OPENINGS)}{text}\n\nSay what you know about everybody.", " ".join(said)
