"""Generate schemas/asyncapi.json: every topic, who writes and reads it, and every event type.

`make schemas` writes the file, `make schemas-check` fails when it is stale, the gateway serves it
at `/asyncapi.json`.
It is AsyncAPI 3.0 and follows from the topic files and the Structs alone, so the same checkout
gives the same bytes.
Servers are left out: they belong to a deployment.
"""

import argparse
import inspect
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from facilitair_events.envelope import SPEC_VERSION
from facilitair_events.errors import RegistryError
from facilitair_events.registry import Registry, TopicSpec
from facilitair_events.schemas import schema_of
from facilitair_events.types import LETTER_ACTIONS, TYPES

ROOT: Final = Path(__file__).resolve().parent.parent
FILE: Final = "schemas/asyncapi.json"

KAFKA_BINDING: Final = "0.5.0"
FOR_EVER_MS: Final = -1
"""How Kafka says that records never leave."""

ROLES: Final = (("send", "producers"), ("receive", "consumers"))

_DESCRIPTION: Final = (
    "What the services of Facilitair tell each other. Records are CloudEvents in binary mode:"
    " the headers say what a record is, the value is the JSON of its payload alone."
    " A type only ever gets new optional fields; readers ignore what they do not know."
)
_ENVELOPE: Final = (
    "ce_id",
    "ce_source",
    "ce_time",
    "ce_subject",
    "tenant",
    "project",
    "actor",
    "correlation",
)
_OPTIONAL: Final = ("causation", "traceparent", "seq")
_TOKEN: Final = "facilitair.token.v1"  # noqa: S105 - an event type
_TOKEN_HEADERS: Final = ("step", "attempt", "index")

Document = dict[str, Any]


class ClashError(Exception):
    """Two parts of the document claim one name."""

    def __init__(self, *, name: str, what: str) -> None:
        super().__init__(f"{name}: {what}; one name cannot mean two things in components")


def document(registry: Registry) -> Document:
    """The AsyncAPI document of all topics. Raises ClashError."""
    topics = sorted(registry.topics.values(), key=lambda spec: spec.name)
    return {
        "asyncapi": "3.0.0",
        "id": "urn:facilitair",
        "info": {
            "title": "Facilitair",
            "version": "1.0.0",
            "description": _DESCRIPTION,
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "channels": {spec.name: _channel(spec) for spec in topics},
        "operations": dict(
            _operation(service, action, topic=spec)
            for spec in topics
            for action, role in ROLES
            for service in sorted(getattr(spec, role))
        ),
        "components": {
            "messages": {name: _message(name, key=_key(name, topics)) for name in sorted(TYPES)},
            "schemas": _schemas(),
        },
    }


def text(registry: Registry) -> str:
    """The document as the file holds it."""
    return json.dumps(document(registry), indent=2, ensure_ascii=False) + "\n"


def main(arguments: Sequence[str] | None = None, *, root: Path = ROOT) -> int:
    """Write the file, or with --check say whether it is current; 0, 1, or 2 for broken topics."""
    parser = argparse.ArgumentParser(prog="python -m tools.asyncapi", description=__doc__)
    parser.add_argument("--check", action="store_true", help="fail instead of writing")
    options = parser.parse_args(arguments)
    try:
        wanted = text(Registry.load(root / "schemas" / "topics"))
    except (RegistryError, ClashError) as error:
        print(error, file=sys.stderr)
        return 2
    file = root / FILE
    if file.exists() and file.read_text(encoding="utf-8") == wanted:
        return 0
    if options.check:
        print(f"{FILE}: is stale: run `make schemas`", file=sys.stderr)
        return 1
    file.write_text(wanted, encoding="utf-8")
    print(FILE)
    return 0


def _channel(spec: TopicSpec) -> Document:
    configuration: Document = {"cleanup.policy": list(spec.cleanup) or ["delete"]}
    if not spec.cleanup or spec.retention_ms is not None:
        configuration["retention.ms"] = spec.retention_ms or FOR_EVER_MS
    configuration["max.message.bytes"] = spec.max_record_bytes
    return {
        "address": spec.name,
        "description": spec.description,
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in spec.types},
        "bindings": {
            "kafka": {
                "topic": spec.name,
                "partitions": spec.partitions,
                "topicConfiguration": configuration,
                "bindingVersion": KAFKA_BINDING,
            }
        },
        "x-key": spec.key,
        "x-partition-by": spec.partition_by,
    }


def _operation(service: str, action: str, *, topic: TopicSpec) -> tuple[str, Document]:
    """Without a list of messages an operation means all of its channel."""
    verb = "writes" if action == "send" else "reads"
    return f"{service}.{action}.{topic.name}", {
        "action": action,
        "channel": {"$ref": f"#/channels/{topic.name}"},
        "summary": f"{service} {verb} {topic.name}",
        "tags": [{"name": service}],
    }


def _message(name: str, *, key: str) -> Document:
    struct = TYPES[name]
    about = inspect.cleandoc(struct.__doc__ or "")
    message = {
        "name": name,
        "title": struct.__name__,
        "summary": about.partition("\n")[0],
        "description": about,
        "headers": _headers(name),
        "payload": {"$ref": f"#/components/schemas/{struct.__name__}"},
        "bindings": {
            "kafka": {
                "key": {"type": "string", "description": key},
                "bindingVersion": KAFKA_BINDING,
            }
        },
    }
    if name != _TOKEN:
        message["correlationId"] = {"location": "$message.header#/correlation"}
    return message


def _headers(name: str) -> Document:
    """``ce_type`` says which message of its channel a record is."""
    kind = {"ce_type": {"type": "string", "const": name}}
    plain = {"type": "string"}
    if name == _TOKEN:
        named = dict.fromkeys(_TOKEN_HEADERS, plain)
        return {"type": "object", "required": ["ce_type", *named], "properties": kind | named}
    version = {"ce_specversion": {"type": "string", "const": SPEC_VERSION}}
    named = dict.fromkeys((*_ENVELOPE, *_OPTIONAL), plain)
    return {
        "type": "object",
        "required": ["ce_specversion", "ce_type", *_ENVELOPE],
        "properties": version | kind | named,
    }


def _key(name: str, topics: Sequence[TopicSpec]) -> str:
    if name in LETTER_ACTIONS:
        return "that of the dead letter"
    return " or ".join(sorted({spec.key for spec in topics if name in spec.types}))


def _schemas() -> Document:
    """Every Struct that travels, by its name."""
    found: Document = {}
    for name in TYPES:
        for struct, schema in schema_of(name)["$defs"].items():
            moved = _moved(schema)
            if found.setdefault(struct, moved) != moved:
                raise ClashError(name=struct, what=f"{name} has another Struct of this name")
    return dict(sorted(found.items()))


def _moved(schema: Any) -> Any:
    """A schema whose references point into the document's components."""
    if isinstance(schema, list):
        return [_moved(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        key: value.replace("#/$defs/", "#/components/schemas/", 1)
        if key == "$ref" and isinstance(value, str)
        else _moved(value)
        for key, value in schema.items()
    }


if __name__ == "__main__":
    sys.exit(main())
