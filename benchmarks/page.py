"""The page of numbers: a section for each benchmark, each replaced by itself. Pure."""

from collections.abc import Iterable, Mapping

from benchmarks.measuring import Group
from benchmarks.readings import table

BEGIN = "<!-- numbers: written by `python -m benchmarks --save` -->\n"
END = "<!-- end of numbers -->\n"
_MARK = "<!-- group: "
_MARK_END = " -->\n"


class PageError(Exception):
    """A page that has no place for numbers."""

    def __init__(self) -> None:
        super().__init__(f"the page needs the lines {BEGIN.strip()!r} and {END.strip()!r}")


def section(group: Group, *, command: str, about: Mapping[str, str]) -> str:
    """How and on what a benchmark was measured, and its table, as Markdown."""
    loads = ", ".join(f"{load:.2f}" for load in group.loads)
    times = "once" if len(group.loads) == 1 else f"in {len(group.loads)} interleaved rounds"
    machine = "; ".join(f"{about[name]}" for name in ("machine", "system", "python", "libraries"))
    return (
        f"### {group.name}\n\n{group.about}\n"
        f"Measured {times} by `{command}` at commit {about['commit']} on {about['date']};"
        f" it took {group.took_s:.0f} s.\n"
        f"Load average of a minute before: {loads}; after: {group.load_after:.2f}.\n"
        f"Machine: {machine}.\n"
        f"{_missed(group)}\n"
        f"{table(group.rows)}"
    )


def _missed(group: Group) -> str:
    """Where it is explained, when a goal is missed."""
    missed = sum(row.met is False for row in group.rows)
    if not missed:
        return ""
    goals = "A goal is missed" if missed == 1 else f"{missed} goals are missed"
    return f"{goals}: [where the time goes](#where-the-time-goes).\n"


def with_sections(page: str, found: Mapping[str, str], *, order: Iterable[str]) -> str:
    """The page with these sections in place of its own of the same names; others stay.

    Sections that ``order`` does not name are dropped: no benchmark can renew them.
    Raises PageError.
    """
    before, numbers, after = _parts(page)
    kept = _sections(numbers) | dict(found)
    body = "".join(
        f"\n{_MARK}{name}{_MARK_END}\n{kept[name].strip()}\n" for name in order if name in kept
    )
    return f"{before}{BEGIN}{body}\n{END}{after}"


def sections(page: str) -> dict[str, str]:
    """The sections of a page, by benchmark. Raises PageError."""
    return _sections(_parts(page)[1])


def _parts(page: str) -> tuple[str, str, str]:
    before, begun, rest = page.partition(BEGIN)
    numbers, ended, after = rest.partition(END)
    if not begun or not ended:
        raise PageError
    return before, numbers, after


def _sections(numbers: str) -> dict[str, str]:
    found = {}
    for part in numbers.split(_MARK)[1:]:
        name, _, text = part.partition(_MARK_END)
        found[name] = text.strip()
    return found
