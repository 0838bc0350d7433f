"""Record headers: CloudEvents in binary mode, and ours."""

from datetime import UTC, datetime
from typing import Final

from msgspec import Struct

from facilitair_events.errors import HeaderError

Headers = tuple[tuple[str, bytes], ...]

SPEC_VERSION: Final = "1.0"
_CLOUD_EVENTS: Final = ("ce_id", "ce_type", "ce_source", "ce_time", "ce_subject")
_SEQ_DIGITS: Final = 18  # below 2**63; int() itself raises ValueError from 4,301 digits
_OWN: Final = ("tenant", "project", "actor", "correlation", "causation", "traceparent")


class Envelope(Struct, frozen=True, kw_only=True):
    """What every record but a token says about itself in its headers.

    ``id`` is unique for the fact: who writes a record again writes the same id.
    ``correlation`` is shared by all that one request caused, ``causation`` is the id of the direct cause.
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
    """Headers of a record, in a fixed order; absent values are left out."""
    e = envelope
    pairs = (
        ("ce_specversion", SPEC_VERSION),
        ("ce_id", e.id), ("ce_type", e.type), ("ce_source", e.source), ("ce_time", e.time), ("ce_subject", e.subject),
        ("tenant", e.tenant), ("project", e.project), ("actor", e.actor), ("correlation", e.correlation),
        ("causation", e.causation), ("traceparent", e.traceparent),
        ("seq", None if e.seq is None else str(e.seq)),
    )  # fmt: skip
    return tuple((name, value.encode()) for name, value in pairs if value is not None)


def from_headers(headers: Headers) -> Envelope:
    """Read an envelope; raises HeaderError naming the first header that is missing or unreadable."""
    found: dict[str, str] = {}
    for name, value in headers:
        try:
            found[name] = value.decode()
        except UnicodeDecodeError as error:
            raise HeaderError(header=name, reason="is not UTF-8") from error
    for name in (*_CLOUD_EVENTS, "tenant", "project", "actor", "correlation"):
        if not found.get(name):
            raise HeaderError(header=name, reason="is missing")
    seq = found.get("seq")
    if seq is not None and not (seq.isascii() and seq.isdigit() and len(seq) <= _SEQ_DIGITS):
        raise HeaderError(header="seq", reason="is not a number")
    return Envelope(
        **{name.removeprefix("ce_"): found[name] for name in _CLOUD_EVENTS},
        **{name: found[name] for name in _OWN if name in found},
        seq=None if seq is None else int(seq),
    )


def header(headers: Headers, name: str) -> bytes | None:
    """The value of one header, or None: the cheap way for hot paths."""
    for key, value in headers:
        if key == name:
            return value
    return None
