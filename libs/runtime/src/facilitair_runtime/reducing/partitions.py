"""What an owner remembers of a partition: its keys, and how far snapshots reach (R8)."""

import asyncio
from typing import Final, Generic

from facilitair_messaging.ports import Message, TopicPartition
from facilitair_messaging.rejections import RejectionLimit, Rejections
from facilitair_runtime.reducing.config import Reducer, S
from facilitair_runtime.reducing.states import (
    KeyState,
    Packed,
    Standing,
    pack,
    unpacked,
)

RESTING_BYTES: Final = 64 * 1024
"""Snapshots up to this size are read again within about a millisecond."""


class Slot(Generic[S]):
    """One key. Its ``standing`` only ever holds what was acked.

    ``covered`` is the ``applied`` of its last acked snapshot, -1 without one.
    ``uncovered`` are the offsets after it that a replay must see again, in order.
    """

    __slots__ = ("covered", "key", "packed", "standing", "uncovered")

    def __init__(self, key: str) -> None:
        self.key = key
        self.standing: Standing[S] = Standing()
        self.packed: Packed | None = None
        self.covered = -1
        self.uncovered: list[int] = []

    def wants_snapshot(self) -> bool:
        """Whether its state has moved since the last acked snapshot."""
        held = self.standing.held
        return held is not None and held.applied > self.covered

    def cover(self, applied: int) -> None:
        """A snapshot at ``applied`` is acked."""
        self.covered = max(self.covered, applied)
        self.uncovered = [offset for offset in self.uncovered if offset > applied]

    def release(self) -> None:
        """``Parked`` left no trace: what is not in the state will never be."""
        held = self.standing.held
        last = -1 if held is None else held.applied
        self.uncovered = [offset for offset in self.uncovered if offset <= last]


class Partition(Generic[S]):
    """One assigned partition of the inbox, from its assignment until it is revoked.

    ``position`` is the next offset to handle: all before it is handled, with every output acked.
    ``committed`` is what this owner committed last.
    """

    def __init__(self, tp: TopicPartition, *, reducer: Reducer[S], limit: RejectionLimit) -> None:
        self.tp = tp
        self._reducer = reducer
        self.ready = False
        self.revoked = False
        self.loading: asyncio.Task[None] | None = None
        self.position = -1
        self.committed = -1
        self.slots: dict[str, Slot[S]] = {}
        self.open: dict[str, Slot[S]] = {}
        self.rejections = Rejections(limit)

    def revoke(self) -> None:
        """It is somebody else's now; what is still being written of it does no harm."""
        self.revoked = True
        self.ready = False
        if self.loading is not None:
            self.loading.cancel()

    def standing(self, key: str) -> Standing[S]:
        """Where a key stands; looking at a key at rest does not wake it."""
        slot = self.slots.get(key)
        if slot is None:
            return Standing()
        if slot.packed is not None:
            return Standing(unpacked(self._reducer, slot.packed, key=key))
        return slot.standing

    def slot(self, key: str) -> Slot[S]:
        """The slot of a key, made if it is new."""
        slot = self.slots.get(key)
        if slot is None:
            slot = self.slots[key] = Slot(key)
        return slot

    def committable(self) -> int:
        """The lowest offset that no snapshot covers, or ``position`` when all are."""
        return min(
            (slot.uncovered[0] for slot in self.open.values() if slot.uncovered),
            default=self.position,
        )

    def load(self, key: str, *, held: KeyState[S], packed: Packed) -> None:
        """Take over the winning snapshot of a key."""
        slot = self.slot(key)
        slot.covered = held.applied
        if self._reducer.timers(held.state):
            slot.standing = Standing(held)
        else:
            slot.packed = packed

    def rest(self, slot: Slot[S], written: Message) -> None:
        """Keep a key as bytes when its snapshot says it all and nothing will wake it by itself.

        A large one stays as it is: it is likely in use, and reading it would take long.
        """
        held = slot.standing.held
        if held is None or slot.wants_snapshot() or slot.standing.parked is not None:
            return
        if len(written.value or b"") > RESTING_BYTES:
            return
        if not self._reducer.timers(held.state):
            slot.packed = pack(written.value, written.headers)
            slot.standing = Standing()
