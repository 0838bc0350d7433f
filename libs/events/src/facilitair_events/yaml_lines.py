"""YAML whose values know their lines, so that a fault can be shown where it stands."""

from collections.abc import Hashable
from typing import Any

import yaml
from msgspec import Struct

from facilitair_events.errors import YamlError

YamlPath = tuple[str | int, ...]

# libyaml reads ten times as fast; PyYAML without it gives the same nodes.
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class YamlDocument(Struct, frozen=True, kw_only=True):
    """A parsed document; ``lines`` maps the path of each key or item to its line, from 1."""

    value: Any
    lines: dict[YamlPath, int]

    def line(self, *path: str | int) -> int:
        """The line of ``path``, or of the nearest part above it that exists."""
        for end in range(len(path), 0, -1):
            if path[:end] in self.lines:
                return self.lines[path[:end]]
        return self.lines.get((), 1)


def parse(text: str) -> YamlDocument:
    """Read one YAML document of plain data.

    Raises YamlError for a syntax fault, a second document, a tag that means more than data,
    a key that stands twice or is no text, and an alias (sizes must be what the reader sees).
    """
    loader = None
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        lines: dict[YamlPath, int] = {}
        if node is None:
            return YamlDocument(value=None, lines=lines)
        _walk(node, (), lines=lines, seen=set())
        return YamlDocument(value=loader.construct_document(node), lines=lines)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        reason = error.problem or error.context or "is not YAML"
        raise YamlError(line=mark.line + 1 if mark else 1, reason=reason) from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise YamlError(line=1, reason=f"is not YAML: {error}") from error
    finally:
        if loader is not None:
            loader.dispose()


def _walk(node: yaml.Node, path: YamlPath, *, lines: dict[YamlPath, int], seen: set[int]) -> None:
    lines.setdefault(path, node.start_mark.line + 1)
    if id(node) in seen:
        raise YamlError(line=node.start_mark.line + 1, reason="aliases are not allowed")
    seen.add(id(node))
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            child = (*path, _key(key))
            line = key.start_mark.line + 1
            if child in lines:
                raise YamlError(line=line, reason=f"{child[-1]!r} stands twice")
            lines[child] = line
            _walk(value, child, lines=lines, seen=seen)
    elif isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            _walk(item, (*path, index), lines=lines, seen=seen)


def _key(node: yaml.Node) -> str:
    plain: Hashable = node.value if isinstance(node, yaml.ScalarNode) else None
    if not isinstance(plain, str) or node.tag != "tag:yaml.org,2002:str":
        raise YamlError(line=node.start_mark.line + 1, reason="a key must be text; quote it")
    return plain
