"""From a decision to its records: the same decision gives the same bytes, headers too."""

from collections.abc import Iterator, Mapping
from typing import Any

from msgspec import Struct, structs

from facilitair_events.decision import Command, Decision
from facilitair_events.envelope import Envelope, timestamp
from facilitair_events.ids import derive
from facilitair_messaging.errors import UnknownTopicError
from facilitair_messaging.messages import caused_by, message
from facilitair_messaging.ports import Message
from facilitair_messaging.request_reply import reply_message
from facilitair_runtime.errors import InvalidDecisionError, OversizeError
from facilitair_runtime.reducing.config import Reducer, S

RECORD_OVERHEAD_BYTES = 1024
"""What a log may add to key, value and headers of a record."""


class Outputs(Struct, frozen=True):
    """The two stages of R7: nothing of ``second`` is sent before all of ``first`` is acked.

    ``replies`` says whether somebody waits for an answer in ``first``.
    """

    first: tuple[Message, ...] = ()
    second: tuple[Message, ...] = ()
    replies: bool = False


def outputs_of(
    reducer: Reducer[S],
    decision: Decision[S],
    *,
    key: str,
    cause: Envelope,
    at_ms: int,
    limits: Mapping[str, int],
) -> Outputs:
    """The records of one decision.

    ``at_ms`` is the append time of the cause, ``limits`` the largest record of each topic.
    Raises OversizeError, UnknownTopicError, or what encoding an output raises.
    """
    now_ms = at_ms if decision.state is None else max(decision.state.now_ms, at_ms)
    source, time = reducer.service, timestamp(now_ms)

    def caused(data: Struct, *, id: str, subject: str | None = None) -> Envelope:  # noqa: A002 - the header it fills
        whom = cause.subject if subject is None else subject
        return caused_by(cause, id=id, data=data, source=source, time=time, subject=whom)

    first = list(_events(reducer, decision.events, key=key, caused=caused))
    for index, reply in enumerate(decision.replies):
        envelope = caused(reply.data, id=derive(cause.id, "reply", str(index)))
        first.append(reply_message(to=reply.to, data=reply.data, envelope=envelope))
    second = [
        _commanded(
            command,
            caused(
                command.data,
                id=derive(cause.id, "command", str(index)),
                subject=command.subject,
            ),
        )
        for index, command in enumerate(decision.commands)
    ]
    for sent in (*first, *second):
        _check_size(sent, limits)
    return Outputs(first=tuple(first), second=tuple(second), replies=bool(decision.replies))


def check_decision(reducer: Reducer[S], decision: Decision[S], *, before: S | None) -> None:
    """Refuse what no reader could follow: R12 wants dense seqs, R8 a state that fits.

    The first event of a key may have any seq, as that of a fork has (R28).
    Raises InvalidDecisionError or OversizeError.
    """
    after = decision.state
    if after is None:
        if before is not None:
            raise InvalidDecisionError(reason="it forgot a state")
        if decision.events:
            raise InvalidDecisionError(reason="it has events without a state")
        return
    seqs = [_seq(event) for event in decision.events]
    expected = before.seq + 1 if before is not None else (seqs[0] if seqs else after.seq + 1)
    if seqs != list(range(expected, expected + len(seqs))):
        raise InvalidDecisionError(reason=f"events {seqs} do not continue {expected - 1}")
    if after.seq != expected + len(seqs) - 1:
        raise InvalidDecisionError(reason=f"the state counts {after.seq} after events {seqs}")
    if after is not before:
        size, limit = reducer.size_of(after), reducer.state_limit_bytes
        if size > limit:
            raise OversizeError(reason="state_too_large", size=size, limit=limit)


def _events(
    reducer: Reducer[Any], events: tuple[Struct, ...], *, key: str, caused: Any
) -> Iterator[Message]:
    for event in events:
        seq = _seq(event)
        envelope = structs.replace(caused(event, id=derive(key, str(seq))), seq=seq)
        record = message(topic=reducer.events_topic, key=key, data=event, envelope=envelope)
        yield record
        if reducer.stream_topic is not None:
            yield structs.replace(record, topic=reducer.stream_topic)


def _commanded(command: Command, envelope: Envelope) -> Message:
    built = message(topic=command.topic, key=command.key, data=command.data, envelope=envelope)
    return structs.replace(built, headers=(*built.headers, *command.headers))


def _seq(event: Struct) -> int:
    seq = getattr(event, "seq", None)
    if not isinstance(seq, int):
        raise InvalidDecisionError(reason=f"event {type(event).__name__} has no seq")
    return seq


def _check_size(sent: Message, limits: Mapping[str, int]) -> None:
    limit = limits.get(sent.topic)
    if limit is None:
        raise UnknownTopicError(topic=sent.topic)
    size = len(sent.key) + len(sent.value or b"") + RECORD_OVERHEAD_BYTES
    size += sum(len(name) + len(value) for name, value in sent.headers)
    if size > limit:
        raise OversizeError(reason="output_too_large", size=size, limit=limit)
