"""Files of lines that hold values."""

from facilitair_llm.simulator.programs.program import Family, Slot

_MODULE = '''\
"""Lines of $subject: `name = value`.

Simulated: the names come from the task, the format is made up.
"""

from pathlib import Path


def split_$subject(line: str) -> tuple[str, float]:
    """Return name and value of a line; raises ValueError for what is no such line."""
    name, separator, value = line.partition("=")
    $identity_comparison
        raise ValueError(f"no value in {line!r}")
$missing_return


def ${verb}_$subject(
    lines: list[str], $mutable_default
    rejected = []
    for number, line in enumerate(lines, start=1):
        try:
            name, value = split_$subject(line)
        except ValueError:
            $swallowed_exception
        else:
            values[name] = value
    return values, rejected


def read_file_of_$subject(path: Path) -> tuple[dict[str, float], list[int]]:
    """Return what the file holds, and the numbers of the lines that cannot be read."""
$unclosed_file
    return ${verb}_$subject(lines)


def mean_of_$subject(values: dict[str, float]) -> float | None:
    """Return the mean of the values; None for none."""
$missing_empty_case
    $integer_division


def name_of_highest_$subject(values: dict[str, float]) -> str:
    """Return the name with the highest value; an empty text for no values."""
    best, highest = "", float("-inf")
    for name, value in values.items():
        $wrong_comparison
            best, highest = name, value
    return best
'''

_TESTS = """\
import tempfile
import unittest
from pathlib import Path

from $module import (
    mean_of_$subject,
    read_file_of_$subject,
    name_of_highest_$subject,
    split_$subject,
    ${verb}_$subject,
)


class Test$class_name(unittest.TestCase):
    def test_a_line_has_a_name_and_a_value(self):
        self.assertEqual(split_$subject(" a = 1.5 "), ("a", 1.5))

    def test_other_lines_are_refused(self):
        for line in ("", "a", "a = b"):
            with self.assertRaises(ValueError):
                split_$subject(line)

    def test_refused_lines_are_reported_by_number(self):
        self.assertEqual(${verb}_$subject(["a=1", "?", "b=2"]), ({"a": 1.0, "b": 2.0}, [2]))
        self.assertEqual(${verb}_$subject([]), ({}, []))

    def test_a_file_is_read_whole(self):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "lines.txt"
            path.write_text("a=1\\nb=2\\n")
            self.assertEqual(read_file_of_$subject(path), ({"a": 1.0, "b": 2.0}, []))

    def test_the_mean_keeps_its_fraction_and_may_be_missing(self):
        self.assertEqual(mean_of_$subject({"a": 1, "b": 2}), 1.5)
        self.assertIsNone(mean_of_$subject({}))

    def test_the_highest_value_has_the_name(self):
        self.assertEqual(name_of_highest_$subject({"a": -2, "b": -1}), "b")
        self.assertEqual(name_of_highest_$subject({}), "")


if __name__ == "__main__":
    unittest.main()
"""

PARSE = Family(
    name="parse",
    verbs=frozenset({"parse", "read", "load", "extract", "import", "scan", "search", "find"}),
    nouns=frozenset({"file", "log", "csv", "json", "line", "config", "configuration", "document"}),
    fallback_verb="parse",
    module=_MODULE,
    tests=_TESTS,
    slots={
        "identity_comparison": Slot(clean='if separator == "":', faulty='if separator is "":'),
        "missing_return": Slot(
            clean="    return name.strip(), float(value)",
            faulty="    name, number = name.strip(), float(value)",
        ),
        "mutable_default": Slot(
            clean='''values: dict[str, float] | None = None
) -> tuple[dict[str, float], list[int]]:
    """Return the values by name, added to those given, and the numbers of lines refused."""
    values = {} if values is None else dict(values)''',
            faulty='''values: dict[str, float] = {}
) -> tuple[dict[str, float], list[int]]:
    """Return the values by name, added to those given, and the numbers of lines refused."""''',
        ),
        "swallowed_exception": Slot(clean="rejected.append(number)", faulty="pass"),
        "unclosed_file": Slot(
            clean='    with open(path, encoding="utf-8") as source:\n'
            "        lines = source.read().splitlines()",
            faulty='    lines = open(path, encoding="utf-8").read().splitlines()',
        ),
        "missing_empty_case": Slot(clean="    if not values:\n        return None", faulty=""),
        "integer_division": Slot(
            clean="return sum(values.values()) / len(values)",
            faulty="return sum(values.values()) // len(values)",
        ),
        "wrong_comparison": Slot(clean="if value > highest:", faulty="if value < highest:"),
    },
    edge_cases=("lines that cannot be read", "an empty file", "no values at all"),
)
