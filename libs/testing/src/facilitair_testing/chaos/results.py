"""What a run has shown, and when it proves nothing."""

import math
from collections import Counter
from collections.abc import Sequence
from typing import Final

from msgspec import Struct

from facilitair_testing.chaos.faults import Landed, SystemName
from facilitair_testing.chaos.recovery import Wait, percentiles

LEAST_FAULTS: Final = 10
LEAST_LOAD: Final = 0.9


class Breach(Struct, frozen=True, kw_only=True):
    """A violation as the report shows it."""

    rule: str
    key: str
    text: str
    records: tuple[str, ...] = ()


class Result(Struct, frozen=True, kw_only=True):
    """One run. ``accepted`` were answered with 202, ``terminal`` of them have ended.

    ``finished`` is the share of the load whose clients saw the end.
    ``least_in_flight`` is how many processes have to be hurt while somebody waits.
    ``trouble`` is what went wrong beside the history: a system that did not come back, a client
    that was refused.
    """

    seed: int
    system: SystemName
    load: str
    planned: int
    faults: tuple[Landed, ...]
    submitted: int
    accepted: int
    terminal: int
    finished: float
    violations: tuple[Breach, ...]
    waits: tuple[Wait, ...]
    unanswered: int
    duration_s: float
    ends: dict[str, int]
    trouble: tuple[str, ...] = ()
    commit: str = ""
    least_in_flight: int = 0

    @property
    def in_flight(self) -> int:
        """How many processes were hurt while somebody waited for a collaboration."""
        landed = (one for one in self.faults if one.evidence is not None)
        return sum(one.hurt for one in landed if one.in_flight > 0)

    @property
    def landed(self) -> Counter[str]:
        """How many faults had an effect, by kind."""
        return Counter(one.fault.kind for one in self.faults if one.evidence is not None)

    @property
    def impossible(self) -> tuple[str, ...]:
        """Faults that this machine cannot have, and what they need."""
        return tuple(f"{f.fault.kind}: {f.reason}" for f in self.faults if f.missing)

    @property
    def void(self) -> tuple[str, ...]:
        """Why the run proves nothing; empty when it does prove something."""
        reasons = []
        landed = self.landed.total()
        if landed < LEAST_FAULTS:
            reasons.append(f"{landed} faults landed, {LEAST_FAULTS} are needed")
        if self.in_flight < self.least_in_flight:
            told = f"{self.in_flight} processes were hurt in flight"
            reasons.append(f"{told}, {self.least_in_flight} are needed")
        if self.finished < LEAST_LOAD:
            reasons.append(f"{self.finished:.0%} of the load finished, {LEAST_LOAD:.0%} are needed")
        return tuple(reasons)

    @property
    def recovery(self) -> tuple[float, float]:
        """Median and 95th percentile of the wait for the next numbered event, in seconds.

        From the end of each fault, of every viewer that was watching then.
        """
        return percentiles([wait.waited_s for wait in self.waits])

    @property
    def slowest(self) -> tuple[str, float]:
        """The fault that viewers took the longest to recover from, and its 95th percentile."""
        worst = ("", 0.0)
        for number, one in enumerate(self.faults):
            waits = [wait.waited_s for wait in self.waits if wait.fault == number]
            if waits and percentiles(waits)[1] > worst[1]:
                worst = (str(one.fault), percentiles(waits)[1])
        return worst

    @property
    def passed(self) -> bool:
        """Whether it proves that nothing broke."""
        lost = self.accepted - self.terminal
        return not (self.void or self.violations or self.trouble or lost or self.unanswered)

    @property
    def verdict(self) -> str:
        """In a word."""
        if self.violations:
            return "violated"
        if self.void:
            return "void"
        return "ok" if self.passed else "failed"


HEADINGS: Final = (
    "seed", "system", "load", "faults (landed/planned)", "submitted", "accepted", "terminal",
    "violations", "recovery p50", "recovery p95", "duration", "verdict",
)  # fmt: skip


def row(result: Result) -> tuple[str, ...]:
    """A result as a line of the table."""
    p50, p95 = result.recovery
    kinds = ", ".join(f"{kind} {n}" for kind, n in sorted(result.landed.items()))
    return (
        str(result.seed),
        result.system,
        result.load,
        f"{result.landed.total()}/{result.planned}: {kinds}",
        str(result.submitted),
        str(result.accepted),
        str(result.terminal),
        str(len(result.violations)),
        _seconds(p50),
        _seconds(p95),
        f"{result.duration_s:.0f} s",
        result.verdict,
    )


def table(results: Sequence[Result]) -> str:
    """All results as a Markdown table, with a line for all runs together."""
    lines = [HEADINGS, tuple("---" for _ in HEADINGS), *map(row, results)]
    if len(results) > 1:
        lines.append(_together(results))
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _together(results: Sequence[Result]) -> tuple[str, ...]:
    waits = [wait.waited_s for result in results for wait in result.waits]
    p50, p95 = percentiles(waits)
    landed: Counter[str] = sum((result.landed for result in results), Counter())
    kinds = ", ".join(f"{kind} {n}" for kind, n in sorted(landed.items()))
    good = sum(result.passed for result in results)
    return (
        "all",
        ", ".join(sorted({result.system for result in results})),
        ", ".join(sorted({result.load for result in results})),
        f"{landed.total()}/{sum(result.planned for result in results)}: {kinds}",
        str(sum(result.submitted for result in results)),
        str(sum(result.accepted for result in results)),
        str(sum(result.terminal for result in results)),
        str(sum(len(result.violations) for result in results)),
        _seconds(p50),
        _seconds(p95),
        f"{sum(result.duration_s for result in results):.0f} s",
        f"{good} of {len(results)} ok",
    )


def _seconds(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.1f} s"
