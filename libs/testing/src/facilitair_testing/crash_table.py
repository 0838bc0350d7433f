"""The crash table: what there is to die of, and what came of it."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final, Literal

import msgspec
from msgspec import Struct

from facilitair_messaging.crash_points import POINTS

LogName = Literal["solo", "kafka"]
SERVICES: Final = ("gateway", "orchestrator", "agent-worker")
_HEADINGS: Final = ("service", "point", "log", "n", "reached", "violations", "recovery")


class Cell(Struct, frozen=True, kw_only=True):
    """One death: of ``service``, at the ``n``-th reach of ``point``."""

    service: str
    point: str
    n: int

    @property
    def spec(self) -> str:
        """How it is asked for."""
        return f"{self.service}/{self.point}:{self.n}"

    def __str__(self) -> str:
        return f"{self.service}-{self.point}-{self.n}"


class Row(Struct, frozen=True, kw_only=True):
    """What came of a cell. One that was not ``reached`` is void, and proves nothing.

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


def table(rows: Iterable[Row]) -> list[str]:
    """The rows as lines of aligned text, headings first."""
    order = {service: number for number, service in enumerate(SERVICES)}
    points = list(POINTS)
    ordered = sorted(rows, key=lambda r: (r.log, order[r.service], points.index(r.point), r.n))  # type: ignore[arg-type]
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
