"""Rounds over benchmarks, and what is known about each afterwards."""

import sys
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from benchmarks.bench import Bench, Benchmark
from benchmarks.machine import load
from benchmarks.readings import Reading, Row, rows, verdict


@dataclass
class Group:
    """What one benchmark found. ``loads`` are one-minute load averages before each round."""

    name: str
    about: str
    readings: list[Reading] = field(default_factory=list)
    loads: list[float] = field(default_factory=list)
    load_after: float = 0.0
    took_s: float = 0.0
    fault: str | None = None

    @property
    def rows(self) -> list[Row]:
        """One for each thing that was measured."""
        return rows(self.readings)

    @property
    def good(self) -> bool:
        """Whether it was measured and missed no goal."""
        return self.fault is None and all(row.met is not False for row in self.rows)

    def plain(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "name": self.name,
            "fault": self.fault,
            "took_s": round(self.took_s, 1),
            "loads": self.loads,
            "load_after": self.load_after,
            "rows": [_plain(row) for row in self.rows],
        }


def _plain(row: Row) -> dict[str, Any]:
    return asdict(row) | {"median": row.middle, "met": row.met, "verdict": verdict(row)}


def measured(
    chosen: Sequence[Benchmark],
    *,
    rounds: int,
    bench: Bench,
    load_now: Callable[[], float] = load,
) -> list[Group]:
    """Every benchmark's readings.

    A round takes each benchmark once, so that what disturbs the machine hits all of them alike.
    One that fails is left out of later rounds and says so; the others go on.
    """
    groups = {one.name: Group(one.name, one.about) for one in chosen}
    for number in range(rounds):
        for one in chosen:
            group = groups[one.name]
            if group.fault is not None or (number and one.once):
                continue
            print(f"round {number + 1} of {rounds}: {one.name} …", file=sys.stderr, flush=True)
            group.loads.append(load_now())
            _measure(one, group, bench=bench)
            group.load_after = load_now()
    return list(groups.values())


def _measure(one: Benchmark, group: Group, *, bench: Bench) -> None:
    began = time.perf_counter()
    try:
        group.readings += one.measure(bench)
    except Exception as error:  # noqa: BLE001 - one that cannot run must not cost the others theirs
        traceback.print_exc(file=sys.stderr)
        group.fault = f"{type(error).__name__}: {error}"
    group.took_s += time.perf_counter() - began
