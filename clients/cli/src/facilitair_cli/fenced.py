"""Fenced blocks of Markdown whose info string names a file. Pure.

The convention is the language, a space and the file name: ``python primes.py``.
``path=…`` and ``title=…`` are understood too, and a file name alone.
"""

import re
from collections.abc import Iterator
from typing import Final

from msgspec import Struct

_OPENING: Final = re.compile(r"(?P<indent> {0,3})(?P<fence>`{3,}|~{3,})(?P<info>.*)")
_ATTRIBUTE: Final = re.compile(
    r"(?:^|[\s{,])(?:path|title|file|filename)\s*=\s*(?:\"([^\"]*)\"|'([^']*)'|([^\s,}]+))"
)
_SUFFIX: Final = re.compile(r"[^/.][^/]*\.[A-Za-z][A-Za-z0-9_+-]{0,15}")
_NO_SUFFIX: Final = frozenset(
    {"Containerfile", "Dockerfile", "Jenkinsfile", "LICENSE", "Makefile", "NOTICE", "Procfile"}
)
_LANGUAGES_WITH_DOT: Final = frozenset({"asp.net", "vb.net"})


class NamedBlock(Struct, frozen=True):
    """A block and the file that its info string names, as it stands there."""

    file: str
    text: str


def named_blocks(markdown: str) -> list[NamedBlock]:
    """All closed blocks that name a file, in order; a cut one is left out."""
    return [
        NamedBlock(file=name, text=text)
        for info, text in _blocks(markdown)
        if (name := file_named_by(info)) is not None
    ]


def file_named_by(info: str) -> str | None:
    """The file that an info string names, if it does."""
    attribute = _ATTRIBUTE.search(info)
    if attribute is not None:
        return next((group for group in attribute.groups() if group), None)
    words = info.split()
    if len(words) == 1 and words[0].lower() in _LANGUAGES_WITH_DOT:
        return None
    return next((word.strip("`") for word in words[:2] if _looks_like_file(word.strip("`"))), None)


def _looks_like_file(word: str) -> bool:
    name = word.rpartition("/")[2]
    if name in _NO_SUFFIX or (name.startswith(".") and len(name) > 1):
        return True
    return _SUFFIX.fullmatch(name) is not None


def _blocks(markdown: str) -> Iterator[tuple[str, str]]:
    """Info string and text of every closed block, fences and indentation as in CommonMark."""
    fence, info, indent = "", "", 0
    lines: list[str] = []
    for line in markdown.splitlines(keepends=True):
        bare = line.rstrip("\r\n")
        if not fence:
            opening = _OPENING.fullmatch(bare)
            if opening is None or (opening["fence"][0] == "`" and "`" in opening["info"]):
                continue
            fence, info = opening["fence"], opening["info"].strip()
            indent, lines = len(opening["indent"]), []
        elif _closes(bare, fence):
            yield info, "".join(lines)
            fence = ""
        else:
            lines.append(_outdented(line, indent))


def _closes(line: str, fence: str) -> bool:
    stripped = line.strip(" \t")
    indent = len(line) - len(line.lstrip(" "))
    return indent <= 3 and len(stripped) >= len(fence) and not stripped.strip(fence[0])  # noqa: PLR2004 - CommonMark


def _outdented(line: str, indent: int) -> str:
    spaces = len(line) - len(line.lstrip(" "))
    return line[min(indent, spaces) :]
