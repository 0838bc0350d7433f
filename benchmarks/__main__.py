"""`python -m benchmarks [name…]`: measure in interleaved rounds, print one table."""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from benchmarks import (
    appending,
    collaborating,
    counting,
    idling,
    reducing,
    second_run,
    set_up,
    suite,
    worker_chunks,
)
from benchmarks.machine import load, machine
from benchmarks.processes import ROOT
from benchmarks.readings import Benchmark, Reading, Row, rows, table, verdict
from benchmarks.streams import measure as streams
from facilitair_observability.logs import configure

PAGE = ROOT / "docs" / "performance.md"
BEGIN = "<!-- numbers: written by `python -m benchmarks --save` -->\n"
ROUNDS = 3
BENCHMARKS = (
    Benchmark("set-up", set_up.measure),
    Benchmark("second-run", second_run.measure),
    Benchmark("tests", suite.measure, once=True),
    Benchmark("idle", idling.measure),
    Benchmark("append", appending.measure),
    Benchmark("collaboration", collaborating.measure),
    Benchmark("worker", worker_chunks.measure),
    Benchmark("reducer", reducing.measure),
    Benchmark("streams", streams.measure),
    Benchmark("lines", counting.measure, once=True),
)
LONG = {"tests"}


def main(argv: Sequence[str]) -> int:
    """Measure what was asked for; 0 when every goal was met, 1 otherwise."""
    arguments = _arguments(argv)
    named = set(arguments.name) or {b.name for b in BENCHMARKS} - (
        set() if arguments.with_tests else LONG
    )
    chosen = [benchmark for benchmark in BENCHMARKS if benchmark.name in named]
    about = machine(ROOT) | {"rounds": f"{arguments.rounds}, interleaved"}
    # What services log while they are measured must not stand between the numbers.
    configure(service="benchmarks", level="warning", stream=sys.stderr)
    found = rows(_measured(chosen, arguments.rounds))
    about["load after"] = load()
    if arguments.json:
        print(json.dumps({"machine": about, "rows": [_plain(row) for row in found]}, indent=2))
    else:
        text = report(about, found)
        print(text)
        if arguments.save:
            save(text)
    return 0 if all(row.met is not False for row in found) else 1


def _arguments(argv: Sequence[str]) -> argparse.Namespace:
    names = ", ".join(benchmark.name for benchmark in BENCHMARKS)
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("name", nargs="*", help=f"what to measure: {names}; default all but tests")
    parser.add_argument("--with-tests", action="store_true", help="measure `make test` too")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="how often (default 3)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--save", action="store_true", help=f"put the table into {PAGE.name}")
    arguments = parser.parse_args(argv)
    unknown = set(arguments.name) - {benchmark.name for benchmark in BENCHMARKS}
    if unknown:
        parser.error(f"no benchmark named {', '.join(sorted(unknown))}; there are {names}")
    if arguments.rounds < 1:
        parser.error("--rounds: at least 1")
    if arguments.save and (arguments.name or arguments.json):
        parser.error("--save keeps a whole table: give no names, and not --json")
    return arguments


def _measured(chosen: Sequence[Benchmark], rounds: int) -> list[Reading]:
    """All readings; a round takes each benchmark once, so that what disturbs hits them alike."""
    readings: list[Reading] = []
    for number in range(rounds):
        for benchmark in chosen:
            if number == 0 or not benchmark.once:
                print(f"round {number + 1}: {benchmark.name} …", file=sys.stderr, flush=True)
                readings += benchmark.measure()
    return readings


def _plain(row: Row) -> dict[str, Any]:
    return asdict(row) | {"median": row.middle, "met": row.met, "verdict": verdict(row)}


def report(about: dict[str, str], found: Sequence[Row]) -> str:
    """The machine and the table, as Markdown."""
    return "".join(f"- {name}: {value}\n" for name, value in about.items()) + "\n" + table(found)


def save(text: str) -> None:
    """Put the report under its heading in the page."""
    before, found, _ = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    if not found:
        raise ValueError(BEGIN)
    PAGE.write_text(f"{before}{found}\n{text}", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
