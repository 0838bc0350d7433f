"""Failing a key of which nothing, or nothing any more, can be read."""

from typing import Any

from facilitair_events.envelope import Envelope, from_headers, header, timestamp
from facilitair_events.errors import EventsError, KeyFormatError
from facilitair_events.ids import derive
from facilitair_events.requests import Parked
from facilitair_events.types import NAMES, TYPES
from facilitair_messaging.messages import caused_by, message
from facilitair_messaging.ports import Message, Record
from facilitair_runtime.reducing.config import Reducer

_UNKNOWN = "unknown"


def may_be_first(reducer: Reducer[Any], record: Record, *, key: str) -> bool:
    """Whether an unreadable record may have begun its key, so that somebody waits for it.

    It does not when its key names nobody, or its type is known to be of a later record.
    """
    if not reducer.first_types:
        return False
    try:
        reducer.owner_of(key)
    except KeyFormatError:
        return False
    name = (header(record.headers, "ce_type") or b"").decode(errors="replace")
    return name in reducer.first_types or name not in TYPES


def context_of(reducer: Reducer[Any], record: Record, *, key: str) -> Envelope:
    """What follows from an unreadable record continues this: the owner is that of the key."""
    tenant, subject = reducer.owner_of(key)
    try:
        envelope = from_headers(record.headers)
    except EventsError:
        envelope = None
    if envelope is not None and (envelope.tenant, envelope.subject) == (tenant, subject):
        return envelope
    place = f"{record.topic}[{record.partition}]@{record.offset}"
    return owned_by(reducer, tenant=tenant, subject=subject, name=place, at_ms=record.timestamp_ms)


def owned_by(
    reducer: Reducer[Any], *, tenant: str, subject: str, name: str, at_ms: int
) -> Envelope:
    """What continues where no envelope can be read; ``name`` tells it from others."""
    ident = derive("unreadable", name)
    return Envelope(
        id=ident,
        type=NAMES[Parked],
        source=reducer.service,
        time=timestamp(at_ms),
        subject=subject,
        tenant=tenant,
        project=_UNKNOWN,
        actor=_UNKNOWN,
        correlation=ident,
    )


def parked_message(
    reducer: Reducer[Any], data: Parked, *, key: str, cause: Envelope, at_ms: int
) -> Message:
    """The record that will fail a parked key. However often it is written, its id is one."""
    envelope = caused_by(
        cause,
        id=derive(reducer.inbox, key, "parked", str(data.offset)),
        data=data,
        source=reducer.service,
        time=timestamp(at_ms),
        subject=cause.subject,
    )
    return message(topic=reducer.inbox, key=key, data=data, envelope=envelope)
