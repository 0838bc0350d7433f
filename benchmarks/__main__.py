"""`python -m benchmarks [name…]`: measure in interleaved rounds, print a table for each subject."""

import argparse
import json
import shlex
import sys
from collections.abc import Sequence

from benchmarks.bench import Benchmark, opened
from benchmarks.groups import BENCHMARKS
from benchmarks.machine import machine
from benchmarks.measuring import Group, measured
from benchmarks.page import section, with_sections
from benchmarks.processes import ROOT
from facilitair_observability.logs import configure

PAGE = ROOT / "docs" / "performance.md"
ROUNDS = 3


def main(argv: Sequence[str]) -> int:
    """Measure what was asked for; 0 when all was measured and every goal met, 1 otherwise."""
    arguments = _arguments(argv)
    chosen = _chosen(arguments)
    if arguments.list:
        print(_listed(chosen, rounds=arguments.rounds), end="")
        return 0
    about = machine(ROOT)
    # What services log while they are measured must not stand between the numbers.
    configure(service="benchmarks", level="error", stream=sys.stderr)
    with opened(quick=arguments.quick) as bench:
        groups = measured(chosen, rounds=arguments.rounds, bench=bench)
    command = shlex.join(["python", "-m", "benchmarks", *argv])
    told = {g.name: section(g, command=command, about=about) for g in groups if g.fault is None}
    if arguments.save:
        order = [benchmark.name for benchmark in BENCHMARKS]
        page = with_sections(PAGE.read_text(encoding="utf-8"), told, order=order)
        PAGE.write_text(page, encoding="utf-8")
    if arguments.json:
        print(json.dumps({"machine": about, "groups": [g.plain() for g in groups]}, indent=2))
    else:
        print("\n".join(told.values()) + _faults(groups))
    return 0 if all(group.good for group in groups) else 1


def _arguments(argv: Sequence[str]) -> argparse.Namespace:
    names = ", ".join(benchmark.name for benchmark in BENCHMARKS)
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("name", nargs="*", help=f"what to measure: {names}")
    parser.add_argument("--list", action="store_true", help="what there is, and how long it takes")
    parser.add_argument("--with-tests", action="store_true", help="measure `make test` too")
    parser.add_argument("--long", action="store_true", help="add what takes ten minutes and more")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="how often (default 3)")
    parser.add_argument(
        "--quick", action="store_true", help="tiny sizes, to see that all of it runs"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument(
        "--save", action="store_true", help=f"put what was measured into {PAGE.name}"
    )
    arguments = parser.parse_args(argv)
    unknown = set(arguments.name) - {benchmark.name for benchmark in BENCHMARKS}
    if unknown:
        parser.error(f"no benchmark named {', '.join(sorted(unknown))}; there are {names}")
    if arguments.rounds < 1:
        parser.error("--rounds: at least 1")
    if arguments.save and arguments.quick:
        parser.error("--save: the numbers of --quick mean nothing")
    return arguments


def _chosen(arguments: argparse.Namespace) -> list[Benchmark]:
    """Those that are named, else all but those that have to be asked for."""
    if arguments.name:
        return [one for one in BENCHMARKS if one.name in arguments.name]
    given = {"--with-tests": arguments.with_tests, "--long": arguments.long}
    everything = bool(arguments.list)
    return [
        one for one in BENCHMARKS if everything or one.asked is None or given.get(one.asked, False)
    ]


def _listed(chosen: Sequence[Benchmark], *, rounds: int) -> str:
    lines = []
    total_s = 0
    for one in chosen:
        takes_s = one.takes_s * (1 if one.once else rounds)
        total_s += 0 if one.asked else takes_s
        asked = f" Only with {one.asked} or by its name." if one.asked else ""
        lines.append(f"{one.name:22}{takes_s:4} s  {one.about}{asked}\n")
    return "".join(lines) + f"about {total_s / 60:.0f} minutes without those to be asked for\n"


def _faults(groups: Sequence[Group]) -> str:
    return "".join(
        f"\n{group.name} could not be measured: {group.fault}\n" for group in groups if group.fault
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
