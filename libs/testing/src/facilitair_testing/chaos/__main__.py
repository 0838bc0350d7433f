"""Runs many seeds, one after the other, and prints one table. It can be interrupted and resumed."""

import argparse
import asyncio
import subprocess
import sys
import time
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

from facilitair_events.layout import checkout_root
from facilitair_native.errors import MissingProgramError, NativeError
from facilitair_native.programs import find_java
from facilitair_testing.chaos.faults import SystemName
from facilitair_testing.chaos.loads import LOADS
from facilitair_testing.chaos.results import Result, table
from facilitair_testing.chaos.running import Order, faults_of, run
from facilitair_testing.chaos.shelf import Shelf

_SYSTEMS: Final[tuple[SystemName, ...]] = ("kafka", "solo")
_EXAMPLES: Final = """\
examples:
  python -m facilitair_testing.chaos --seeds 1-20 --load L1 --system kafka
      the long run; interrupt it and give the same command to go on
  python -m facilitair_testing.chaos --seeds 7 --load L0 --system solo --again
      one seed once more, for a look at what it does
  python -m facilitair_testing.chaos --seeds 7 --system kafka --plan
      what a seed would do
  python -m facilitair_testing.chaos --seeds 1-20 --json > results.json
      the results of all runs, those that were made before too

A run counts when at least 10 faults had an effect and 90 % of its load finished; else it is void,
which fails. It passes when everything that was accepted has ended and no rule is violated.
"""


def main(argv: Sequence[str]) -> int:
    """0 when every run passed, 1 when not, 2 for arguments that make no sense."""
    arguments = _arguments(argv)
    seeds = arguments.seeds
    if arguments.plan:
        for seed in seeds:
            print(f"seed {seed} on {arguments.system}:")  # noqa: T201 - its interface
            load = LOADS[arguments.load]
            for fault in faults_of(seed, system=arguments.system, load=load):
                print(f"  after {fault.after_s:g} s: {fault}")  # noqa: T201 - its interface
        return 0
    if arguments.system == "kafka":
        try:
            find_java(needed_for="Kafka")
        except MissingProgramError as error:
            sys.stderr.write(f"NOT RUN: {error}\n")
            return 1
    shelf = Shelf(arguments.results)
    shelf.folder.mkdir(parents=True, exist_ok=True)
    try:
        results = [_one(seed, shelf, arguments=arguments) for seed in seeds]
    except KeyboardInterrupt:
        sys.stderr.write("interrupted; the same command goes on from here\n")
        return 1
    except NativeError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    report = shelf.report(results)
    if arguments.json:
        sys.stdout.buffer.write(msgspec.json.encode(results) + b"\n")
    else:
        print(table(results))  # noqa: T201 - its interface
    sys.stderr.write(f"written to {report}\n")
    return 0 if all(result.passed for result in results) else 1


def _one(seed: int, shelf: Shelf, *, arguments: argparse.Namespace) -> Result:
    """The result of a seed, of now or of before."""
    name = f"{arguments.system}-{arguments.load}-{seed}"
    known = None if arguments.again else shelf.result(name)
    if known is not None:
        _say(f"seed {seed}: {known.verdict}, from before (--again runs it once more)")
        return known
    order = Order(
        seed=seed,
        system=arguments.system,
        load=LOADS[arguments.load],
        folder=shelf.prepare(name),
        commit=_commit(),
    )
    _say(f"seed {seed} on {order.system} under {order.load.name}")
    try:
        result = asyncio.run(run(order, tell=lambda line: _say(f"  seed {seed}: {line}")))
    except NativeError:
        raise
    except Exception as error:  # noqa: BLE001 - the other seeds still run; this one has no result
        traceback.print_exc()
        result = _broken(order, error)
    else:
        shelf.keep(name, result)
    _tell(result, shelf.run(name))
    return result


def _broken(order: Order, error: Exception) -> Result:
    """What is told of a run that did not come to its end; it is not kept, and so run again."""
    return Result(
        seed=order.seed,
        system=order.system,
        load=order.load.name,
        planned=0,
        faults=(),
        submitted=0,
        accepted=0,
        terminal=0,
        finished=0.0,
        violations=(),
        waits=(),
        unanswered=0,
        duration_s=0.0,
        ends={},
        trouble=(f"{type(error).__name__}: {str(error).strip().rpartition(chr(10))[2]}",),
        commit=order.commit,
    )


def _tell(result: Result, folder: Path) -> None:
    p50, p95 = result.recovery
    _say(
        f"seed {result.seed}: {result.verdict}; {result.landed.total()} of {result.planned} faults"
        f" landed, {result.terminal} of {result.accepted} ended, {len(result.violations)}"
        f" violations, recovery p50 {p50:.1f} s p95 {p95:.1f} s, {result.duration_s:.0f} s"
    )
    if result.waits:
        fault, slowest_s = result.slowest
        _say(f"  the slowest recovery was from {fault}: p95 {slowest_s:.1f} s")
    for reason in (*result.void, *result.trouble):
        _say(f"  {reason}")
    for told in result.impossible:
        _say(f"  NOT RUN: {told}")
    for breach in result.violations[:20]:
        _say(f"  {breach.rule} {breach.key}: {breach.text} {' '.join(breach.records)}")
    if not result.passed:
        _say(f"  everything that it left is in {folder}")


def _say(line: str) -> None:
    sys.stderr.write(f"{time.strftime('%H:%M:%S')} {line}\n")
    sys.stderr.flush()


def _commit() -> str:
    """The commit that is checked out; empty where git cannot say."""
    asked = ["git", "-C", str(checkout_root()), "rev-parse", "--short", "HEAD"]
    try:
        told = subprocess.run(asked, check=False, capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return told.stdout.strip()


def _arguments(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m facilitair_testing.chaos",
        description=__doc__,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--seeds", type=_seeds, default=[1], help="such as 7, 1-20 or 1,3,9-12")
    parser.add_argument("--load", choices=sorted(LOADS), default="L0")
    parser.add_argument("--system", choices=_SYSTEMS, default="kafka")
    default = checkout_root() / ".facilitair" / "chaos"
    parser.add_argument(
        "--results", type=Path, default=default, help="folder of results (.facilitair/chaos)"
    )
    parser.add_argument("--again", action="store_true", help="run also what has a result")
    parser.add_argument("--plan", action="store_true", help="show the faults and run nothing")
    parser.add_argument("--json", action="store_true", help="print the results as JSON")
    return parser.parse_args(argv)


def _seeds(text: str) -> list[int]:
    seeds: list[int] = []
    for part in text.split(","):
        first, dash, last = part.partition("-")
        if not first.isdecimal() or (dash and not last.isdecimal()):
            raise argparse.ArgumentTypeError(f"{text!r} is not like 7, 1-20 or 1,3,9-12")  # noqa: TRY003 - argparse's own
        seeds += range(int(first), int(last or first) + 1)
    if not seeds:
        raise argparse.ArgumentTypeError(f"{text!r} names no seed")  # noqa: TRY003 - as above
    return seeds


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
