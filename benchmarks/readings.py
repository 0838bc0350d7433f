"""Readings and what becomes of them: medians, ranges, verdicts. Pure."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from statistics import median

MICROSECONDS = "\N{MICRO SIGN}s"


@dataclass(frozen=True)
class Reading:
    """One measured value; `goal` is the most it may be, None where there is no goal."""

    what: str
    value: float
    unit: str
    goal: float | None = None


@dataclass(frozen=True)
class Benchmark:
    """A subject; `measure` takes one reading of each of its rows.

    `once` ones are not repeated: nothing about them varies, or they take minutes.
    """

    name: str
    measure: Callable[[], list[Reading]]
    once: bool = False


@dataclass(frozen=True)
class Row:
    """All readings of one thing."""

    what: str
    unit: str
    goal: float | None
    values: tuple[float, ...]

    @property
    def middle(self) -> float:
        """The median, which is what the goal is compared with."""
        return median(self.values)

    @property
    def met(self) -> bool | None:
        """Whether the goal is met; None without a goal."""
        return None if self.goal is None else self.middle <= self.goal


def rows(readings: Iterable[Reading]) -> list[Row]:
    """The readings grouped by what they are of, in the order in which each first came."""
    grouped: dict[str, list[Reading]] = {}
    for reading in readings:
        grouped.setdefault(reading.what, []).append(reading)
    return [
        Row(what, found[0].unit, found[0].goal, tuple(reading.value for reading in found))
        for what, found in grouped.items()
    ]


def verdict(row: Row) -> str:
    """Whether the goal is met, and by how much."""
    if row.goal is None:
        return ""
    if row.met:
        return f"yes, {row.goal / row.middle:.1f}x below" if row.middle else "yes"
    return f"**no**, {row.middle / row.goal:.1f}x above"


def percentile(values: Iterable[float], share: float) -> float:
    """The smallest value that at least `share` of the values do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, -(-round(share * 1000) * len(ordered) // 1000) - 1)]


def number(value: float) -> str:
    """A value with the digits that mean something."""
    if value >= 100:  # noqa: PLR2004 - three digits
        return f"{value:,.0f}"
    return f"{value:.3g}"


def table(found: Iterable[Row]) -> str:
    """The rows as a Markdown table."""
    lines = ["| what | goal | median | range | met |", "|---|---|---|---|---|"]
    for row in found:
        goal = "" if row.goal is None else f"≤ {number(row.goal)} {row.unit}"
        low, high = min(row.values), max(row.values)
        spread = f"{number(low)} to {number(high)}" if len(row.values) > 1 else ""
        middle = f"{number(row.middle)} {row.unit}"
        lines.append(f"| {row.what} | {goal} | {middle} | {spread} | {verdict(row)} |")
    return "\n".join(lines) + "\n"
