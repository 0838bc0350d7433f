"""Reading the state topic: per key the highest ``applied`` wins, wherever it lies (R8)."""

import asyncio
from collections.abc import Collection, Iterable
from typing import Final

import msgspec
import structlog
from msgspec import Struct

from facilitair_messaging.ports import Log, Message, Record, TopicPartition
from facilitair_runtime.errors import RebuildError
from facilitair_runtime.reducing.batch import key_text

_RECORDS_PER_POLL: Final = 500
_UNREADABLE: Final = -1

_log = structlog.get_logger()


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
    """Finds the winner of every key; records are given in log order.

    Those at the offsets ``without`` are known to be unreadable. ``doubtful`` are the keys that have
    such a record, or one whose ``applied`` cannot be read: their winner may be below what was
    committed, so what follows it has to be decided again.
    """

    def __init__(self, *, without: Collection[int] = ()) -> None:
        self.doubtful: set[str] = set()
        self._without = without
        self._best: dict[str, tuple[int, Record]] = {}
        self._last: dict[str, int] = {}

    def add(self, record: Record) -> None:
        """Take one record. A tombstone drops what lies before it."""
        key = key_text(record)
        if record.value is None:
            self._best.pop(key, None)
            self._last.pop(key, None)
            self.doubtful.discard(key)
            return
        applied = None if record.offset in self._without else _applied_of(record)
        if applied is None:
            self.doubtful.add(key)
            self._last[key] = _UNREADABLE
            return
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


def _applied_of(record: Record) -> int | None:
    try:
        return _applied.decode(record.value or b"").applied
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        _log.error(
            "snapshot cannot be read",
            topic=record.topic,
            partition=record.partition,
            offset=record.offset,
            reason=type(error).__name__,
        )
        return None


async def scan_state(
    log: Log, tp: TopicPartition, *, silence_s: float, without: Collection[int] = ()
) -> Scan:
    """Read a partition of the state topic up to the end it has now.

    Raises RebuildError when the log gives nothing for ``silence_s`` before that end.
    """
    admin = log.admin()
    end = (await admin.end_offsets([tp]))[tp]
    beginning = (await admin.beginning_offsets([tp]))[tp]
    scan = Scan(without=without)
    if beginning >= end:
        return scan
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
    return scan


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
