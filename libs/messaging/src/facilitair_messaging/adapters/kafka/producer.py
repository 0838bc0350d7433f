"""Appending records to a cluster: never waits longer than its own time, never guesses (R4)."""

import asyncio
from collections.abc import Sequence
from typing import Any, Final

import structlog
from aiokafka.errors import KafkaConnectionError, KafkaError, TopicAuthorizationFailedError

from facilitair_messaging.adapters.kafka.accumulating import Placed, Slot, ack_of
from facilitair_messaging.adapters.kafka.cluster import Cluster
from facilitair_messaging.adapters.kafka.connection import Connection
from facilitair_messaging.adapters.kafka.errors import REFUSALS, TOO_LARGE, KafkaClosedError
from facilitair_messaging.adapters.kafka.session import GivenUpError, Session
from facilitair_messaging.adapters.kafka.topics import Topics
from facilitair_messaging.errors import (
    MessagingError,
    ProduceUnknownError,
    RecordRefusedError,
    RecordTooLargeError,
    TopicDriftError,
    UnknownTopicError,
)
from facilitair_messaging.ports import Ack, Message

_log = structlog.get_logger()

_CLOSED: Final = "the producer was closed"
_RESTART_S: Final = 0.2


class KafkaProducer:
    """Owns one aiokafka producer at a time and replaces it after every doubt.

    A send that is cancelled goes on behind: it spoils the sends of others only if it fails.
    """

    def __init__(self, *, connection: Connection, cluster: Cluster, topics: Topics) -> None:
        self._connection = connection
        self._cluster = cluster
        self._topics = topics
        self._session: Session | None = None
        self._starting = asyncio.Lock()
        self._unreached: KafkaConnectionError | None = None
        self._known: set[str] = set()
        self._sends: set[asyncio.Task[list[Ack]]] = set()
        self._drops: set[asyncio.Task[None]] = set()
        self._closed = False

    async def send(self, messages: Sequence[Message]) -> list[Ack]:
        if self._closed:
            raise KafkaClosedError(what="producer")
        batch = [self._place(message) for message in messages]
        if not batch:
            return []
        sending = asyncio.create_task(self._send(batch))
        self._sends.add(sending)
        sending.add_done_callback(self._finished)
        try:
            return await asyncio.shield(sending)
        except asyncio.CancelledError:
            if not sending.cancelled():
                raise  # the caller was cancelled, not the send
            raise ProduceUnknownError(topics=_topics(batch), reason=_CLOSED) from None

    async def close(self) -> None:
        """Refuse further sends and end the producer in bounded time."""
        self._closed = True
        # A send that fails meanwhile discards the session.
        session = self._session
        if session is not None:
            await session.close()
            session.give_up(_CLOSED)
        for sending in self._sends:
            sending.cancel()
        if self._sends:
            await asyncio.wait(self._sends)
        # Only now: a send that is cancelled while its producer starts drops that producer.
        if self._drops:
            await asyncio.wait(self._drops)

    def _place(self, message: Message) -> Placed:
        """Check one message. Raises RecordRefusedError before anything of the call is appended."""
        try:
            spec = self._topics.spec(message.topic)
        except UnknownTopicError as error:
            raise RecordRefusedError(topic=message.topic, reason=str(error)) from error
        size = len(message.key) + len(message.value or b"")
        for name, value in message.headers:
            size += len(name) + len(value)
        if size > spec.max_record_bytes:
            reason = f"it has {size} bytes, the topic takes {spec.max_record_bytes}"
            raise RecordTooLargeError(topic=message.topic, reason=reason)
        return Placed(message, self._topics.partition_for(message.topic, message.key))

    def _finished(self, sending: asyncio.Task[list[Ack]]) -> None:
        self._sends.discard(sending)
        if not sending.cancelled():
            sending.exception()  # seen, also when the caller was cancelled

    async def _send(self, batch: list[Placed]) -> list[Ack]:
        session: Session | None = None
        slots: list[Slot] = []
        try:
            async with asyncio.timeout(self._connection.timing.produce_s):
                await self._check_topics(batch)
                session = await self._ready()
                slots = await session.append(batch)
                await _answered({slot.answer for slot in slots}, broken=session.broken)
                return [ack_of(slot) for slot in slots]
        except REFUSALS as error:
            self._discard(session, error)
            topic = _refused(batch, slots) or batch[0].message.topic
            refused = RecordTooLargeError if isinstance(error, TOO_LARGE) else RecordRefusedError
            raise refused(topic=topic, reason=_why_refused(error)) from error
        except (KafkaError, GivenUpError, TimeoutError, OSError) as error:
            self._discard(session, error)
            raise ProduceUnknownError(topics=_topics(batch), reason=self._reason(error)) from error

    async def _check_topics(self, batch: list[Placed]) -> None:
        """Ask once for each topic whether the cluster has it; nothing is appended before."""
        for topic in {placed.message.topic for placed in batch} - self._known:
            declared = self._topics.spec(topic).partitions
            try:
                actual = await self._cluster.partitions(topic)
                if actual != declared:
                    raise TopicDriftError(topic=topic, declared=declared, actual=actual)
            except (UnknownTopicError, TopicDriftError) as error:
                raise RecordRefusedError(topic=topic, reason=str(error)) from error
            except MessagingError as error:
                raise ProduceUnknownError(topics=_topics(batch), reason=str(error)) from error
            self._known.add(topic)

    async def _ready(self) -> Session:
        """The session, started if there is none; while nobody can be connected to, tried again.

        So a send rides out an outage of less than its own time, also as the first one after it.
        """
        async with self._starting:
            while self._session is None:
                session = Session(self._connection)
                try:
                    await session.start()
                except KafkaConnectionError as error:
                    self._drop(session)
                    self._unreached = error
                    await asyncio.sleep(_RESTART_S)
                except BaseException:
                    self._drop(session)
                    raise
                else:
                    self._session, self._unreached = session, None
            return self._session

    def _discard(self, session: Session | None, error: Exception) -> None:
        """Give a producer up, for all sends under way; the next send starts another."""
        if session is None or session is not self._session:
            return
        _log.warning("producer discarded", reason=self._reason(error))
        self._session = None
        session.give_up(self._reason(error))
        self._drop(session)

    def _drop(self, session: Session) -> None:
        dropping = asyncio.create_task(session.drop())
        self._drops.add(dropping)
        dropping.add_done_callback(self._drops.discard)

    def _reason(self, error: Exception) -> str:
        if isinstance(error, TimeoutError) and not str(error):
            why = "" if self._unreached is None else f" ({self._unreached})"
            return f"no answer within {self._connection.timing.produce_s:g} s{why}"
        return f"{type(error).__name__}: {error}"


async def _answered(answers: "set[asyncio.Future[Any]]", *, broken: "asyncio.Future[None]") -> None:
    """Wait for all batches, or for the first error, or until the producer is given up.

    Others wait for the same batches, so none is cancelled. A callback for each and one future:
    a gather of shields took as long as all that aiokafka does with a batch.
    """
    settled = asyncio.get_running_loop().create_future()
    left = len(answers)

    def settle(one: "asyncio.Future[Any]") -> None:
        nonlocal left
        left -= 1
        last = left == 0 or one is broken or one.cancelled() or one.exception() is not None
        if last and not settled.done():
            settled.set_result(None)

    waited = (*answers, broken)
    for one in waited:
        one.add_done_callback(settle)
    try:
        await settled
    finally:
        for one in waited:
            one.remove_done_callback(settle)
    for one in answers:
        if one.done():
            one.result()
    if any(not one.done() for one in answers):
        broken.result()


def _refused(batch: Sequence[Placed], slots: Sequence[Slot]) -> str | None:
    """The topic of the first message that was answered with an error."""
    for placed, (answer, _) in zip(batch, slots, strict=False):
        if answer.done() and not answer.cancelled() and answer.exception() is not None:
            return placed.message.topic
    return None


def _why_refused(error: Exception) -> str:
    if isinstance(error, TopicAuthorizationFailedError):
        return f"this user has no permission for WRITE ({error})"
    return str(error)


def _topics(batch: Sequence[Placed]) -> tuple[str, ...]:
    return tuple(sorted({placed.message.topic for placed in batch}))
