"""Programs of a few lines, and what they print."""

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
