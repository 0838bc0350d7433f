"""What is still known of a task that was given up: enough to tell who waits for it."""

from typing import Final

import msgspec
from msgspec import Struct

from facilitair_agent_worker.ledger import AttemptKey
from facilitair_events.envelope import Envelope, from_headers, header, timestamp
from facilitair_events.errors import EventsError, KeyFormatError
from facilitair_events.ids import derive
from facilitair_events.keys import split_task_key
from facilitair_events.requests import Fault
from facilitair_events.types import NAMES
from facilitair_events.work import RunAttempt
from facilitair_messaging.ports import Record

UNREADABLE: Final = Fault(
    code="task_unreadable",
    message="no worker could read the task of this attempt; its dead letter says why",
)

_UNKNOWN: Final = "unknown"
_LONGEST_NUMBER: Final = 9


class _Named(Struct):
    collaboration: str
    path: str
    attempt: int


_named: Final = msgspec.json.Decoder(_Named)


def attempt_of(record: Record) -> AttemptKey | None:
    """Which attempt a task is for: its key says the step, a header or its value the number."""
    try:
        _, collaboration, path = split_task_key(record.key or b"")
    except KeyFormatError:
        return None
    number = _number(header(record.headers, "attempt"))
    if number is None:
        number = _told(record.value or b"", collaboration=collaboration, path=path)
    return None if number is None else AttemptKey((record.key or b"").decode(), number)


def cause_of(record: Record, key: AttemptKey) -> Envelope:
    """The envelope to continue; where the task's own is unusable, one that its place gives."""
    tenant, collaboration, _ = split_task_key(key.task)
    try:
        envelope = from_headers(record.headers)
    except EventsError:
        envelope = None
    if envelope is not None and (envelope.tenant, envelope.subject) == (tenant, collaboration):
        return envelope
    ident = derive("task", record.topic, str(record.partition), str(record.offset))
    return Envelope(
        id=ident,
        type=NAMES[RunAttempt],
        source="agent-worker",
        time=timestamp(record.timestamp_ms),
        subject=collaboration,
        tenant=tenant,
        project=_UNKNOWN,
        actor=_UNKNOWN,
        correlation=ident,
    )


def _number(text: bytes | None) -> int | None:
    if text is None or not text.isdigit() or len(text) > _LONGEST_NUMBER:
        return None
    return int(text) or None


def _told(value: bytes, *, collaboration: str, path: str) -> int | None:
    """The number that a value says, when it is of the same step as the key."""
    try:
        named = _named.decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    if (named.collaboration, named.path) != (collaboration, path) or named.attempt < 1:
        return None
    return named.attempt
