"""Reading the state topic: per key the highest ``applied`` wins, wherever it lies (R8)."""

import asyncio
from collections.abc import Iterable
from typing import Final

import msgspec
from msgspec import Struct

from facilitair_messaging.errors import UnreadableRecordError
from facilitair_messaging.ports import Log, Message, Record, TopicPartition
from facilitair_runtime.errors import RebuildError
from facilitair_runtime.reducing.batch import key_text

_RECORDS_PER_POLL: Final = 500


class _Applied(Struct):
    applied: int


_applied = msgspec.json.Decoder(_Applied)


class Winner(Struct, frozen=True):
    """The snapshot of a key that counts, and whether it is the last one of its key in the log.

    Compaction keeps the last: a winner that is not has to be appended again.
    """

    record: Record
    applied: int
    is_last: bool


class Scan:
    """Finds the winner of every key; records are given in log order."""

    def __init__(self) -> None:
        self._best: dict[str, tuple[int, Record]] = {}
        self._last: dict[str, int] = {}

    def add(self, record: Record) -> None:
        """Take one record. A tombstone drops what lies before it.

        Raises UnreadableRecordError: a lower snapshot in its place would be below what was
        committed.
        """
        key = key_text(record)
        if record.value is None:
            self._best.pop(key, None)
            self._last.pop(key, None)
            return
        try:
            applied = _applied.decode(record.value).applied
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise UnreadableRecordError(
                topic=record.topic,
                partition=record.partition,
                offset=record.offset,
                reason=str(error),
            ) from error
        best = self._best.get(key)
        if best is None or applied >= best[0]:
            self._best[key] = (applied, record)
        self._last[key] = applied

    def winners(self) -> dict[str, Winner]:
        """The winner of each key."""
        return {
            key: Winner(record, applied, is_last=self._last[key] == applied)
            for key, (applied, record) in self._best.items()
        }


async def scan_state(log: Log, tp: TopicPartition, *, silence_s: float) -> dict[str, Winner]:
    """Read a partition of the state topic up to the end it has now.

    Raises RebuildError when the log gives nothing for ``silence_s`` before that end.
    """
    admin = log.admin()
    end = (await admin.end_offsets([tp]))[tp]
    beginning = (await admin.beginning_offsets([tp]))[tp]
    scan = Scan()
    if beginning >= end:
        return scan.winners()
    async with log.reader() as reader:
        reader.assign({tp: beginning})
        while (position := reader.positions()[tp]) < end:
            records = await reader.poll(max_records=_RECORDS_PER_POLL, wait_s=silence_s)
            for record in records:
                if record.offset < end:
                    scan.add(record)
            if not records and reader.positions()[tp] == position:
                raise RebuildError(
                    topic=tp.topic, partition=tp.partition, position=position, end=end
                )
            await asyncio.sleep(0)
    return scan.winners()


def again(winners: Iterable[Winner]) -> list[Message]:
    """The winners that are not last in the log, byte for byte."""
    return [
        Message(
            topic=winner.record.topic,
            key=winner.record.key or b"",
            value=winner.record.value,
            headers=winner.record.headers,
        )
        for winner in winners
        if not winner.is_last
    ]
