"""How machines work: purpose, parts in order."""

from words import COUNT_WORDS, listed

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
