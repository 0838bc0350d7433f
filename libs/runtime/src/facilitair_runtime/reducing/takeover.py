"""Becoming the owner of a partition, and keeping its snapshots in order (R5, R8)."""

import asyncio
from collections.abc import Collection
from typing import Generic

import structlog
from msgspec import structs

from facilitair_events.errors import KeyFormatError
from facilitair_events.requests import Parked
from facilitair_messaging.errors import UnreadableRecordError
from facilitair_messaging.ports import GroupConsumer, Log, Message, Producer, TopicPartition
from facilitair_runtime.errors import ForeignSnapshotError, StateLostError
from facilitair_runtime.reducing.config import Reducer, S
from facilitair_runtime.reducing.firsts import owned_by, parked_message
from facilitair_runtime.reducing.partitions import Partition
from facilitair_runtime.reducing.rebuild import Scan, Winner, again, scan_state
from facilitair_runtime.reducing.states import KeyState, Standing, pack, restored, since
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
        Raises RebuildError, StateLostError and what reading a snapshot raises; the process has to
        stop then.
        """
        tp = partition.tp
        consumer.pause([tp])
        committed = await consumer.committed(tp)
        beginning = (await self._log.admin().beginning_offsets([tp]))[tp]
        doubtful = await self._restore(partition, beginning=beginning)
        partition.position = partition.committed = beginning if committed is None else committed
        await self._doubt(partition, doubtful, beginning=beginning)
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
        scan = await self._scan(partition.tp)
        await self.repair(
            {
                key: winner
                for key, winner in scan.winners().items()
                if key not in partition.slots or partition.slots[key].covered <= winner.applied
            }
        )

    async def repair(self, winners: dict[str, Winner]) -> None:
        """Append every winner again that is not the last of its key."""
        await send_surely(
            self._producer, again(winners.values()), attempts=self._attempts, what="winners"
        )

    async def _scan(self, tp: TopicPartition, *, without: Collection[int] = ()) -> Scan:
        state_tp = TopicPartition(self._reducer.state_topic, tp.partition)
        return await scan_state(self._log, state_tp, silence_s=self._silence_s, without=without)

    async def _restore(self, partition: Partition[S], *, beginning: int) -> set[str]:
        """Load the best readable snapshot of every key; the keys that have an unreadable one."""
        without: set[int] = set()
        while True:
            scan = await self._scan(partition.tp, without=without)
            winners = scan.winners()
            unreadable = await self._load(partition, winners, beginning=beginning)
            if not unreadable:
                await self.repair(winners)
                return scan.doubtful
            without |= unreadable

    async def _doubt(
        self, partition: Partition[S], doubtful: Collection[str], *, beginning: int
    ) -> None:
        """Decide again what follows the snapshots that are left of doubtful keys.

        All other keys skip what they have (R11). A key whose records the inbox may not hold any
        more fails instead: it is parked, and told so.
        """
        lost: list[Message] = []
        position = partition.position
        for key in doubtful:
            slot = partition.slots.get(key)
            first = 0 if slot is None else slot.covered + 1
            if first >= beginning:
                position = min(position, first)
            else:
                lost += self._give_up(partition, key)
            _log.error("state in doubt", key=key, decided_again_from=first, beginning=beginning)
        partition.position = position
        await send_surely(self._producer, lost, attempts=self._attempts, what="parked keys")

    def _give_up(self, partition: Partition[S], key: str) -> list[Message]:
        """Park a key at the next record. One whose key names nobody has nobody who waits for it.

        Raises StateLostError where keys do not fail: the process must not go on without it.
        """
        try:
            tenant, subject = self._reducer.owner_of(key)
        except KeyFormatError:
            return []
        if self._reducer.skips_poison:
            raise StateLostError(topic=self._reducer.state_topic, key=key)
        held = partition.standing(key).held
        slot = partition.slot(key)
        slot.packed, slot.standing = None, Standing(held, parked=partition.position)
        data = Parked(
            offset=partition.position,
            reason="its state cannot be read, and the records that led to it are gone",
        )
        at_ms = 0 if held is None else held.state.now_ms
        cause = owned_by(self._reducer, tenant=tenant, subject=subject, name=key, at_ms=at_ms)
        return [parked_message(self._reducer, data, key=key, cause=cause, at_ms=at_ms)]

    async def _load(
        self, partition: Partition[S], winners: dict[str, Winner], *, beginning: int
    ) -> set[int]:
        """Load what can be read; the offsets of what cannot."""
        unreadable: set[int] = set()
        for count, (key, winner) in enumerate(winners.items()):
            try:
                held: KeyState[S] = restored(self._reducer, winner.record)
            except (UnreadableRecordError, ForeignSnapshotError, KeyFormatError):
                unreadable.add(winner.record.offset)
                continue
            held = structs.replace(held, offsets=since(held.offsets, beginning))
            packed = pack(winner.record.value, winner.record.headers)
            partition.load(key, held=held, packed=packed)
            arm(self._timers, reducer=self._reducer, tp=partition.tp, key=key, held=held)
            if count % _KEYS_AT_ONCE == 0:
                await asyncio.sleep(0)
        return unreadable


def arm(
    timers: Timers, *, reducer: Reducer[S], tp: TopicPartition, key: str, held: KeyState[S]
) -> None:
    """Hold the timers of a state."""
    context = structs.replace(held.context, id=held.cause)
    timers.arm(tp, key, timers=reducer.timers(held.state), context=context)
