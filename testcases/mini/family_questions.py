"""Short questions with one right answer."""

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
