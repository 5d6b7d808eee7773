"""Essays: title, introduction, a paragraph on every point, conclusion."""

from words import COUNT_WORDS, ORDINALS, listed

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
    given = rng.random() < 0.6
    # Unasked points come in the order of the list: chance would teach nothing to repeat.
    points = rng.sample(TOPICS[topic], count) if given else TOPICS[topic][:count]
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
