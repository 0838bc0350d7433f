"""What is held for a key between two records, and the record that makes it survive (R8)."""

from itertools import accumulate
from typing import Any, Generic

import msgspec
from msgspec import Struct

from facilitair_events.codec import type_name
from facilitair_events.envelope import Envelope, Headers, header, timestamp
from facilitair_events.ids import derive
from facilitair_events.types import NAMES
from facilitair_messaging.messages import check_owner, message, read
from facilitair_messaging.ports import Message, Record
from facilitair_runtime.errors import ForeignSnapshotError, LogicTooNewError, SnapshotTooNewError
from facilitair_runtime.reducing.config import Reducer, S


class KeyState(Struct, Generic[S], frozen=True, kw_only=True):
    """The state of a key after the inbox record at ``applied``.

    ``offsets`` are the inbox offsets that were applied, delta-coded: the first, then differences.
    ``context`` is the envelope of the first of them: what timers of this key continue.
    ``cause`` is the id of the record at ``applied``.
    """

    applied: int
    state: S
    offsets: tuple[int, ...]
    context: Envelope
    cause: str


class Standing(Struct, Generic[S], frozen=True):
    """Where a key stands: what it holds, and the offset of the record it is parked at (R13)."""

    held: KeyState[S] | None = None
    parked: int | None = None


def with_offset(offsets: tuple[int, ...], offset: int) -> tuple[int, ...]:
    """Append to delta-coded offsets."""
    return (*offsets, offset - sum(offsets))


def since(offsets: tuple[int, ...], beginning: int) -> tuple[int, ...]:
    """Drop delta-coded offsets that the inbox does not keep any more."""
    kept = [offset for offset in accumulate(offsets) if offset >= beginning]
    if len(kept) == len(offsets):
        return offsets
    return tuple(after - before for before, after in zip([0, *kept], kept, strict=False))


def snapshot(reducer: Reducer[S], held: KeyState[S], *, key: str) -> Message:
    """The record of ``state_topic``; every owner writes the same bytes for one ``applied``."""
    build: Any = reducer.snapshot_type
    data: Struct = build(applied=held.applied, state=held.state, offsets=held.offsets)
    context = held.context
    envelope = Envelope(
        id=derive(reducer.state_topic, key, str(held.applied)),
        type=type_name(data),
        source=reducer.service,
        time=timestamp(held.state.now_ms),
        subject=context.subject,
        tenant=context.tenant,
        project=context.project,
        actor=context.actor,
        correlation=context.correlation,
        causation=held.cause,
        traceparent=context.traceparent,
    )
    return message(topic=reducer.state_topic, key=key, data=data, envelope=envelope)


def restored(reducer: Reducer[S], record: Record) -> KeyState[S]:
    """Read a snapshot back.

    Raises UnreadableRecordError and ForeignSnapshotError, or what stops the process: for a state
    that a newer version has decided LogicTooNewError (R9), for a newer form SnapshotTooNewError.
    """
    _check_form(reducer, record)
    incoming = read(record)
    if not isinstance(incoming.data, reducer.snapshot_type):
        raise ForeignSnapshotError(topic=record.topic, offset=record.offset)
    tenant, subject = reducer.owner_of((record.key or b"").decode(errors="replace"))
    check_owner(incoming, tenant=tenant, subject=subject)
    data: Any = incoming.data
    logic = reducer.logic_of_state(data.state)
    if logic > reducer.known_logic:
        raise LogicTooNewError(logic=logic, known=reducer.known_logic)
    return KeyState(
        applied=data.applied,
        state=data.state,
        offsets=data.offsets,
        context=incoming.envelope,
        cause=incoming.envelope.causation or incoming.envelope.id,
    )


def _check_form(reducer: Reducer[Any], record: Record) -> None:
    """An older version must not take what it cannot know for damage."""
    ours, _, number = NAMES[reducer.snapshot_type].rpartition(".v")
    name = (header(record.headers, "ce_type") or b"").decode(errors="replace")
    theirs, _, newer = name.rpartition(".v")
    if theirs == ours and newer.isdigit() and int(newer) > int(number):
        raise SnapshotTooNewError(topic=record.topic, offset=record.offset, form=name)


class Packed(Struct, frozen=True, gc=False):
    """A key at rest as bytes: finished ones are kept for a year, and there may be many (R14)."""

    value: bytes
    headers: bytes


def pack(value: bytes | None, headers: Headers) -> Packed:
    """Keep a snapshot as two byte strings."""
    return Packed(value=value or b"", headers=msgspec.msgpack.encode(headers))


def unpacked(reducer: Reducer[S], packed: Packed, *, key: str) -> KeyState[S]:
    """The state that was packed."""
    headers = msgspec.msgpack.decode(packed.headers, type=Headers)
    record = Record(reducer.state_topic, 0, 0, 0, key.encode(), packed.value, headers)
    return restored(reducer, record)
