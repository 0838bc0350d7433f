"""What is appended when a letter is put back, and whether a corrected record can be read. Pure."""

import hashlib
from collections.abc import Collection, Mapping
from typing import Any, Final

import jsonschema
import msgspec
from jsonschema.exceptions import best_match
from msgspec import Struct

from facilitair_events.codec import decode, encode
from facilitair_events.envelope import Headers, from_headers
from facilitair_events.errors import EventsError, HeaderError
from facilitair_events.requests import Fault
from facilitair_events.schemas import schema_of
from facilitair_events.types import TYPES
from facilitair_gateway.errors import RequestFaultsError
from facilitair_gateway.letters.letter import (
    EDITOR,
    LINEAGE,
    PARENT,
    REPLAY,
    Letter,
    own_headers,
    owner_of,
)
from facilitair_messaging.dead_letters import PREFIX
from facilitair_messaging.ports import Message

_MOST_FAULTS: Final = 50
_MESSAGE_CHARS: Final = 200
_MOST_HEADERS: Final = 16
"""More than an envelope has: a header that is wrong is looked at once."""

_OURS: Final = (PREFIX, *sorted(LINEAGE))


class Correction(Struct, frozen=True, kw_only=True):
    """A record that can be read where the letter's own could not. ``data`` is what it says."""

    value: bytes
    headers: Headers
    data: Struct

    @property
    def sha256(self) -> str:
        """Of the value, in hex."""
        return hashlib.sha256(self.value).hexdigest()


def put_back(
    letter: Letter, *, replay: int, correction: Correction | None, editor: str | None
) -> Message:
    """The record of a letter for its original topic: the same key, and with it the partition.

    Value and headers are the original bytes unless corrected; headers say which letter it was.
    """
    headers = own_headers(letter) if correction is None else correction.headers
    lineage = [(PARENT, letter.id.encode()), (REPLAY, str(replay).encode())]
    if editor is not None:
        lineage.append((EDITOR, editor.encode()))
    return Message(
        topic=letter.topic,
        key=letter.record.key or b"",
        value=letter.record.value if correction is None else correction.value,
        headers=(*headers, *lineage),
    )


def corrected(
    letter: Letter,
    *,
    value: Any,
    headers: Mapping[str, str | None],
    types: Collection[str],
) -> Correction:
    """The record of a letter with another value, and with some headers set or (None) removed.

    ``value`` is plain data, checked against the schema of the type that the headers name, which is
    one of ``types``, those that the topic carries.
    A field that the schema does not know is a fault, because readers would ignore it in silence.
    Raises RequestFaultsError with everything that is wrong.
    """
    changed, faults = _with_headers(letter, headers)
    name = _type_of(changed)
    faults += _header_faults(changed, letter, types=types)
    if name in TYPES and name in types:
        faults += _value_faults(name, value)
    if faults:
        raise RequestFaultsError(faults=tuple(faults[:_MOST_FAULTS]))
    try:
        data = decode(name, msgspec.json.encode(value))
        written = encode(data)
    except EventsError as error:
        raise RequestFaultsError(faults=(_fault(f"value: {error}", field="value"),)) from error
    return Correction(value=written, headers=changed, data=data)


def _with_headers(letter: Letter, wanted: Mapping[str, str | None]) -> tuple[Headers, list[Fault]]:
    faults = [
        _fault(f"header {name!r} is written by us; leave it out", field=f"headers.{name}")
        for name in wanted
        if name.startswith(_OURS)
    ]
    kept = [pair for pair in own_headers(letter) if pair[0] not in wanted]
    added = [(name, text.encode()) for name, text in wanted.items() if text is not None]
    return (*kept, *added), faults


def _type_of(headers: Headers) -> str:
    return next(
        (value.decode(errors="replace") for name, value in headers if name == "ce_type"), ""
    )


def _header_faults(headers: Headers, letter: Letter, *, types: Collection[str]) -> list[Fault]:
    """Everything that keeps the headers from being an envelope, or from fitting the key."""
    faults = []
    for _ in range(_MOST_HEADERS):
        try:
            envelope = from_headers(headers)
        except HeaderError as error:
            name = error.header
            faults.append(_fault(f"{error}", field=f"headers.{name}"))
            # With something in its place the next fault shows.
            headers = (*(pair for pair in headers if pair[0] != name), (name, b"1"))
        else:
            break
    else:
        return faults
    named = {fault.field for fault in faults}
    if envelope.type not in types and "headers.ce_type" not in named:
        known = ", ".join(types)
        reason = f"header 'ce_type' is {envelope.type[:64]!r}; {letter.topic} carries {known}"
        faults.append(_fault(reason, field="headers.ce_type"))
    tenant, collaboration = owner_of(letter.record.key)
    owned = (
        ("tenant", tenant, envelope.tenant),
        ("ce_subject", collaboration, envelope.subject),
    )
    for name, wanted, told in owned:
        if wanted not in {None, told} and f"headers.{name}" not in named:
            reason = f"header {name!r} is {told[:64]!r}, the key says {wanted!r}"
            faults.append(_fault(reason, field=f"headers.{name}"))
    return faults


def _value_faults(name: str, value: Any) -> list[Fault]:
    validator = jsonschema.Draft202012Validator(_closed(schema_of(name)))
    # Of the alternatives of a field that may be null the one is told that was meant.
    found = [best_match([error]) or error for error in validator.iter_errors(value)]
    found.sort(key=lambda error: error.json_path)
    return [
        _fault(f"{_path(error)}: {error.message}"[:_MESSAGE_CHARS], field=_path(error))
        for error in found
    ]


def _path(error: jsonschema.ValidationError) -> str:
    return "value" + error.json_path.removeprefix("$")


def _closed(schema: Any) -> Any:
    """A schema whose objects take no field that they do not name."""
    if isinstance(schema, list):
        return [_closed(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {name: _closed(item) for name, item in schema.items()}
    if isinstance(closed.get("properties"), dict) and closed.get("type") == "object":
        closed.setdefault("additionalProperties", False)
    return closed


def _fault(message: str, *, field: str) -> Fault:
    return Fault(code="invalid_field", message=message, field=field)
