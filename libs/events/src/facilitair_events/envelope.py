"""Record headers: CloudEvents in binary mode, and ours."""

import re
from datetime import UTC, datetime
from typing import Final

from msgspec import Struct

from facilitair_events.errors import HeaderError

Headers = tuple[tuple[str, bytes], ...]

SPEC_VERSION: Final = "1.0"

_FIELDS: Final = {
    "ce_id": "id",
    "ce_type": "type",
    "ce_source": "source",
    "ce_time": "time",
    "ce_subject": "subject",
    "tenant": "tenant",
    "project": "project",
    "actor": "actor",
    "correlation": "correlation",
    "causation": "causation",
    "traceparent": "traceparent",
    "seq": "seq",
}
_OPTIONAL: Final = frozenset({"causation", "traceparent", "seq"})
_SEQ: Final = re.compile(r"[1-9][0-9]{0,17}")


class Envelope(Struct, frozen=True, kw_only=True):
    """What every record but a token says about itself in its headers.

    ``id`` is unique for the fact: who writes a record again writes the same id.
    ``correlation`` is shared by all that one request caused.
    ``causation`` is the id of the direct cause.
    ``seq`` stands on public events only (R31).
    """

    id: str
    type: str
    source: str
    time: str
    subject: str
    tenant: str
    project: str
    actor: str
    correlation: str
    causation: str | None = None
    traceparent: str | None = None
    seq: int | None = None


def instant(at_ms: int) -> datetime:
    """Milliseconds since the epoch as an aware UTC datetime."""
    return datetime.fromtimestamp(at_ms // 1000, UTC).replace(microsecond=at_ms % 1000 * 1000)


def timestamp(at_ms: int) -> str:
    """RFC 3339 in UTC with milliseconds, for ``ce_time``."""
    return instant(at_ms).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def to_headers(envelope: Envelope) -> Headers:
    """Headers of a record, in a fixed order; absent values are left out.

    Raises HeaderError for a value that ``from_headers`` would refuse.
    """
    headers = [("ce_specversion", SPEC_VERSION.encode())]
    for name, field in _FIELDS.items():
        value = getattr(envelope, field)
        if value is not None:
            headers.append((name, _encoded(name, str(value))))
        elif name not in _OPTIONAL:
            raise HeaderError(header=name, reason="is missing")
    return tuple(headers)


def from_headers(headers: Headers) -> Envelope:
    """Read an envelope; headers that are not ours are ignored.

    Raises HeaderError naming the first one that is missing, stands twice or cannot be read.
    """
    found: dict[str, str] = {}
    for name, value in headers:
        if name not in _FIELDS:
            continue
        if name in found:
            raise HeaderError(header=name, reason="stands twice")
        found[name] = _decoded(name, value)
    for name in _FIELDS:
        if name not in found and name not in _OPTIONAL:
            raise HeaderError(header=name, reason="is missing")
    seq = found.pop("seq", None)
    fields = {_FIELDS[name]: value for name, value in found.items()}
    return Envelope(**fields, seq=None if seq is None else int(seq))


def header(headers: Headers, name: str) -> bytes | None:
    """The value of one header, or None: the cheap way for hot paths."""
    for key, value in headers:
        if key == name:
            return value
    return None


def _encoded(name: str, value: str) -> bytes:
    _check(name, value)
    try:
        return value.encode()
    except UnicodeEncodeError as error:
        raise HeaderError(header=name, reason="cannot be written as UTF-8") from error


def _decoded(name: str, value: bytes) -> str:
    try:
        text = value.decode()
    except UnicodeDecodeError as error:
        raise HeaderError(header=name, reason="is not UTF-8") from error
    _check(name, text)
    return text


def _check(name: str, value: str) -> None:
    if not value:
        raise HeaderError(header=name, reason="is empty")
    if name == "seq" and _SEQ.fullmatch(value) is None:
        raise HeaderError(header=name, reason="is not a number from 1")
