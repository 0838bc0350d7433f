"""Code that nobody's coder made: each kind of fault is found, and clean code is left alone."""

import sys
from textwrap import dedent

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facilitair_llm.simulator.analysis import find_defects

FAULTY = [
    ("off_by_one", "def f(xs):\n    for i in range(len(xs) - 1):\n        print(xs[i])"),
    ("off_by_one", "def f(xs):\n    for i in range(len(xs) + 1):\n        print(xs[i])"),
    ("off_by_one", "def f(xs):\n    for i in range(1, len(xs)):\n        print(xs[i])"),
    (
        "off_by_one",
        "def f(xs):\n    i = 0\n    while i <= len(xs):\n        print(xs[i])\n        i += 1",
    ),
    ("off_by_one", "def f(xs):\n    if xs:\n        return xs[len(xs)]\n    return 0"),
    ("off_by_one", "def f(xs):\n    for x in xs[:-1]:\n        print(x)"),
    ("off_by_one", "def f(xs):\n    return sum(x for x in xs[1:])"),
    (
        "off_by_one",
        """
        def is_prime(n):
            if n < 2:
                return False
            d = 2
            while d * d < n:
                if n % d == 0:
                    return False
                d += 1
            return True
        """,
    ),
    (
        "off_by_one",
        """
        def is_prime(n):
            for d in range(2, int(n ** 0.5)):
                if n % d == 0:
                    return False
            return n > 1
        """,
    ),
    ("missing_empty_case", "def f(xs):\n    return xs[0]"),
    ("missing_empty_case", "def f(xs):\n    return xs[-1]"),
    ("missing_empty_case", "def f(xs):\n    return max(xs)"),
    ("missing_empty_case", "def mean(xs):\n    return sum(xs) / len(xs)"),
    ("missing_empty_case", "def f(text):\n    words = text.split()\n    return words[0]"),
    ("missing_empty_case", "class A:\n    def f(self):\n        return min(self.items)"),
    ("mutable_default", "def f(x, seen=[]):\n    seen.append(x)"),
    ("mutable_default", "def f(x, *, seen={}):\n    seen[x] = 1"),
    ("mutable_default", "async def f(x, seen=set()):\n    seen.add(x)"),
    (
        "swallowed_exception",
        "def f(x):\n    try:\n        x()\n    except ValueError:\n        pass",
    ),
    ("swallowed_exception", "try:\n    print(1)\nexcept:\n    ..."),
    (
        "swallowed_exception",
        """
        def f(xs):
            for x in xs:
                try:
                    x()
                except Exception:
                    continue
        """,
    ),
    (
        "wrong_comparison",
        """
        def find_max(numbers):
            if not numbers:
                return None
            best = numbers[0]
            for number in numbers:
                if number < best:
                    best = number
            return best
        """,
    ),
    (
        "wrong_comparison",
        """
        def shortest_word(words):
            found = ""
            for word in words:
                if len(found) < len(word):
                    found = word
            return found
        """,
    ),
    ("wrong_comparison", 'def adult(age):\n    """True for at least 18."""\n    return age > 18'),
    ("wrong_comparison", 'def child(age):\n    """True for at most 17."""\n    return 17 > age'),
    ("wrong_comparison", "def f(x):\n    return x < 1 and x > 5"),
    ("wrong_comparison", 'def f(x):\n    return x != "a" or x != "b"'),
    ("wrong_comparison", "def f(x):\n    return x == x"),
    (
        "integer_division",
        "def mean(xs):\n    if not xs:\n        return 0\n    return sum(xs) // len(xs)",
    ),
    ("integer_division", "def ratio(a, b):\n    return a // b"),
    ("integer_division", "def half(a: int) -> float:\n    return a // 2"),
    ("shadowed_builtin", "def f(list):\n    return len(list)"),
    (
        "shadowed_builtin",
        "def f(xs):\n    sum = 0\n    for x in xs:\n        sum += x\n    return sum",
    ),
    ("shadowed_builtin", "def max(a, b):\n    return a if a > b else b"),
    ("unclosed_file", "def f(path):\n    return open(path).read()"),
    ("unclosed_file", "def f(path):\n    file = open(path)\n    file.write('x')\n    file.close()"),
    ("unclosed_file", "def f(path):\n    file = path.open()\n    return file.read()"),
    ("identity_comparison", "def f(x):\n    return x is 5"),
    ("identity_comparison", 'def f(x):\n    return "a" is not x'),
    ("identity_comparison", "def f(x):\n    return x is []"),
    ("missing_return", "def f(x):\n    if x:\n        return 1"),
    ("missing_return", "def f(x) -> int:\n    x + 1"),
    ("missing_return", "def f(x):\n    for y in x:\n        return y"),
    (
        "missing_return",
        "def f(x):\n    try:\n        return x()\n    except ValueError:\n        print(1)",
    ),
    (
        "missing_return",
        "def f(x):\n    while True:\n        if x:\n            break\n        return 1",
    ),
    ("missing_return", "def f(x):\n    match x:\n        case 1:\n            return 2"),
    ("undefined_name", "def f(x):\n    return helper(x)"),
    ("does_not_parse", "def f(x)\n    return x"),
    ("does_not_parse", "x = '\0'"),
]

CLEAN = [
    "",
    "x = 1",
    """
    def is_prime(n: int) -> bool:
        if n < 2:
            return False
        d = 2
        while d * d <= n:
            if n % d == 0:
                return False
            d += 1
        return True
    """,
    """
    from math import isqrt

    def is_prime(n):
        return n > 1 and all(n % d for d in range(2, isqrt(n) + 1))
    """,
    """
    def median(values: list[float]) -> float:
        if not values:
            raise ValueError("no values")
        ordered = sorted(values)
        middle = len(ordered) // 2
        if len(ordered) % 2:
            return ordered[middle]
        return (ordered[middle - 1] + ordered[middle]) / 2
    """,
    """
    def mean(xs):
        count = len(xs)
        return sum(xs) / len(xs) if count else 0
    """,
    """
    def first(xs):
        try:
            return xs[0]
        except IndexError:
            return None
    """,
    "def largest(xs):\n    return max(xs, default=None)",
    """
    def largest(xs):
        best = None
        for x in xs:
            if best is None or x > best:
                best = x
        return best
    """,
    "def pairs(xs):\n    return [(xs[i], xs[i + 1]) for i in range(len(xs) - 1)]",
    "def steps(xs):\n    for i in range(1, len(xs)):\n        yield xs[i] - xs[i - 1]",
    "def f(xs):\n    for i in range(len(xs) - 1):\n        print(xs[i], xs[i + 1])",
    """
    def f(xs):
        if not xs:
            return 0
        best = xs[0]
        for x in xs[1:]:
            best += x
        return best
    """,
    "def f(x, seen=None):\n    seen = [] if seen is None else seen\n    return [*seen, x]",
    "def f(x, names=()):\n    return x in names",
    """
    import logging

    def f(x):
        try:
            return int(x)
        except ValueError:
            logging.warning("not a number")
            return None
    """,
    "def f(path):\n    with open(path) as file:\n        return file.read()",
    """
    def f(path):
        file = open(path)
        try:
            return file.read()
        finally:
            file.close()
    """,
    """
    from contextlib import ExitStack

    def f(paths):
        with ExitStack() as stack:
            return [stack.enter_context(open(path)).read() for path in paths]
    """,
    "def f(x):\n    return x is None or x is True",
    "def f(x):\n    if x:\n        return 1\n    raise ValueError",
    "def f(x):\n    while True:\n        if x():\n            return 1",
    """
    def f(x):
        match x:
            case 1:
                return 2
            case _:
                return 3
    """,
    "def f(x):\n    with x:\n        return 1",
    "def f(x) -> None:\n    print(x)",
    "def f(xs):\n    for x in xs:\n        yield x",
    """
    from abc import ABC, abstractmethod

    class Shape(ABC):
        @abstractmethod
        def area(self) -> float:
            '''Return the area.'''
    """,
    """
    class Box:
        id: int = 0
        type = "box"

        def all(self):
            return [self.id]

        def sum(self):
            return 1
    """,
    "def middle(low, high):\n    return (low + high) // 2",
    "def generate(a, b):\n    return a // b",
    'def adult(age):\n    """True for at least 18."""\n    return not age < 18',
    "def f(x):\n    return x > 1 and x < 5",
    "from os.path import *\n\ndef f(x):\n    return join(x, x)",
    "import a.b as c\nimport d.e\n\ndef f():\n    global g\n    g = c.x + d.y\n    return g",
]


@pytest.mark.parametrize(("kind", "source"), FAULTY)
def test_a_fault_written_by_hand_is_found(kind, source):
    assert kind in {finding.kind for finding in find_defects(dedent(source))}


@pytest.mark.parametrize("source", CLEAN)
def test_clean_code_written_by_hand_is_approved(source):
    assert find_defects(dedent(source)) == []


def test_a_file_that_is_too_long_to_read_is_not_approved():
    assert [finding.kind for finding in find_defects("x = 1\n" * 20_000)] == ["too_long"]


def test_a_finding_names_its_line():
    (finding,) = find_defects("x = 1\n\n\ndef f(y):\n    return y is 5\n")
    assert finding.line == 5
    assert "y is 5" in finding.detail


@given(source=st.text(max_size=200))
def test_any_text_gives_findings_and_no_exception(source):
    assert all(finding.line >= 0 for finding in find_defects(source))


@pytest.mark.parametrize(
    "source", ["x = " + "(" * 500, "x = " + "-" * 90_000 + "1", "a+" * 5000 + "a"]
)
def test_code_that_nests_too_deep_is_refused(source):
    limit = sys.getrecursionlimit()
    assert [finding.kind for finding in find_defects(source)] in [
        ["does_not_parse"],
        ["undefined_name"],
    ]
    assert sys.getrecursionlimit() == limit
