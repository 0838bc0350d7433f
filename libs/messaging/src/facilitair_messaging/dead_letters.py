"""The dead-letter topic of a topic: what could not be handled, with why."""

from functools import cache
from importlib.metadata import version
from typing import Final

import structlog
from msgspec import Struct

from facilitair_events.envelope import Headers, timestamp
from facilitair_events.ids import derive
from facilitair_events.registry import DLQ_SUFFIX
from facilitair_messaging.errors import MessagingError
from facilitair_messaging.ports import Message, Producer, Record
from facilitair_observability.redaction import without_secrets

PREFIX: Final = "dlq_"
_REASON_CHARS: Final = 500

_log = structlog.get_logger()


class Failure(Struct, frozen=True, kw_only=True):
    """Why a record is given up; ``first_failed_at_ms`` is for people and decides nothing.

    ``raised`` is the class of what was raised where ``error`` only tells of it: what a reducer
    raises may quote the record.
    """

    error: MessagingError
    attempts: int
    first_failed_at_ms: int
    raised: str | None = None


class DeadLetters:
    """Writes the dead letters of one consumer group."""

    def __init__(self, *, producer: Producer, service: str, group: str) -> None:
        self._producer = producer
        self._service = service
        self._group = group

    async def send(self, record: Record, failure: Failure) -> None:
        """Write a dead letter and return when it is acked.

        Raises what the producer raises; the caller stops then, it never drops the record.
        A redelivered record gives a second letter with the same ``dlq_id``.
        """
        letter = dead_letter(record, failure, service=self._service, group=self._group)
        await self._producer.send([letter])
        _log.error(
            "record dead-lettered",
            topic=record.topic,
            partition=record.partition,
            offset=record.offset,
            error=failure.raised or type(failure.error).__name__,
            reason=str(failure.error),
            attempts=failure.attempts,
        )


def dead_letter(record: Record, failure: Failure, *, service: str, group: str) -> Message:
    """The dead letter of a record: its own key, value and headers, byte for byte, and why.

    Headers of an earlier dead letter are replaced. The reason is the message of the exception,
    which is built from names and numbers, never from the value; what looks like a credential is
    cut out of it, and there is no stack trace.
    A null key becomes an empty one and ``dlq_key_null``.
    """
    kept = tuple(pair for pair in record.headers if not pair[0].startswith(PREFIX))
    return Message(
        topic=record.topic + DLQ_SUFFIX,
        key=b"" if record.key is None else record.key,
        value=record.value,
        headers=kept + _why(record, failure, service=service, group=group),
    )


def dead_letter_id(record: Record, *, group: str) -> str:
    """The same for every dead letter that ``group`` writes of one record."""
    return derive("dead-letter", group, record.topic, str(record.partition), str(record.offset))


def _why(record: Record, failure: Failure, *, service: str, group: str) -> Headers:
    pairs = {
        "id": dead_letter_id(record, group=group),
        "service": service,
        "group": group,
        "topic": record.topic,
        "partition": str(record.partition),
        "offset": str(record.offset),
        "timestamp": str(record.timestamp_ms),
        "error": failure.raised or type(failure.error).__name__,
        "reason": without_secrets(str(failure.error))[:_REASON_CHARS],
        "attempts": str(failure.attempts),
        "first_failed_at": timestamp(failure.first_failed_at_ms),
        "version": _version(),
    }
    if record.key is None:
        pairs["key_null"] = "true"
    return tuple((PREFIX + name, text.encode()) for name, text in pairs.items())


@cache
def _version() -> str:
    """The version of the code that gave the record up; all members are released together."""
    return version("facilitair-messaging")
