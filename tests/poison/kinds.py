"""The ways in which a record can be poison, and records to poison."""

import json
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from msgspec import Struct, structs

from facilitair_events import codec
from facilitair_events.envelope import Envelope, to_headers
from facilitair_events.layout import checkout_root
from facilitair_events.registry import TopicSpec
from facilitair_messaging.ports import Message

PADDING: Final = 900 * 1024
UNKNOWN_TYPE: Final = b"facilitair.nobody.knows.v9"
FOREIGN_TENANT: Final = b"evil"


def _with_header(message: Message, name: str, value: bytes) -> Message:
    """The message with one header changed, or added where it stands on none."""
    kept = tuple(pair for pair in message.headers if pair[0] != name)
    return structs.replace(message, headers=(*kept, (name, value)))


def _wrong(message: Message, **more: object) -> Message:
    """Every field holds what no schema allows."""
    fields = {name: [[{}]] for name in json.loads(message.value or b"{}")}
    return structs.replace(message, value=json.dumps(fields | more).encode())


def _raw_newline(message: Message) -> Message:
    value = (message.value or b"{}").replace(b"{", b"{\n", 1)
    return structs.replace(message, value=value)


KINDS: Final[Mapping[str, Callable[[Message], Message]]] = {
    "not-json": lambda message: structs.replace(message, value=b'{"not json'),
    "wrong-schema": _wrong,
    "unknown-type": lambda message: _with_header(message, "ce_type", UNKNOWN_TYPE),
    "missing-headers": lambda message: structs.replace(message, headers=()),
    "wrong-tenant": lambda message: _with_header(message, "tenant", FOREIGN_TENANT),
    "900-kb": lambda message: _wrong(message, padding="x" * PADDING),
    "raw-newline": _raw_newline,
}
"""Between tokens of JSON a line break is legal: it is poison on the stream alone (R32)."""


def example(spec: TopicSpec, *, subject: str) -> Message:
    """A record that the topic may hold, about ``subject``: the least of its first type.

    A whole one names steps and workflows that nobody has.
    """
    name = spec.types[0]
    path = _examples() / name / "valid" / "minimal.json"
    fields = json.loads(path.read_text())
    subject = fields["provider"] if "provider" in spec.key.split(":") else subject
    named = {"collaboration": subject, "tenant": "local", "path": "a", "attempt": 1, "logic": 1}
    fields |= {field: value for field, value in named.items() if field in fields}
    if isinstance(fields.get("state"), dict):
        fields["state"]["logic"] = 1
    data = codec.decode(name, json.dumps(fields).encode())
    headers = to_headers(envelope_of(data, subject=subject))
    key = _key(spec.key, subject=subject)
    return Message(spec.name, key.encode(), codec.encode(data), headers)


def envelope_of(data: Struct, *, subject: str) -> Envelope:
    """An envelope of tenant ``local``."""
    return Envelope(
        id=str(uuid.uuid4()), type=codec.type_name(data), source="test",
        time="2026-01-01T00:00:00.000Z", subject=subject, tenant="local", project="default",
        actor="me", correlation="r",
    )  # fmt: skip


def _examples() -> Path:
    return checkout_root() / "schemas" / "examples"


def _key(pattern: str, *, subject: str) -> str:
    """A key of the declared form."""
    parts = {
        "tenant": "local",
        "collaboration": subject,
        "provider": subject,
        "path": "a",
        "kind": "claim",
    }
    return "|".join(
        ":".join(parts.get(part, f"{part.replace('_', '-')}1") for part in piece.split(":"))
        for piece in pattern.split("|")
    )
