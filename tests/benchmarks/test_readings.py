import pytest

from benchmarks.readings import Reading, number, percentile, rows, table, verdict


def one_row(*values, goal=None):
    (row,) = rows(Reading("x", value, "ms", goal) for value in values)
    return row


def test_readings_of_one_thing_become_one_row_in_the_order_they_came():
    found = rows([Reading("b", 1, "s"), Reading("a", 2, "s"), Reading("b", 3, "s")])
    assert [(row.what, row.values) for row in found] == [("b", (1, 3)), ("a", (2,))]


@pytest.mark.parametrize(
    ("values", "goal", "met", "told"),
    [
        ((1, 50, 4), 5, True, "yes, 1.2x below"),
        ((5,), 5, True, "yes, 1.0x below"),
        ((6, 1, 9), 5, False, "**no**, 1.2x above"),
        ((0,), 5, True, "yes"),
        ((6,), None, None, ""),
    ],
)
def test_the_median_is_held_against_the_goal(values, goal, met, told):
    row = one_row(*values, goal=goal)
    assert row.met is met
    assert verdict(row) == told


@pytest.mark.parametrize(("share", "expected"), [(0.5, 50), (0.99, 99), (1.0, 100), (0.001, 1)])
def test_percentiles_are_values_that_were_measured(share, expected):
    assert percentile(range(100, 0, -1), share) == expected


@pytest.mark.parametrize(
    ("value", "told"), [(1234.5, "1,234"), (12.345, "12.3"), (0.1234, "0.123")]
)
def test_numbers_have_three_digits(value, told):
    assert number(value) == told


def test_the_table_has_goal_median_range_and_verdict():
    lines = table([one_row(3, 1, 2, goal=4)]).splitlines()
    assert lines[2] == "| x | ≤ 4 ms | 2 ms | 1 to 3 | yes, 2.0x below |"
