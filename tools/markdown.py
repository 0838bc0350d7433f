"""What Markdown pages promise, as data: fenced blocks, commands with their output, links. Pure."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

PROMPT = "$ "
_FENCE = re.compile(r"```(?P<language>\S*)")
_LINK = re.compile(r"\]\((?!https?://|#|mailto:)([^)#\s]+)")


class PageError(ValueError):
    """A page that cannot be read; the message says where and why."""

    def __init__(self, *, line: int, problem: str) -> None:
        super().__init__(f"line {line}: {problem}")


@dataclass(frozen=True)
class Block:
    """A fenced block; `line` is where its text begins, the first line of the page being 1."""

    language: str
    line: int
    lines: tuple[str, ...]


@dataclass(frozen=True)
class Command:
    """A command after its prompt, and the lines of output that the page shows for it."""

    text: str
    line: int
    shown: tuple[str, ...]


def blocks(page: str) -> list[Block]:
    """All fenced blocks in order; raises PageError for one that is not closed."""
    found: list[Block] = []
    language, first, lines = "", 0, list[str]()
    for number, line in enumerate(page.splitlines(), start=1):
        fence = _FENCE.fullmatch(line)
        if first and line == "```":
            found.append(Block(language, first, tuple(lines)))
            first = 0
        elif first:
            lines.append(line)
        elif fence is not None:
            language, first, lines = fence["language"], number + 1, []
    if first:
        raise PageError(line=first, problem="this block is not closed")
    return found


def section(page: str, heading: str) -> str:
    """The lines under a heading of the second level, up to the next one; raises PageError."""
    lines = page.splitlines(keepends=True)
    first, after = _bounds(lines, heading)
    return "".join(lines[first:after])


def without_section(page: str, heading: str) -> str:
    """The page with these lines left out; raises PageError."""
    lines = page.splitlines(keepends=True)
    first, after = _bounds(lines, heading)
    return "".join(lines[:first] + lines[after:])


def _bounds(lines: list[str], heading: str) -> tuple[int, int]:
    starts = [number for number, line in enumerate(lines) if line.startswith("## ")]
    for at, following in zip(starts, [*starts[1:], len(lines)], strict=True):
        if lines[at].strip() == f"## {heading}":
            return at, following
    raise PageError(line=len(lines), problem=f"there is no section {heading!r}")


def commands(block: Block) -> list[Command]:
    """The commands of a console block.

    Raises PageError for output without a command and for a command over several lines.
    """
    if block.lines and not block.lines[0].startswith(PROMPT):
        raise PageError(line=block.line, problem=f"a console block begins with {PROMPT!r}")
    return list(_commands(block))


def _commands(block: Block) -> Iterator[Command]:
    starts = [n for n, line in enumerate(block.lines) if line.startswith(PROMPT)]
    for start, end in zip(starts, [*starts[1:], len(block.lines)], strict=True):
        text = block.lines[start].removeprefix(PROMPT)
        if text.endswith("\\"):
            raise PageError(line=block.line + start, problem="write the command on one line")
        yield Command(text, block.line + start, block.lines[start + 1 : end])


def links(page: str) -> list[str]:
    """Targets of all links to other files of the repository."""
    return _LINK.findall(page)
