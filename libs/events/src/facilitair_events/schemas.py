"""JSON Schemas of the event types, generated from their Structs (draft 2020-12)."""

import inspect
import re
from pathlib import PurePosixPath
from typing import Any, Final

import msgspec
from msgspec import Struct

from facilitair_events.errors import UnknownTypeError
from facilitair_events.types import TYPES

Schema = dict[str, Any]

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
TYPE_NAME: Final = re.compile(r"facilitair\.[a-z]+(\.[a-z]+)?\.v[1-9][0-9]*")
"""``facilitair.<subject>.<action>.v<major>``; only the token has no action."""


def schema_of(name: str) -> Schema:
    """The schema of a type, the same for the same Structs. Raises UnknownTypeError."""
    if name not in TYPES:
        raise UnknownTypeError(type_name=name)
    return struct_schema(name, TYPES[name])


def struct_schema(name: str, struct: type[Struct]) -> Schema:
    """The schema of any Struct under the name of a type."""
    generated = msgspec.json.schema(struct)
    definitions = {
        title: _documented(definition) for title, definition in sorted(generated["$defs"].items())
    }
    return {
        "$schema": DIALECT,
        "$id": f"urn:facilitair:event:{name}",
        "title": name,
        "$ref": generated["$ref"],
        "$defs": definitions,
    }


def schema_file(name: str) -> PurePosixPath:
    """Where a schema lies under ``schemas/events``: by subdomain, subject and action."""
    subdomain = TYPES[name].__module__.rpartition(".")[2]
    *kind, version = name.removeprefix("facilitair.").split(".")
    return PurePosixPath(subdomain) / f"{'-'.join(kind)}.{version}.schema.json"


def _documented(definition: Schema) -> Schema:
    if "description" not in definition:
        return definition
    return {**definition, "description": inspect.cleandoc(definition["description"])}
