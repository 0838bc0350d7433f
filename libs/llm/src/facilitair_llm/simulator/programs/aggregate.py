"""Lists of numbers and what they come to."""

from facilitair_llm.simulator.programs.program import Family, Slot

_MODULE = '''\
"""Lists of $subject and what they come to.

Simulated: the names come from the task, the rules are made up.
"""


def total_$subject(values: list[float]) -> float:
    """Return the values added up; 0 for none."""
    total = 0.0
    $off_by_one
        total += values[index]
$missing_return


def mean_of_$subject(values: list[float]) -> float | None:
    """Return the mean of the values; None for none."""
$missing_empty_case
    $integer_division


def largest_$subject(values: list[float]) -> float | None:
    """Return the largest value; None for none."""
    largest = None
    for value in values:
        if largest is None:
            largest = value
        $wrong_comparison
            largest = value
    return largest


def ${verb}_$subject(
    values: list[float], $mutable_default
    for value in values:
        counts[value] = counts.get(value, 0) + 1
    return counts


def range_of_$subject(values: list[float]) -> float:
    """Return how far the smallest and the largest value are apart; 0 for no values."""
    if not values:
        return 0.0
$shadowed_builtin
'''

_TESTS = """\
import unittest

from $module import (
    mean_of_$subject,
    largest_$subject,
    range_of_$subject,
    total_$subject,
    ${verb}_$subject,
)


class Test$class_name(unittest.TestCase):
    def test_all_values_are_added_the_first_and_the_last_included(self):
        self.assertEqual(total_$subject([1.0, 2.0, 4.0]), 7.0)
        self.assertEqual(total_$subject([]), 0.0)

    def test_the_mean_keeps_its_fraction_and_may_be_missing(self):
        self.assertEqual(mean_of_$subject([1, 2]), 1.5)
        self.assertIsNone(mean_of_$subject([]))

    def test_the_largest_value_may_be_negative_or_missing(self):
        self.assertEqual(largest_$subject([-3, -1, -2]), -1)
        self.assertIsNone(largest_$subject([]))

    def test_equal_values_are_counted_after_those_known(self):
        self.assertEqual(${verb}_$subject([1, 1, 2], {2: 1}), {1: 2, 2: 2})
        self.assertEqual(${verb}_$subject([]), {})

    def test_the_range_is_the_distance_of_the_ends(self):
        self.assertEqual(range_of_$subject([4, 1, 3]), 3)
        self.assertEqual(range_of_$subject([]), 0.0)


if __name__ == "__main__":
    unittest.main()
"""

AGGREGATE = Family(
    name="aggregate",
    verbs=frozenset(
        {
            "sum",
            "add",
            "average",
            "calculate",
            "compute",
            "count",
            "measure",
            "aggregate",
            "summarise",
            "summarize",
            "rank",
            "sort",
            "analyse",
            "analyze",
        }
    ),
    nouns=frozenset(
        {"list", "mean", "median", "maximum", "minimum", "statistic", "total", "score", "price"}
    ),
    fallback_verb="count",
    module=_MODULE,
    tests=_TESTS,
    slots={
        "off_by_one": Slot(
            clean="for index in range(len(values)):",
            faulty="for index in range(1, len(values)):",
        ),
        "missing_return": Slot(clean="    return total", faulty=""),
        "missing_empty_case": Slot(clean="    if not values:\n        return None", faulty=""),
        "integer_division": Slot(
            clean="return sum(values) / len(values)",
            faulty="return sum(values) // len(values)",
        ),
        "wrong_comparison": Slot(clean="elif value > largest:", faulty="elif value < largest:"),
        "mutable_default": Slot(
            clean='''counts: dict[float, int] | None = None
) -> dict[float, int]:
    """Return how often each value occurs, added to `counts`, which stay as they are."""
    counts = {} if counts is None else dict(counts)''',
            faulty='''counts: dict[float, int] = {}
) -> dict[float, int]:
    """Return how often each value occurs, added to `counts`."""''',
        ),
        "shadowed_builtin": Slot(
            clean="    low, high = min(values), max(values)\n    return high - low",
            faulty="    sorted = [*values]\n    sorted.sort()\n    return sorted[-1] - sorted[0]",
        ),
    },
    edge_cases=("no values at all", "negative values", "means that are no whole numbers"),
)
