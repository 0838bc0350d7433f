"""The crash table: what there is to die of, and what came of it."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final, Literal

import msgspec
from msgspec import Struct

from facilitair_messaging.crash_points import POINTS

LogName = Literal["solo", "kafka"]
SERVICES: Final = ("gateway", "orchestrator", "agent-worker", "accounts")
_HEADINGS: Final = ("service", "point", "log", "n", "reached", "violations", "recovery")

_TWICE: Final = {
    "orchestrator": {
        "after_events_acked": ("after_decide", "after_commands_acked", "before_commit"),
        "after_commands_acked": ("after_decode", "after_snapshot"),
        "after_snapshot": ("after_decode", "before_commit"),
    },
    "accounts": {
        "after_events_acked": ("after_decide", "after_commands_acked", "before_commit"),
        "after_commands_acked": ("after_decode", "after_snapshot"),
    },
    "agent-worker": {
        "after_claim": ("after_claim_read", "before_done"),
        "first_token": ("after_decode", "after_claim", "after_claim_read", "result_acked"),
        "last_chunk_acked": ("after_claim", "before_done"),
        "result_acked": ("after_claim", "before_commit"),
    },
}


class Cell(Struct, frozen=True, kw_only=True):
    """One death: of ``service``, at the ``n``-th reach of ``point``.

    ``then`` is where what was started again dies as well, before it is started for good.
    """

    service: str
    point: str
    n: int
    then: str | None = None

    @property
    def points(self) -> tuple[str, ...]:
        """Where it dies, in order."""
        return (self.point,) if self.then is None else (self.point, self.then)

    @property
    def specs(self) -> tuple[str, ...]:
        """How each death is asked for."""
        first, *then = self.points
        return (f"{self.service}/{first}:{self.n}", *(f"{self.service}/{p}" for p in then))

    def __str__(self) -> str:
        return "-".join((self.service, *self.points, str(self.n)))


class Row(Struct, frozen=True, kw_only=True):
    """What came of a cell. One that was not ``reached`` is void, and proves nothing.

    ``point`` names both where it died twice.
    ``recovery_s`` is the time from the death to the next event of the public record; None where
    none was left to come.
    """

    service: str
    point: str
    log: LogName
    n: int
    reached: bool
    violations: tuple[str, ...]
    recovery_s: float | None


def cells(*services: str, n: int) -> list[Cell]:
    """Every point of these services, once."""
    return [
        Cell(service=service, point=point, n=n)
        for service in services
        for point, having in POINTS.items()
        if service in having
    ]


def twice(*services: str) -> list[Cell]:
    """Deaths while an earlier one is made good: a call left open is declared, records come again.

    The second is at another point of the same service.
    """
    return [
        Cell(service=service, point=first, n=2, then=then)
        for service in services
        for first, seconds in _TWICE[service].items()
        for then in seconds
    ]


def table(rows: Iterable[Row]) -> list[str]:
    """The rows as lines of aligned text, headings first."""
    order = {service: number for number, service in enumerate(SERVICES)}
    places = {str(point): number for number, point in enumerate(POINTS)}

    def place(row: Row) -> tuple[str, int, int, str, int]:
        first = row.point.partition(",")[0]
        return (row.log, order[row.service], places[first], row.point, row.n)

    ordered = sorted(rows, key=place)
    lines = [_HEADINGS, *(_shown(row) for row in ordered)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(_HEADINGS))]
    return [
        "  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    ]


def write_rows(rows: Sequence[Row], path: Path) -> None:
    """Keep the rows as JSON, for a report."""
    path.write_bytes(msgspec.json.format(msgspec.json.encode(rows), indent=1) + b"\n")


def read_rows(path: Path) -> list[Row]:
    """What ``write_rows`` kept. Raises msgspec's ValidationError."""
    return msgspec.json.decode(path.read_bytes(), type=list[Row])


def _shown(row: Row) -> tuple[str, ...]:
    recovery = "-" if row.recovery_s is None else f"{row.recovery_s:.1f} s"
    reached = "yes" if row.reached else "VOID"
    violations = str(len(row.violations))
    return (row.service, row.point, row.log, str(row.n), reached, violations, recovery)
