"""Becoming the owner of a partition, and keeping its snapshots in order (R5, R8)."""

import asyncio
from typing import Generic

import structlog
from msgspec import structs

from facilitair_messaging.ports import GroupConsumer, Log, Producer, TopicPartition
from facilitair_runtime.reducing.config import Reducer, S
from facilitair_runtime.reducing.partitions import Partition
from facilitair_runtime.reducing.rebuild import Winner, again, scan_state
from facilitair_runtime.reducing.states import KeyState, pack, restored, since
from facilitair_runtime.reducing.timers import Timers
from facilitair_runtime.reducing.writing import send_surely

_log = structlog.get_logger()

_KEYS_AT_ONCE = 50
"""Keys loaded before other tasks get a turn."""


class Takeover(Generic[S]):
    """Loads what earlier owners left. One per reducer; used by one task per partition."""

    def __init__(
        self,
        reducer: Reducer[S],
        *,
        log: Log,
        producer: Producer,
        timers: Timers,
        silence_s: float,
        attempts: int,
    ) -> None:
        self._reducer = reducer
        self._log = log
        self._producer = producer
        self._timers = timers
        self._silence_s = silence_s
        self._attempts = attempts

    async def take(self, partition: Partition[S], consumer: GroupConsumer) -> None:
        """Make a partition ready: from here on its records are decided.

        The committed offset is read before the end of the state topic. The other order would skip
        what an earlier owner handled, snapshotted and committed in between.
        Raises RebuildError and what reading a snapshot raises; the process has to stop then.
        """
        tp = partition.tp
        consumer.pause([tp])
        committed = await consumer.committed(tp)
        beginning = (await self._log.admin().beginning_offsets([tp]))[tp]
        winners = await self._scan(tp)
        await self.repair(winners)
        await self._load(partition, winners, beginning=beginning)
        partition.position = partition.committed = beginning if committed is None else committed
        consumer.seek(tp, partition.position)
        partition.ready = True
        consumer.resume([tp])
        _log.debug(
            "partition ready", topic=tp.topic, partition=tp.partition,
            position=partition.position, keys=len(partition.slots),
        )  # fmt: skip

    async def scan_again(self, partition: Partition[S]) -> None:
        """Repair the order of snapshots of a partition that has been ours for long.

        A snapshot that is written at the same moment may end up before an older winner: the next
        scan repairs that, long before the compaction lag is over.
        """
        winners = await self._scan(partition.tp)
        await self.repair(
            {
                key: winner
                for key, winner in winners.items()
                if key not in partition.slots or partition.slots[key].covered <= winner.applied
            }
        )

    async def repair(self, winners: dict[str, Winner]) -> None:
        """Append every winner again that is not the last of its key."""
        await send_surely(
            self._producer, again(winners.values()), attempts=self._attempts, what="winners"
        )

    async def _scan(self, tp: TopicPartition) -> dict[str, Winner]:
        state_tp = TopicPartition(self._reducer.state_topic, tp.partition)
        return await scan_state(self._log, state_tp, silence_s=self._silence_s)

    async def _load(
        self, partition: Partition[S], winners: dict[str, Winner], *, beginning: int
    ) -> None:
        for count, (key, winner) in enumerate(winners.items()):
            held: KeyState[S] = restored(self._reducer, winner.record)
            held = structs.replace(held, offsets=since(held.offsets, beginning))
            packed = pack(winner.record.value, winner.record.headers)
            partition.load(key, held=held, packed=packed)
            arm(self._timers, reducer=self._reducer, tp=partition.tp, key=key, held=held)
            if count % _KEYS_AT_ONCE == 0:
                await asyncio.sleep(0)


def arm(
    timers: Timers, *, reducer: Reducer[S], tp: TopicPartition, key: str, held: KeyState[S]
) -> None:
    """Hold the timers of a state."""
    context = structs.replace(held.context, id=held.cause)
    timers.arm(tp, key, timers=reducer.timers(held.state), context=context)
