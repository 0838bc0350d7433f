"""Who makes a call next where all calls that may be made at once are being made."""

import asyncio
from collections import deque
from typing import Final

from msgspec import Struct

from facilitair_events.budgets import Priority

BATCH_SHARE: Final = 0.2
_WHOLE: Final = 1 - 1e-9


class _Class:
    """The calls of one class, and who waits to make one, in order."""

    def __init__(self) -> None:
        self.running = 0
        self.waiting: deque[asyncio.Future[None]] = deque()

    def forget_gone(self) -> None:
        """Drop those at the front who do not wait any more."""
        while self.waiting and self.waiting[0].done():
            self.waiting.popleft()


class CallSlots:
    """``limit`` calls at once. While both classes wait, interactive ones go first.

    Of the slots that become free then, one in ``1 / batch_share`` is for a batch call, as long as
    these hold less than that share: they are never starved, and never crowd out the others.
    With nobody else waiting either class may use all.
    """

    def __init__(self, *, limit: int, batch_share: float = BATCH_SHARE) -> None:
        self._limit = limit
        self._share = batch_share
        self._credit = 0.0
        self._classes: dict[Priority, _Class] = {"interactive": _Class(), "batch": _Class()}

    def locked(self) -> bool:
        """Whether no further call may start."""
        return sum(kind.running for kind in self._classes.values()) >= self._limit

    def of(self, priority: Priority) -> "Slots":
        """The slots as a call of one class sees them."""
        return Slots(slots=self, priority=priority)

    async def acquire(self, priority: Priority) -> None:
        """Return with a slot taken. Cancelled, it takes none."""
        kind = self._classes[priority]
        kind.forget_gone()
        if not self.locked() and not any(k.waiting for k in self._classes.values()):
            kind.running += 1
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        kind.waiting.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.release(priority)
            raise

    def release(self, priority: Priority) -> None:
        """Give a slot back, to who is next."""
        self._classes[priority].running -= 1
        while not self.locked():
            chosen = self._next()
            if chosen is None:
                return
            kind = self._classes[chosen]
            kind.running += 1
            kind.waiting.popleft().set_result(None)

    def _next(self) -> Priority | None:
        for kind in self._classes.values():
            kind.forget_gone()
        interactive, batch = self._classes["interactive"], self._classes["batch"]
        if not interactive.waiting or not batch.waiting:
            self._credit = 0.0
            if interactive.waiting:
                return "interactive"
            return "batch" if batch.waiting else None
        if batch.running >= self._share * self._limit:
            return "interactive"
        self._credit += self._share
        if self._credit < _WHOLE:
            return "interactive"
        self._credit -= 1
        return "batch"


class Slots(Struct, frozen=True, kw_only=True):
    """The slots for calls of one class."""

    slots: CallSlots
    priority: Priority

    async def acquire(self) -> None:
        """Return with a slot taken."""
        await self.slots.acquire(self.priority)

    def release(self) -> None:
        """Give it back."""
        self.slots.release(self.priority)
