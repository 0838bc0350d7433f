"""What happens to one record: handled, tried again, dead-lettered, or the end of the process."""

import time
from collections.abc import Awaitable, Callable, Mapping

import structlog
from msgspec import Struct
from msgspec.structs import replace

from facilitair_events.envelope import Envelope
from facilitair_messaging.crash_points import crash_point
from facilitair_messaging.dead_letters import DeadLetters, Failure
from facilitair_messaging.errors import (
    MessagingError,
    PermanentError,
    RejectionLimitError,
    RetryableError,
    UnhandledTypeError,
)
from facilitair_messaging.messages import Incoming, read
from facilitair_messaging.partition_work import PartitionWork
from facilitair_messaging.ports import Record
from facilitair_messaging.rejections import Rejections
from facilitair_messaging.retry import RetryPolicy, delays
from facilitair_observability import names
from facilitair_observability.correlation import Correlation, bound
from facilitair_observability.metrics import Metrics
from facilitair_observability.tracing import Tracer

Handler = Callable[[Incoming], Awaitable[None]]
Handlers = Mapping[type[Struct], Handler]
OnRejected = Callable[[Record, MessagingError], Awaitable[None]]
"""Called before a record is dead-lettered, to tell whoever waits for what it asked for.

It may be called again for the same record. What it raises stops the loop.
"""

_log = structlog.get_logger()


class Clock(Struct, frozen=True, kw_only=True):
    """Waiting, and the wall clock for people; a test brings its own."""

    sleep: Callable[[float], Awaitable[None]]
    now_ms: Callable[[], int]


class Handling:
    """Brings records to one of two ends: handled, or dead-lettered with an acked letter.

    Decoding is inside the boundary. RetryableError is tried again within ``retry`` and then
    dead-lettered, PermanentError at once; whatever else is raised leaves ``finish``.
    """

    def __init__(
        self,
        *,
        group: str,
        handlers: Handlers,
        dead_letters: DeadLetters,
        retry: RetryPolicy,
        clock: Clock,
        metrics: Metrics,
        tracer: Tracer,
        on_rejected: OnRejected | None = None,
    ) -> None:
        self._group = group
        self._on_rejected = on_rejected
        self._handlers = handlers
        self._dead_letters = dead_letters
        self._retry = retry
        self._clock = clock
        self._metrics = metrics
        self._tracer = tracer

    async def finish(self, record: Record, work: PartitionWork) -> None:
        """Return when the record is handled or dead-lettered.

        Between attempts it holds no slot, so only the key of the record waits.
        Raises RejectionLimitError instead of writing one dead letter too many.
        """
        started = time.monotonic()
        pauses = delays(self._retry)
        attempts = 0
        failed_at_ms = 0
        while True:
            attempts += 1
            async with work.attempt():
                try:
                    await self._handle(record)
                except (RetryableError, PermanentError) as error:
                    failed_at_ms = failed_at_ms or self._clock.now_ms()
                    pause = next(pauses, None) if isinstance(error, RetryableError) else None
                    if pause is None:
                        failure = Failure(
                            error=error, attempts=attempts, first_failed_at_ms=failed_at_ms
                        )
                        await self._reject(record, failure, rejections=work.rejections)
                        self._observe(record, started, outcome="dead_lettered")
                        return
                    self._count_retry(record, error, pause_s=pause)
                else:
                    work.rejections.accept()
                    self._observe(record, started, outcome="handled")
                    return
            await self._clock.sleep(pause)

    async def _handle(self, record: Record) -> None:
        incoming = read(record)
        crash_point("after_decode")
        envelope = incoming.envelope
        handler = self._handlers.get(type(incoming.data))
        if handler is None:
            raise UnhandledTypeError(topic=record.topic, type_name=envelope.type)
        attributes: dict[str, str | int] = {
            "messaging.destination.name": record.topic,
            "messaging.consumer.group.name": self._group,
            "messaging.kafka.offset": record.offset,
        }
        with self._tracer.span(
            names.PROCESS_SPAN, traceparent=envelope.traceparent, attributes=attributes
        ) as traceparent:
            if traceparent != envelope.traceparent:
                # What the handler causes lies below this span.
                envelope = replace(envelope, traceparent=traceparent)
                incoming = replace(incoming, envelope=envelope)
            with bound(_correlation(envelope)):
                await handler(incoming)
                _log.info("record handled", type=envelope.type, **_place(record))

    async def _reject(self, record: Record, failure: Failure, *, rejections: Rejections) -> None:
        reason = rejections.reject()
        if reason is not None:
            raise RejectionLimitError(
                topic=record.topic,
                partition=record.partition,
                offset=record.offset,
                error=type(failure.error).__name__,
                reason=reason,
            ) from failure.error
        if self._on_rejected is not None:
            await self._on_rejected(record, failure.error)
        await self._dead_letters.send(record, failure)
        self._metrics.count(
            names.RECORDS_DEAD_LETTERED,
            topic=record.topic,
            group=self._group,
            error=type(failure.error).__name__,
        )

    def _count_retry(self, record: Record, error: Exception, *, pause_s: float) -> None:
        name = type(error).__name__
        _log.warning(
            "record will be tried again",
            error=name,
            reason=str(error),
            pause_s=pause_s,
            **_place(record),
        )
        self._metrics.count(
            names.RECORDS_RETRIED, topic=record.topic, group=self._group, error=name
        )

    def _observe(self, record: Record, started: float, *, outcome: str) -> None:
        self._metrics.observe(
            names.PROCESS_DURATION,
            time.monotonic() - started,
            topic=record.topic,
            group=self._group,
            outcome=outcome,
        )


def _correlation(envelope: Envelope) -> Correlation:
    return Correlation(
        correlation=envelope.correlation,
        tenant=envelope.tenant,
        subject=envelope.subject,
        causation=envelope.id,
        traceparent=envelope.traceparent,
    )


def _place(record: Record) -> dict[str, str | int]:
    return {"topic": record.topic, "partition": record.partition, "offset": record.offset}
