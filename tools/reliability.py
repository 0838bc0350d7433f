"""The tables of docs/reliability.md, written from what `make chaos` has measured."""

import argparse
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from facilitair_events.layout import checkout_root
from facilitair_testing.chaos.loads import LM
from facilitair_testing.chaos.results import Result, table
from facilitair_testing.chaos.shelf import Shelf
from facilitair_testing.crash_table import Row, read_rows

PAGE = Path("docs") / "reliability.md"
RESULTS = Path(".facilitair") / "chaos"
CRASHES = "crash-table.json"
NOT_RUN = "Not measured yet: `make chaos` writes it.\n"

_CRASH_HEADINGS = ("service", "point", "reach", "log", "violations", "recovery")
MONEY_HEADINGS = (
    "seed", "system", "deaths in flight", "submitted", "completed", "failed", "cancelled",
    "violations", "duration", "verdict",
)  # fmt: skip


def begin(name: str) -> str:
    """The line before the table of that name."""
    return f"<!-- {name} table: written by `make chaos` -->\n"


def end(name: str) -> str:
    """The line after it."""
    return f"<!-- end of {name} table -->\n"


def with_block(page: str, name: str, *, text: str) -> str:
    """The page with another table of that name; raises ValueError where its markers are missing."""
    before, opened, rest = page.partition(begin(name))
    _, closed, after = rest.partition(end(name))
    if not (opened and closed):
        raise ValueError(begin(name) + end(name))
    return f"{before}{opened}\n{text}\n{closed}{after}"


def block(page: str, name: str) -> str:
    """The table of that name; raises ValueError where its markers are missing."""
    _, opened, rest = page.partition(begin(name))
    text, closed, _ = rest.partition(end(name))
    if not (opened and closed):
        raise ValueError(begin(name) + end(name))
    return text.strip()


def cells_of(text: str) -> list[list[str]]:
    """The lines of a Markdown table below its heading; raises ValueError for a ragged one."""
    lines = [[part.strip() for part in line.strip("|").split("|")] for line in text.splitlines()]
    if len(lines) < 2 or len({len(line) for line in lines}) != 1 or set(lines[1]) != {"---"}:  # noqa: PLR2004 - heading and rule
        raise ValueError(text)
    return lines[2:]


def crash_table(rows: Sequence[Row]) -> str:
    """Every death with what came of it, and a line that counts them."""
    lines = [_CRASH_HEADINGS, tuple("---" for _ in _CRASH_HEADINGS)]
    lines += [
        (
            row.service,
            f"`{row.point}`",
            str(row.n),
            row.log,
            str(len(row.violations)) if row.reached else "void",
            "" if row.recovery_s is None else f"{row.recovery_s:.1f} s",
        )
        for row in sorted(rows, key=lambda row: (row.log, row.service))
    ]
    void = sum(not row.reached for row in rows)
    found = sum(len(row.violations) for row in rows)
    text = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    return f"{text}\n\n{len(rows)} cells, {void} void, {found} violations.\n"


def chaos_table(results: Sequence[Result]) -> str:
    """Every run, and what they ran on."""
    commits = ", ".join(sorted({result.commit for result in results if result.commit}))
    missing = sorted({told for result in results for told in result.impossible})
    lines = [table(results), "", f"Measured at commit {commits or 'unknown'}."]
    lines += [f"Not run here: {told}." for told in missing]
    return "\n".join(lines) + "\n"


def money_table(results: Sequence[Result]) -> str:
    """Every run under the load of money: who died, and how the collaborations ended."""
    lines = [MONEY_HEADINGS, tuple("---" for _ in MONEY_HEADINGS)]
    lines += [
        (
            str(one.seed),
            one.system,
            str(one.in_flight),
            str(one.submitted),
            *(str(one.ends.get(end, 0)) for end in ("completed", "failed", "cancelled")),
            str(len(one.violations)),
            f"{one.duration_s:.0f} s",
            one.verdict,
        )
        for one in results
    ]
    commits = ", ".join(sorted({result.commit for result in results if result.commit}))
    text = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    return f"{text}\n\nMeasured at commit {commits or 'unknown'}.\n"


def write(page: Path, *, results: Iterable[Result], rows: Sequence[Row]) -> None:
    """Put what there is into the page; a table without anything new stays as it is."""
    text = page.read_text(encoding="utf-8")
    ordered = sorted(results, key=lambda one: (one.system, one.load, one.seed))
    faults = [one for one in ordered if one.load != LM.name]
    money = [one for one in ordered if one.load == LM.name]
    if faults:
        text = with_block(text, "chaos", text=chaos_table(faults))
    if money:
        text = with_block(text, "money", text=money_table(money))
    if rows:
        text = with_block(text, "crash", text=crash_table(rows))
    page.write_text(text, encoding="utf-8")


def main(argv: Sequence[str]) -> int:
    """Write the page from a folder of results."""
    parser = argparse.ArgumentParser(prog="python -m tools.reliability", description=__doc__)
    parser.add_argument("--results", type=Path, default=checkout_root() / RESULTS)
    folder = parser.parse_args(argv).results
    crashes = folder / CRASHES
    rows = read_rows(crashes) if crashes.exists() else []
    write(checkout_root() / PAGE, results=Shelf(folder).results(), rows=rows)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
