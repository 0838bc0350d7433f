"""YAML read into a tree that knows its lines.

Only what definitions need is accepted: one document, text keys, plain scalars as in YAML 1.2.
Anchors, aliases and tags are refused, so a small file cannot become a large value.
"""

import math
import re
from collections.abc import Iterator
from typing import Any, Final

import yaml
from msgspec import Struct

MAX_FILE_BYTES: Final = 256 * 1024
MAX_DEPTH: Final = 40

_INTEGER: Final = re.compile(r"[-+]?[0-9]{1,18}")
_NUMBER: Final = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]{1,3})?")
_WORDS: Final[dict[str, bool | None]] = {
    "": None, "~": None, "null": None, "Null": None, "NULL": None,
    "true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False,
}  # fmt: skip


class YamlScalar(Struct, frozen=True, kw_only=True):
    """A text, number, truth value or null.

    ``literal``: written with ``|``, so its text begins on the next line.
    """

    line: int
    value: str | int | float | bool | None
    literal: bool = False


class YamlList(Struct, frozen=True, kw_only=True):
    """A sequence of nodes."""

    line: int
    items: "tuple[YamlNode, ...]"


class YamlEntry(Struct, frozen=True, kw_only=True):
    """A value of a mapping; ``line`` is the line of its key."""

    line: int
    value: "YamlNode"


class YamlMap(Struct, frozen=True, kw_only=True):
    """A mapping with text keys, in the order of the file."""

    line: int
    entries: dict[str, YamlEntry]


YamlNode = YamlScalar | YamlList | YamlMap


class LineFault(Struct, frozen=True, kw_only=True):
    """What is wrong at a line, counted from 1."""

    line: int
    message: str


class YamlRefusedError(Exception):
    """The text cannot be read any further."""

    def __init__(self, *, line: int, reason: str) -> None:
        self.fault = LineFault(line=line, message=reason)
        super().__init__(f"line {line}: {reason}")


class _Open(Struct, kw_only=True):
    """A container whose end was not read yet; ``key`` is the key that waits for its value."""

    line: int
    mapping: bool
    items: list[YamlNode]
    entries: dict[str, YamlEntry]
    key: YamlScalar | None = None


def read(data: bytes) -> tuple[YamlNode | None, list[LineFault]]:
    """The tree of a file and what is wrong with its writing.

    The tree is None when there is nothing to go on with.
    A repeated key is a fault and its first value stays.
    """
    faults: list[LineFault] = []
    try:
        return _build(_events(_text(data)), faults), faults
    except YamlRefusedError as error:
        return None, [*faults, error.fault]
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        reason = f"not YAML: {error.problem or error.context}"
        return None, [*faults, LineFault(line=line, message=reason)]
    except (yaml.YAMLError, ValueError, OverflowError) as error:
        # The scanner lets ValueError through for escapes like "\UFFFFFFFF".
        reason = f"not YAML: {str(error).splitlines()[0]}"
        return None, [*faults, LineFault(line=1, message=reason)]


def locate(node: YamlNode, path: tuple[str | int, ...]) -> int:
    """The line of the deepest node that ``path`` (keys and positions) leads to."""
    line = node.line
    for part in path:
        if isinstance(node, YamlMap) and isinstance(part, str) and part in node.entries:
            entry = node.entries[part]
            line, node = entry.line, entry.value
        elif isinstance(node, YamlList) and isinstance(part, int) and part < len(node.items):
            node = node.items[part]
            line = node.line
        else:
            break
    return line


def find(node: YamlNode, path: tuple[str | int, ...]) -> YamlNode | None:
    """The node that ``path`` leads to, or None."""
    found: YamlNode | None = node
    for part in path:
        if isinstance(found, YamlMap) and isinstance(part, str) and part in found.entries:
            found = found.entries[part].value
        elif isinstance(found, YamlList) and isinstance(part, int) and part < len(found.items):
            found = found.items[part]
        else:
            return None
    return found


def plain(node: YamlNode) -> Any:
    """The node as ordinary values, without lines."""
    if isinstance(node, YamlMap):
        return {key: plain(entry.value) for key, entry in node.entries.items()}
    if isinstance(node, YamlList):
        return [plain(item) for item in node.items]
    return node.value


def _text(data: bytes) -> str:
    if len(data) > MAX_FILE_BYTES:
        raise YamlRefusedError(
            line=1, reason=f"the file has {len(data)} bytes, at most {MAX_FILE_BYTES} are read"
        )
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise YamlRefusedError(
            line=line, reason="not UTF-8; save the file as UTF-8 text"
        ) from error
    if not text.strip():
        raise YamlRefusedError(line=1, reason="the file is empty")
    return text


def _events(text: str) -> Iterator[yaml.Event]:
    """The parser's events, with everything refused that definitions do not need."""
    documents = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        line = _line(event)
        if isinstance(event, yaml.DocumentStartEvent):
            documents += 1
            if documents > 1:
                raise YamlRefusedError(
                    line=line, reason="a second document; one file is one definition"
                )
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) is not None:
            raise YamlRefusedError(
                line=line, reason="anchors and aliases are not allowed; write it out"
            )
        if getattr(event, "tag", None) is not None:
            raise YamlRefusedError(
                line=line, reason="tags (!…) are not allowed; write the plain value"
            )
        yield event


def _line(event: yaml.Event) -> int:
    return event.start_mark.line + 1 if event.start_mark else 1


def _build(events: Iterator[yaml.Event], faults: list[LineFault]) -> YamlNode | None:
    """Build the tree with a stack of its own, so that depth costs no recursion."""
    stack: list[_Open] = []
    root: YamlNode | None = None
    for event in events:
        node: YamlNode | None = None
        if isinstance(event, yaml.MappingStartEvent | yaml.SequenceStartEvent):
            _open(event, stack)
        elif isinstance(event, yaml.MappingEndEvent | yaml.SequenceEndEvent):
            node = _closed(stack.pop())
        elif isinstance(event, yaml.ScalarEvent):
            node = _scalar(event)
        if node is None:
            continue
        if stack:
            _place(node, stack[-1], faults=faults)
        else:
            root = node
    if root is None or (isinstance(root, YamlScalar) and root.value is None):
        raise YamlRefusedError(line=1, reason="the file is empty")
    return root


def _open(event: yaml.Event, stack: list[_Open]) -> None:
    line = _line(event)
    if len(stack) >= MAX_DEPTH:
        raise YamlRefusedError(line=line, reason=f"nested deeper than {MAX_DEPTH} levels")
    if stack and stack[-1].mapping and stack[-1].key is None:
        raise YamlRefusedError(line=line, reason="a key must be a text")
    mapping = isinstance(event, yaml.MappingStartEvent)
    stack.append(_Open(line=line, mapping=mapping, items=[], entries={}))


def _closed(container: _Open) -> YamlNode:
    if container.mapping:
        return YamlMap(line=container.line, entries=container.entries)
    return YamlList(line=container.line, items=tuple(container.items))


def _place(node: YamlNode, container: _Open, *, faults: list[LineFault]) -> None:
    if not container.mapping:
        container.items.append(node)
        return
    if container.key is None:
        if not isinstance(node, YamlScalar) or not isinstance(node.value, str):
            raise YamlRefusedError(line=node.line, reason="a key must be a text; put it in quotes")
        container.key = node
        return
    key, container.key = container.key, None
    name = str(key.value)
    if name in container.entries:
        first = container.entries[name].line
        message = f"the key {name!r} is here twice; the first is on line {first}"
        faults.append(LineFault(line=key.line, message=message))
        return
    container.entries[name] = YamlEntry(line=key.line, value=node)


def _scalar(event: yaml.ScalarEvent) -> YamlScalar:
    line = _line(event)
    text = event.value
    if "\0" in text or any("\ud800" <= char <= "\udfff" for char in text):
        raise YamlRefusedError(line=line, reason="a text holds a character that is no character")
    value = _core(text) if event.implicit[0] else text
    return YamlScalar(line=line, value=value, literal=event.style == "|")


def _core(text: str) -> str | int | float | bool | None:
    """A plain scalar by the core schema: no yes/no, no dates, no octals."""
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.fullmatch(text):
        return int(text)
    if _NUMBER.fullmatch(text) and math.isfinite(number := float(text)):
        return number
    return text
