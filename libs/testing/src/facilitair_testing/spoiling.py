"""A log that changes records on their way into it, for tests of what readers do then."""

from collections.abc import Callable, Sequence

from facilitair_messaging.ports import Ack, Log, Message, Producer
from facilitair_messaging.wrapped import WrappedLog

Spoil = Callable[[Sequence[Message]], Sequence[Message]]


class SpoilingLog(WrappedLog):
    """A log whose producers write what ``spoil`` makes of each batch; all else is as it was."""

    def __init__(self, log: Log, spoil: Spoil) -> None:
        super().__init__(log, lambda producer: _SpoilingProducer(producer, spoil))


class _SpoilingProducer:
    def __init__(self, producer: Producer, spoil: Spoil) -> None:
        self._producer = producer
        self._spoil = spoil

    async def send(self, messages: Sequence[Message]) -> list[Ack]:
        """Send what the messages were made into."""
        return await self._producer.send(self._spoil(messages))
