"""Between records of the log and Structs: what is appended, and what was read."""

import re
from typing import Final

from msgspec import Struct

from facilitair_events.codec import decode, encode, type_name
from facilitair_events.envelope import Envelope, from_headers, to_headers
from facilitair_events.errors import EventsError
from facilitair_messaging.errors import EnvelopeMismatchError, UnreadableRecordError
from facilitair_messaging.ports import Message, Record

# The codec quotes a wrong value where the choices are fixed; reasons travel in headers and logs.
_QUOTED_VALUE: Final = re.compile(r"(?<=Invalid enum value ).*?(?= - at `|$)", re.DOTALL)
_REASON_CHARS: Final = 200


class Incoming(Struct, frozen=True, gc=False):
    """A record that could be read: as it lies in the log, and what it says."""

    record: Record
    envelope: Envelope
    data: Struct


def message(*, topic: str, key: str, data: Struct, envelope: Envelope) -> Message:
    """Build the record of one Struct.

    Raises EnvelopeMismatchError when the envelope names another type than ``data`` has, and the
    codec's UnknownTypeError for a Struct that is not registered.
    """
    name = type_name(data)
    if envelope.type != name:
        raise EnvelopeMismatchError(declared=envelope.type, actual=name)
    return Message(topic, key.encode(), encode(data), to_headers(envelope))


def read(record: Record) -> Incoming:
    """Decode a record. Raises UnreadableRecordError, which is permanent, naming what is wrong.

    It needs the whole envelope: tokens carry fewer headers (R31) and have their own readers.
    A reason never quotes the value.
    """
    if record.key is None:
        raise _unreadable(record, "the key is null")
    if record.value is None:
        raise _unreadable(record, "the value is null")
    try:
        envelope = from_headers(record.headers)
        data = decode(envelope.type, record.value)
    except EventsError as error:
        raise _unreadable(record, str(error)) from error
    return Incoming(record, envelope, data)


def check_owner(incoming: Incoming, *, tenant: str, subject: str) -> None:
    """Check that a record's headers are of the owner that its key gives.

    The key decides where a record lies and whose it is. Raises UnreadableRecordError.
    """
    if (incoming.envelope.tenant, incoming.envelope.subject) != (tenant, subject):
        raise _unreadable(incoming.record, "its headers are of another owner than its key")


def caused_by(
    cause: Envelope,
    *,
    id: str,  # noqa: A002 - the name of the header it fills
    data: Struct,
    source: str,
    time: str,
    subject: str,
) -> Envelope:
    """Continue from the record that caused ``data``: its correlation, tenant, actor and trace.

    ``id`` is uuid5 of the cause wherever a replay must write it again.
    ``time`` is RFC 3339, as ``envelope.timestamp`` gives it.
    """
    return Envelope(
        id=id,
        type=type_name(data),
        source=source,
        time=time,
        subject=subject,
        tenant=cause.tenant,
        project=cause.project,
        actor=cause.actor,
        correlation=cause.correlation,
        causation=cause.id,
        traceparent=cause.traceparent,
    )


def _unreadable(record: Record, reason: str) -> UnreadableRecordError:
    told = _QUOTED_VALUE.sub("(not shown)", reason)
    return UnreadableRecordError(
        topic=record.topic,
        partition=record.partition,
        offset=record.offset,
        reason=told if len(told) <= _REASON_CHARS else told[:_REASON_CHARS] + "…",
    )
