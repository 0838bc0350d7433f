"""Polling an aiokafka consumer: what is there now, and waiting for more, without losing a record.

``getmany`` with a wait may hang through a rebalance, and what it has taken is lost if it is
cancelled. So it is only asked for what is there, and the waiting is done here.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from itertools import chain
from typing import Any, Final, NamedTuple

from aiokafka import TopicPartition as KafkaPartition

from facilitair_messaging.ports import Record, TopicPartition

IDLE_AFTER_S: Final = 2.0
"""Who works has something more often; who has not had anything for so long may wait longer."""


class Pace(NamedTuple):
    """How long a fetch waits at the broker for a first record, in ms.

    ``busy_ms`` bounds what a change costs: a partition that is resumed, sought or newly assigned
    is only part of the next fetch (M6). ``idle_ms`` is for when there was none for a while: it is
    what an idle process costs, and a first record still ends a wait at once.
    """

    busy_ms: int
    idle_ms: int


class Fetches:
    """What an aiokafka consumer has fetched, and how long its fetches wait for more.

    It uses some of its private parts, all of them here: its release is pinned for that.
    """

    def __init__(self, consumer: Any, *, pace: Pace) -> None:
        self._consumer = consumer
        self._pace = pace
        self._moved_at = time.monotonic()
        self._changed = asyncio.get_running_loop().create_future()

    def change(self) -> None:
        """What may be returned has changed: a waiting poll looks again."""
        self.hurry()
        if not self._changed.done():
            self._changed.set_result(None)

    def settle(self) -> None:
        """Let fetches wait longer once nothing has moved for a while."""
        if time.monotonic() - self._moved_at >= IDLE_AFTER_S:
            self._consumer._fetcher._fetch_max_wait_ms = self._pace.idle_ms

    def hurry(self) -> None:
        """Something moved, so more may follow: from the next fetch on waits are short."""
        self._moved_at = time.monotonic()
        self._consumer._fetcher._fetch_max_wait_ms = self._pace.busy_ms

    async def take(self, tps: Iterable[TopicPartition], *, max_records: int) -> list[Record]:
        """What is there of these partitions. Raises aiokafka's errors of positions and access."""
        wanted = [KafkaPartition(*tp) for tp in tps]
        if not wanted:
            self._stay()
            return []
        self._make_records()
        found = await self._consumer.getmany(*wanted, timeout_ms=0, max_records=max_records)
        if found:
            self.hurry()
        return list(chain.from_iterable(found.values()))

    async def poll(
        self, look: Callable[[], Awaitable[list[Record]]], *, wait_s: float
    ) -> list[Record]:
        """Look until something is found, again after every fetch and change, for ``wait_s``."""
        deadline = time.monotonic() + wait_s
        while True:
            if self._changed.done():
                self._changed = asyncio.get_running_loop().create_future()
            records = await look()
            left = deadline - time.monotonic()
            if records or left <= 0:
                return records
            await self._wait(left)

    def positions(self, tps: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        """Where the partitions are read next; those without a position yet are missing."""
        subscription = self._consumer._subscription.subscription
        assignment = None if subscription is None else subscription.assignment
        if assignment is None:
            return {}
        states: Mapping[TopicPartition, Any] = {tp: assignment.state_value(tp) for tp in tps}
        return {
            tp: state.position
            for tp, state in states.items()
            if state is not None and state.has_valid_position
        }

    async def _wait(self, timeout_s: float) -> None:
        fetched = self._consumer._fetcher._create_fetch_waiter()
        try:
            await asyncio.wait(
                {fetched, self._changed}, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED
            )
        finally:
            fetched.cancel()
        if fetched.done() and not fetched.cancelled():
            fetched.exception()  # the next look raises it

    def _make_records(self) -> None:
        """Have what is fetched read as our records: aiokafka's own cost more than reading them."""
        for fetched in self._consumer._fetcher._records.values():
            unread = getattr(fetched, "_partition_records", None)
            if unread is not None:
                unread._consumer_record = _record

    def _stay(self) -> None:
        """Count as a poll: a member that holds nothing, or has paused everything, is alive too."""
        self._consumer._coordinator.check_errors()
        with self._consumer._subscription.fetch_context():
            return


def _record(tp: KafkaPartition, fetched: Any) -> Record:
    return Record(
        topic=tp.topic,
        partition=tp.partition,
        offset=fetched.offset,
        timestamp_ms=fetched.timestamp,
        key=fetched.key,
        value=fetched.value,
        headers=tuple(fetched.headers),
    )
