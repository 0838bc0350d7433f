"""Whether the JSON Schema of an output can be used."""

from collections.abc import Iterator
from typing import Any, Final

from jsonschema import Draft202012Validator

from facilitair_workflows.patterns import fault
from facilitair_workflows.yaml_positions import YamlList, YamlMap, YamlNode

Path = tuple[str | int, ...]

_REFERENCES: Final = ("$ref", "$dynamicRef", "$recursiveRef")
_DATA: Final = ("enum", "const", "default", "examples")
_SHOWN: Final = 200
_BY_NAME: Final = ("properties", "patternProperties", "$defs", "definitions", "dependentSchemas")


def schema_faults(schema: dict[str, Any]) -> Iterator[tuple[Path, str]]:
    """What is wrong with a schema, each with the path of keys and positions to it.

    A schema must stand alone: a reference could lead to a file, to a server, or back to itself.
    """
    meta = Draft202012Validator(
        Draft202012Validator.META_SCHEMA, format_checker=Draft202012Validator.FORMAT_CHECKER
    )
    told: set[Path] = set()
    for error in meta.iter_errors(schema):
        told.add(tuple(error.absolute_path))
        yield tuple(error.absolute_path), f"not a JSON Schema: {_short(error.message)}"
    yield from ((path, wrong) for path, wrong in pattern_faults(schema) if path not in told)


def pattern_faults(schema: Any, path: Path = ()) -> Iterator[tuple[Path, str]]:
    """What is wrong with the patterns in a schema: an answer is matched against each of them."""
    if isinstance(schema, list):
        for position, item in enumerate(schema):
            yield from pattern_faults(item, (*path, position))
    if not isinstance(schema, dict):
        return
    for key, value in schema.items():
        here = (*path, key)
        if key == "pattern" and isinstance(value, str):
            wrong = fault(value)
            yield from [(here, wrong)] if wrong is not None else []
        elif key == "patternProperties":
            yield here, "patternProperties is not supported; use propertyNames with a pattern"
        elif key in _BY_NAME and isinstance(value, dict):
            for name, inner in value.items():
                yield from pattern_faults(inner, (*here, name))
        elif key not in _DATA:
            yield from pattern_faults(value, here)


def reference_paths(node: YamlNode, path: Path = ()) -> Iterator[Path]:
    """The paths of all references in a schema as written."""
    if isinstance(node, YamlList):
        for position, item in enumerate(node.items):
            yield from reference_paths(item, (*path, position))
    if not isinstance(node, YamlMap):
        return
    for key, entry in node.entries.items():
        if key in _REFERENCES:
            yield (*path, key)
        elif key in _BY_NAME and isinstance(entry.value, YamlMap):
            for name, inner in entry.value.entries.items():
                yield from reference_paths(inner.value, (*path, key, name))
        elif key not in _DATA:
            yield from reference_paths(entry.value, (*path, key))


def _short(message: str) -> str:
    return message if len(message) <= _SHOWN else f"{message[:_SHOWN]}…"
