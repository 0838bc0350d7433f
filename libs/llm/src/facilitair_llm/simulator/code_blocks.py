"""Fenced blocks of Markdown; the info string is the language and, after a space, the file."""

import re

from msgspec import Struct

_FENCE = re.compile(r"(`{3,}|~{3,})[ \t]*([^`]*)")


class CodeBlock(Struct, frozen=True):
    """One block; language and file are empty where the info string does not say."""

    language: str
    file: str
    text: str

    @property
    def is_python(self) -> bool:
        """Whether the block says that it is Python, or says nothing."""
        if self.file:
            return self.file.endswith(".py")
        return self.language in {"", "python", "py", "python3"}


def find_blocks(text: str) -> list[CodeBlock]:
    """Return all blocks in order; one that is not closed goes on to the end."""
    return [block for block, _, _ in _locate_blocks(text)]


def without_python_blocks(text: str) -> str:
    """Return the text around the Python blocks."""
    kept = [0]
    for block, start, end in _locate_blocks(text):
        if block.is_python:
            kept += [start, end]
    edges = [*kept, len(text)]
    return "".join(text[a:b] for a, b in zip(edges[::2], edges[1::2], strict=True))


def _locate_blocks(text: str) -> list[tuple[CodeBlock, int, int]]:
    """Return blocks with their places, line by line so that the time grows with the length only."""
    found: list[tuple[CodeBlock, int, int]] = []
    opened: tuple[str, str, int, int] | None = None
    place = 0
    for line in text.split("\n"):
        end = min(place + len(line) + 1, len(text))
        match = _FENCE.fullmatch(line.rstrip())
        if match is not None and opened is None:
            opened = (match[1], match[2], place, end)
        elif match is not None and opened is not None and _closes(match, opened[0]):
            _, info, start, inside = opened
            found.append((_build_block(info, text[inside:place]), start, end))
            opened = None
        place = end
    if opened is not None:
        _, info, start, inside = opened
        found.append((_build_block(info, text[inside:]), start, len(text)))
    return found


def _closes(match: re.Match[str], fence: str) -> bool:
    return not match[2] and match[1].startswith(fence)


def _build_block(info: str, text: str) -> CodeBlock:
    language, _, file = info.strip().partition(" ")
    if "." in language and not file:
        language, file = "", language
    return CodeBlock(language=language.lower(), file=file.strip(), text=text)


def fence(text: str, *, language: str, file: str) -> str:
    """Return the block; the text must hold no fence of its own."""
    return f"```{language} {file}\n{text.rstrip()}\n```"
