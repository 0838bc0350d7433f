"""Fenced blocks of Markdown; the info string is the language and, after a space, the file."""

import re

from msgspec import Struct

_FENCED = re.compile(
    r"^(?P<fence>`{3,}|~{3,})[ \t]*(?P<info>[^\n`]*)\n(?P<text>.*?)^(?P=fence)[ \t]*$",
    re.MULTILINE | re.DOTALL,
)


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
    """Return all closed blocks in order."""
    blocks = []
    for match in _FENCED.finditer(text):
        language, _, file = match["info"].strip().partition(" ")
        if "." in language and not file:
            language, file = "", language
        blocks.append(CodeBlock(language=language.lower(), file=file.strip(), text=match["text"]))
    return blocks


def without_python_blocks(text: str) -> str:
    """Return the text around the Python blocks."""
    kept = [0]
    for match, block in zip(_FENCED.finditer(text), find_blocks(text), strict=True):
        if block.is_python:
            kept += [match.start(), match.end()]
    edges = [*kept, len(text)]
    return "".join(text[a:b] for a, b in zip(edges[::2], edges[1::2], strict=True))


def fence(text: str, *, language: str, file: str) -> str:
    """Return the block; the text must hold no fence of its own."""
    return f"```{language} {file}\n{text.rstrip()}\n```"
