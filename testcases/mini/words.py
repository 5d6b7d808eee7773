"""Names, places and fillers that the families share."""

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


COUNT_WORDS = "zero one two three four five six seven eight nine ten".split()
ORDINALS = "First Second Third Fourth Fifth Sixth Seventh Eighth Ninth Tenth".split()


def listed(words):
    return words[0] if len(words) == 1 else ", ".join(words[:-1]) + " and " + words[-1]
