"""Reading dead-letter topics without a group, a bounded part at a time."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable
from typing import Final

import structlog
from msgspec import Struct

from facilitair_events.errors import EventsError
from facilitair_events.registry import DLQ_SUFFIX, Registry
from facilitair_gateway.errors import LettersUnreadError, UnknownLetterError
from facilitair_gateway.letters.letter import Letter, Place, is_letter, letter_of
from facilitair_gateway.letters.notes import LetterState, Notes, Standing
from facilitair_messaging.ports import Log, Reader, Record, TopicPartition
from facilitair_observability import names
from facilitair_observability.metrics import Metrics

_log = structlog.get_logger(__name__)

_MAX_RECORDS: Final = 32
"""Of the largest size they are 32 MiB: all that is ever held."""

_WAIT_S: Final = 0.5


class Wanted(Struct, frozen=True, kw_only=True):
    """Which letters to list; None does not filter.

    ``topic`` is the original topic or the dead-letter topic.
    ``reason`` is a part of the reason, in any case, or the whole name of the exception class.
    ``since_ms`` is the append time of the letter.
    """

    topic: str | None = None
    group: str | None = None
    reason: str | None = None
    tenant: str | None = None
    state: LetterState | None = None
    since_ms: int | None = None

    def admits(self, letter: Letter, standing: Standing) -> bool:
        """Whether a letter is wanted."""
        told = (letter.reason or "").casefold()
        return (
            self.group in {None, letter.group}
            and self.tenant in {None, letter.tenant}
            and self.state in {None, standing.state}
            and (self.since_ms is None or letter.record.timestamp_ms >= self.since_ms)
            and (
                self.reason is None or self.reason == letter.error or self.reason.casefold() in told
            )
        )


class LettersPage(Struct, frozen=True, kw_only=True):
    """Letters in log order; ``following`` is where the next page begins, None at the end."""

    letters: list[tuple[Letter, Standing]]
    following: Place | None


class LetterReader:
    """Reads the dead-letter topics of a log.

    What was done about letters is folded once per topic and then only continued, from the first
    request on; values are not kept.
    A request reads for at most ``read_s``.
    """

    def __init__(
        self,
        log: Log,
        registry: Registry,
        *,
        read_s: float,
        metrics: Metrics,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._log = log
        self._registry = registry
        self._topics = tuple(
            sorted(f"{name}{DLQ_SUFFIX}" for name in registry if f"{name}{DLQ_SUFFIX}" in registry)
        )
        self._read_s = read_s
        self._metrics = metrics
        self._clock = clock
        self._notes = {topic: Notes() for topic in self._topics}
        self._read_to: dict[TopicPartition, int] = {}
        self._turns = {topic: asyncio.Lock() for topic in self._topics}

    @property
    def topics(self) -> tuple[str, ...]:
        """The dead-letter topics, in the order in which they are listed."""
        return self._topics

    def types(self, topic: str) -> tuple[str, ...]:
        """What an original topic carries."""
        return self._registry.spec(topic).types

    def groups(self, topic: str) -> tuple[str, ...]:
        """Who reads an original topic."""
        return self._registry.spec(topic).consumers

    async def notes(self, topic: str) -> Notes:
        """What was done about the letters of a topic, up to now.

        Raises LettersUnreadError when that takes too long; the next call reads on.
        """
        try:
            async with asyncio.timeout(self._read_s), self._turns[topic]:
                await self._catch_up(topic)
        except TimeoutError as error:
            raise LettersUnreadError(topic=topic) from error
        return self._notes[topic]

    async def find(self, place: Place) -> Letter:
        """The letter at a place. Raises UnknownLetterError and LettersUnreadError."""
        if place.topic not in self._notes:
            raise UnknownLetterError
        try:
            async with asyncio.timeout(self._read_s), self._log.reader() as reader:
                if not await self._holds(place):
                    raise UnknownLetterError
                reader.assign({place.tp: place.offset})
                record = await _next(reader)
        except TimeoutError as error:
            raise LettersUnreadError(topic=place.topic) from error
        if record.offset != place.offset or not is_letter(record):
            raise UnknownLetterError
        return letter_of(record)

    async def page(self, wanted: Wanted, *, after: Place | None, limit: int) -> LettersPage:
        """Letters from ``after`` on; a page that would take too long ends early.

        Raises LettersUnreadError when nothing can be read.
        """
        try:
            # Twice: the deadline inside ends a page in good order, this one is for a log that hangs
            async with asyncio.timeout(2 * self._read_s):
                return await self._page(wanted, after=after, limit=limit)
        except TimeoutError as error:
            raise LettersUnreadError(topic=wanted.topic or "a dead-letter topic") from error

    async def _page(self, wanted: Wanted, *, after: Place | None, limit: int) -> LettersPage:
        found: list[tuple[Letter, Standing]] = []
        deadline = self._clock() + self._read_s
        async with self._log.reader() as reader:
            for topic in self._asked(wanted):
                if after is not None and topic < after.topic:
                    continue
                notes = await self.notes(topic)
                async for record in self._records(
                    reader, topic, after=after, since_ms=wanted.since_ms
                ):
                    place = Place(record.topic, record.partition, record.offset)
                    # The record that a page begins with is always looked at: each gets further.
                    if self._clock() > deadline and place != after:
                        return LettersPage(letters=found, following=place)
                    letter = letter_of(record) if is_letter(record) else None
                    if letter is None or not wanted.admits(letter, notes.standing(letter)):
                        continue
                    if len(found) == limit:
                        return LettersPage(letters=found, following=place)
                    found.append((letter, notes.standing(letter)))
        return LettersPage(letters=found, following=None)

    def _asked(self, wanted: Wanted) -> Iterable[str]:
        return [t for t in self._topics if wanted.topic in {None, t, t.removesuffix(DLQ_SUFFIX)}]

    async def _records(
        self, reader: Reader, topic: str, *, after: Place | None, since_ms: int | None
    ) -> AsyncIterator[Record]:
        """The records of a topic, up to the end that it has now."""
        tps = await self._partitions(topic)
        admin = self._log.admin()
        ends = await admin.end_offsets(tps)
        starts = await admin.beginning_offsets(tps)
        if since_ms is not None:
            found = await admin.offsets_at(dict.fromkeys(tps, since_ms))
            starts = {tp: ends[tp] if offset is None else offset for tp, offset in found.items()}
        for tp in tps:
            start = starts[tp]
            if after is not None and topic == after.topic:
                if tp.partition < after.partition:
                    continue
                start = max(start, after.offset if tp == after.tp else 0)
            if start < ends[tp]:
                reader.assign({tp: start})
                async for record in _until(reader, tp, end=ends[tp]):
                    yield record

    async def _catch_up(self, topic: str) -> None:
        tps = await self._partitions(topic)
        ends = await self._log.admin().end_offsets(tps)
        beginnings = await self._log.admin().beginning_offsets(tps)
        notes = self._notes[topic]
        behind = {
            tp: max(self._read_to.get(tp, 0), beginnings[tp])
            for tp in tps
            if max(self._read_to.get(tp, 0), beginnings[tp]) < ends[tp]
        }
        if not behind:
            return
        notes.forget_before(min(beginnings.values()))
        async with self._log.reader() as reader:
            for tp, start in behind.items():
                reader.assign({tp: start})
                async for record in _until(reader, tp, end=ends[tp]):
                    self._apply(notes, record)
                    self._read_to[tp] = record.offset + 1

    def _apply(self, notes: Notes, record: Record) -> None:
        try:
            notes.apply(record)
        except EventsError as error:
            self._metrics.count(names.VIEW_POISON, topic=record.topic)
            _log.error(
                "note about a dead letter cannot be read",
                topic=record.topic,
                offset=record.offset,
                reason=str(error),
            )

    async def _holds(self, place: Place) -> bool:
        tps = await self._partitions(place.topic)
        if place.tp not in tps:
            return False
        begin = (await self._log.admin().beginning_offsets([place.tp]))[place.tp]
        end = (await self._log.admin().end_offsets([place.tp]))[place.tp]
        return begin <= place.offset < end

    async def _partitions(self, topic: str) -> list[TopicPartition]:
        count = await self._log.admin().partitions(topic)
        return [TopicPartition(topic, number) for number in range(count)]


async def _next(reader: Reader) -> Record:
    while True:
        for record in await reader.poll(max_records=1, wait_s=_WAIT_S):
            return record


async def _until(reader: Reader, tp: TopicPartition, *, end: int) -> AsyncIterator[Record]:
    """What ``reader``, which reads nothing else, finds before ``end``."""
    while reader.positions()[tp] < end:
        for record in await reader.poll(max_records=_MAX_RECORDS, wait_s=_WAIT_S):
            if record.offset < end:
                yield record
        # A poll that finds records need not yield; a long topic must not hold up the rest.
        await asyncio.sleep(0)
