"""A rule that numbers obey or not."""

from facilitair_llm.simulator.programs.program import Family, Slot

_MODULE = '''\
"""Numbers and the rule `$subject`.

Simulated: the names come from the task, the rule is made up.
"""

from math import isqrt


def count_divisors(number: int) -> int:
    """Return how many whole numbers above 0 divide the number; 0 for numbers below 1."""
    if number < 1:
        return 0
    count = 0
    $off_by_one
        $identity_comparison
            count += 1 if candidate * candidate == number else 2
$missing_return


def is_$subject(number: int) -> bool:
    """Say whether the number has at least $limit divisors."""
    $wrong_comparison


def collect_$subject(
    numbers: list[int], $mutable_default
    for number in numbers:
        if is_$subject(number):
            found.append(number)
    return found


def smallest_$subject(numbers: list[int]) -> int | None:
    """Return the smallest of the numbers that is $subject; None where there is none."""
    matching = collect_$subject(numbers)
$missing_empty_case
    return min(matching)


def share_of_$subject(numbers: list[int]) -> float:
    """Return how large a part of the numbers is $subject; 0 for no numbers."""
    if not numbers:
        return 0.0
$shadowed_builtin
'''

_TESTS = """\
import unittest

from $module import (
    collect_$subject,
    count_divisors,
    is_$subject,
    share_of_$subject,
    smallest_$subject,
)

PASSING = 2 ** ($limit - 1)


class Test$class_name(unittest.TestCase):
    def test_divisors_are_counted(self):
        self.assertEqual([count_divisors(n) for n in (1, 2, 12, 36)], [1, 2, 6, 9])

    def test_numbers_below_one_have_no_divisors(self):
        self.assertEqual([count_divisors(n) for n in (0, -4)], [0, 0])

    def test_the_rule_holds_from_its_limit_on(self):
        self.assertTrue(is_$subject(PASSING))
        self.assertFalse(is_$subject(PASSING // 2))

    def test_matching_numbers_are_collected_in_order(self):
        self.assertEqual(collect_$subject([PASSING * 2, 1, PASSING]), [PASSING * 2, PASSING])
        self.assertEqual(collect_$subject([1]), [])

    def test_the_smallest_is_found_and_may_be_missing(self):
        self.assertEqual(smallest_$subject([PASSING * 2, PASSING]), PASSING)
        self.assertIsNone(smallest_$subject([]))

    def test_the_share_is_a_fraction(self):
        self.assertEqual(share_of_$subject([PASSING, 1]), 0.5)
        self.assertEqual(share_of_$subject([]), 0.0)


if __name__ == "__main__":
    unittest.main()
"""

PREDICATE = Family(
    name="predicate",
    verbs=frozenset({"check", "determine", "decide", "validate", "verify", "test", "detect"}),
    nouns=frozenset({"number", "integer", "digit", "divisor", "predicate"}),
    fallback_verb="check",
    module=_MODULE,
    tests=_TESTS,
    slots={
        "off_by_one": Slot(
            clean="for candidate in range(1, isqrt(number) + 1):",
            faulty="for candidate in range(1, isqrt(number)):",
        ),
        "identity_comparison": Slot(
            clean="if number % candidate == 0:",
            faulty="if number % candidate is 0:",
        ),
        "missing_return": Slot(clean="    return count", faulty=""),
        "wrong_comparison": Slot(
            clean="return count_divisors(number) >= $limit",
            faulty="return count_divisors(number) > $limit",
        ),
        "mutable_default": Slot(
            clean='''found: list[int] | None = None
) -> list[int]:
    """Return the numbers that are $subject, after those in `found`, which stays as it is."""
    found = [] if found is None else list(found)''',
            faulty='''found: list[int] = []
) -> list[int]:
    """Return the numbers that are $subject, after those in `found`."""''',
        ),
        "missing_empty_case": Slot(
            clean="    if not matching:\n        return None",
            faulty="",
        ),
        "shadowed_builtin": Slot(
            clean="    count = len(collect_$subject(numbers))\n    return count / len(numbers)",
            faulty="    sum = len(collect_$subject(numbers))\n    return sum / len(numbers)",
        ),
    },
    edge_cases=(
        "numbers below 1 have no divisors",
        "the limit itself passes the rule",
        "no numbers at all",
    ),
)
