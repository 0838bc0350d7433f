"""Every rule of the protocol has at least one test named after it, or says what it waits for."""

import re
from collections.abc import Iterable
from pathlib import Path

import pytest

from tools.tracked import tracked_files

RULES = frozenset(range(1, 38))
WAITING = {
    29: "forks",
    30: "forks and what-if",
    33: "the OpenAI-compatible API, whose clients cannot retract text",
}
"""Rules of parts that are not there yet. Who brings the part strikes its rule out here."""

_TEST = re.compile(r"^\s*(?:async )?def test_((?:r\d+_)+)", re.MULTILINE)


def named(texts: Iterable[str]) -> frozenset[int]:
    """The rules that tests are named after: ``test_r08_…``, also ``test_r19_r20_…``."""
    return frozenset(
        int(rule)
        for text in texts
        for found in _TEST.findall(text)
        for rule in re.findall(r"r(\d+)_", found)
    )


def faults(found: frozenset[int], waiting: Iterable[int]) -> list[str]:
    """What is wrong with the names."""
    waits = frozenset(waiting)
    return [
        *(f"R{rule} has no test named after it" for rule in sorted(RULES - found - waits)),
        *(f"R{rule} has tests: it waits no more" for rule in sorted(found & waits)),
        *(f"R{rule} is no rule" for rule in sorted((found | waits) - RULES)),
    ]


def test_every_rule_has_a_test_named_after_it(root: Path) -> None:
    tests = [file for file in tracked_files(root) if file.match("test_*.py")]
    assert faults(named((root / file).read_text() for file in tests), WAITING) == []


def test_the_rules_are_those_of_the_protocol(root: Path) -> None:
    text = (root / "docs" / "reference" / "protocol.md").read_text()
    assert {int(rule) for rule in re.findall(r"^- \*\*R(\d+)\b", text, re.MULTILINE)} == RULES


@pytest.mark.parametrize(
    ("text", "rules"),
    [
        ("def test_r08_x():", {8}),
        ("    async def test_r19_r20_r21_hold(self):", {19, 20, 21}),
        ("def test_r1x():", set()),
        ("# def test_r1_x():", set()),
        ("def test_all_of_r3_x():", set()),
    ],
)
def test_names_are_read_as_they_are_written(text: str, rules: set[int]) -> None:
    assert named([text]) == rules


@pytest.mark.parametrize(
    ("found", "waiting", "fault"),
    [
        (RULES - {7}, (), "R7 has no test named after it"),
        (RULES, (9,), "R9 has tests: it waits no more"),
        (RULES | {38}, (), "R38 is no rule"),
        (RULES, (99,), "R99 is no rule"),
    ],
)
def test_a_rule_that_slips_through_is_found(
    found: frozenset[int], waiting: tuple[int, ...], fault: str
) -> None:
    assert faults(found, waiting) == [fault]
