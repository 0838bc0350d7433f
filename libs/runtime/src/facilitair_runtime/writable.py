"""A log that notes whether what is sent to it arrives: half of a service's readiness (D12)."""

import time
from collections.abc import Callable, Sequence

from facilitair_messaging.errors import RecordRefusedError
from facilitair_messaging.ports import Ack, Log, Message, Producer
from facilitair_messaging.wrapped import WrappedLog


class Writable:
    """Whether the log answered what it was sent or asked last; before that, it is taken to."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self._failed_at: float | None = None
        self._since = 0.0

    @property
    def failing_since(self) -> float | None:
        """Since when nothing arrived; None while it does."""
        return None if self._failed_at is None else self._since

    def answered(self, *, began: float) -> None:
        """The log answered what began then; an answer to something older proves nothing."""
        if self._failed_at is not None and began >= self._failed_at:
            self._failed_at = None

    def failed(self) -> None:
        """The log did not answer."""
        now = self.clock()
        if self._failed_at is None:
            self._since = now
        self._failed_at = now


class WatchedLog(WrappedLog):
    """A ``Log`` whose producers tell a ``Writable`` what becomes of their sends."""

    def __init__(self, log: Log, writable: Writable) -> None:
        super().__init__(log, lambda producer: _WatchedProducer(producer, writable))


class _WatchedProducer:
    def __init__(self, producer: Producer, writable: Writable) -> None:
        self._producer = producer
        self._writable = writable

    async def send(self, messages: Sequence[Message]) -> list[Ack]:
        began = self._writable.clock()
        try:
            acks = await self._producer.send(messages)
        except RecordRefusedError:
            # An answer, though not the wanted one.
            self._writable.answered(began=began)
            raise
        except BaseException:
            # A caller that gave up waiting, too: it never learned what became of its records.
            self._writable.failed()
            raise
        self._writable.answered(began=began)
        return acks
