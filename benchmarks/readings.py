"""Readings and what becomes of them: medians, ranges, verdicts. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from statistics import median

MICROSECONDS = "\N{MICRO SIGN}s"


@dataclass(frozen=True)
class Reading:
    """One measured value.

    `goal` is the most it may be, or the `least`; None where there is no goal.
    `note` is said beside the verdict.
    """

    what: str
    value: float
    unit: str
    goal: float | None = None
    least: bool = False
    note: str = ""


@dataclass(frozen=True)
class Row:
    """All readings of one thing."""

    what: str
    unit: str
    goal: float | None
    values: tuple[float, ...]
    least: bool = False
    note: str = ""

    @property
    def middle(self) -> float:
        """The median, which is what the goal is compared with."""
        return median(self.values)

    @property
    def met(self) -> bool | None:
        """Whether the goal is met; None without a goal."""
        if self.goal is None:
            return None
        return self.middle >= self.goal if self.least else self.middle <= self.goal


def rows(readings: Iterable[Reading]) -> list[Row]:
    """The readings grouped by what they are of, in the order in which each first came."""
    grouped: dict[str, list[Reading]] = {}
    for reading in readings:
        grouped.setdefault(reading.what, []).append(reading)
    return [_row(found) for found in grouped.values()]


def _row(found: list[Reading]) -> Row:
    first = found[0]
    notes = dict.fromkeys(reading.note for reading in found if reading.note)
    return Row(
        what=first.what,
        unit=first.unit,
        goal=first.goal,
        values=tuple(reading.value for reading in found),
        least=first.least,
        note="; ".join(notes),
    )


def verdict(row: Row) -> str:
    """Whether the goal is met and by how much, and what is to be said beside it."""
    return "; ".join(part for part in (_judged(row), row.note) if part)


def _judged(row: Row) -> str:
    if row.goal is None:
        return ""
    above, below = _times(row.middle, row.goal), _times(row.goal, row.middle)
    if row.met:
        better = f"{above} above" if row.least else f"{below} below"
        return f"yes, {better}" if above and below else "yes"
    worse = f"{below} below" if row.least else f"{above} above"
    return f"**no**, {worse}" if above and below else "**no**"


def _times(value: float, other: float) -> str:
    return f"{value / other:.1f}x" if other else ""


def percentile(values: Iterable[float], share: float) -> float:
    """The smallest value that at least `share` of the values do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, -(-round(share * 1000) * len(ordered) // 1000) - 1)]


def number(value: float) -> str:
    """A value with the digits that mean something."""
    if abs(value) >= 100:  # noqa: PLR2004 - three digits
        return f"{value:,.0f}"
    return f"{value:.3g}"


def table(found: Iterable[Row]) -> str:
    """The rows as a Markdown table."""
    lines = ["| what | goal | median | range | met |", "|---|---|---|---|---|"]
    for row in found:
        sign = "\N{GREATER-THAN OR EQUAL TO}" if row.least else "\N{LESS-THAN OR EQUAL TO}"
        goal = "" if row.goal is None else f"{sign} {number(row.goal)} {row.unit}".rstrip()
        low, high = min(row.values), max(row.values)
        spread = f"{number(low)} to {number(high)}" if len(row.values) > 1 else ""
        middle = f"{number(row.middle)} {row.unit}".rstrip()
        lines.append(f"| {row.what} | {goal} | {middle} | {spread} | {verdict(row)} |")
    return "\n".join(lines) + "\n"
