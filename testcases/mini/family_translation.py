"""Number words and phrases in three languages."""

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
