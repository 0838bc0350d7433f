"""One viewer of one collaboration: how far it has read, and the means to wake it."""

import asyncio
from collections import deque
from enum import Enum

from facilitair_gateway.errors import GatewayError
from facilitair_gateway.fanout import Cursor, Entry, Progress
from facilitair_gateway.ring import Channel, weight


class Source(Enum):
    """Where a viewer's next entries come from."""

    RING = "ring"
    REPLAY = "replay"
    BACKLOG = "backlog"


class Viewer:
    """State of one open view; touched on the event loop only.

    ``position`` is the next offset it needs: everything before it was sent, or lies in ``backlog``.
    ``witness`` is the offset of the record that its cursor says it was sent last, until that record
    was seen to be of its collaboration.
    ``resume_at`` is the offset behind the last entry it was sent, or need not be sent.
    ``live`` viewers have read everything once; from then on ``consumed`` counts against what their
    channel appended.
    ``ended`` viewers were given their last frame: the terminal event, or ``cut_off`` by a gap.
    """

    __slots__ = (
        "__weakref__",
        "_waiter",
        "backlog",
        "backlog_bytes",
        "channel",
        "consumed",
        "cut_off",
        "ended",
        "fault",
        "gone",
        "heartbeat_due",
        "key",
        "live",
        "partition",
        "position",
        "progress",
        "resume_at",
        "source",
        "witness",
        "wrote_at",
    )

    def __init__(self, key: bytes, cursor: Cursor, *, witness: int | None, now: float) -> None:
        self.key = key
        self.partition = cursor.partition
        self.position = cursor.offset if witness is None else witness
        self.progress = Progress(cursor.seq)
        self.resume_at = cursor.offset
        self.witness = witness
        self.source = Source.BACKLOG
        self.channel: Channel[Viewer] | None = None
        self.backlog: deque[Entry] | None = None
        self.backlog_bytes = 0
        self.consumed = 0
        self.live = False
        self.ended = False
        self.cut_off = False
        self.gone = False
        self.heartbeat_due = False
        self.wrote_at = now
        self.fault: GatewayError | None = None
        self._waiter: asyncio.Future[None] | None = None

    @property
    def cursor(self) -> Cursor:
        """Where it reads on when it was sent everything but its backlog."""
        offset = self.backlog[0].offset if self.backlog else self.position
        return Cursor(self.partition, offset, self.progress.seq)

    @property
    def waiting(self) -> bool:
        """Whether it has nothing to do until ``wake``."""
        return self._waiter is not None

    def offer(self, entry: Entry) -> None:
        """Put the next replayed entry into the backlog."""
        if self.backlog is None:
            self.backlog = deque()
        self.backlog.append(entry)
        self.backlog_bytes += weight(entry)
        self.position = entry.offset + 1

    def drain(self) -> list[Entry]:
        """Take everything out of the backlog."""
        if not self.backlog:
            return []
        entries = list(self.backlog)
        self.backlog = None
        self.backlog_bytes = 0
        return entries

    def fail(self, fault: GatewayError) -> None:
        """Say that nothing more can come, and why."""
        self.fault = fault
        self.wake()

    def dismiss(self) -> None:
        """Send it nothing more: its client is gone, or may not watch any longer."""
        self.gone = True
        self.wake()

    def wake(self) -> None:
        """End the present ``wait``; when there is none it does nothing, so look before you wait."""
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    def wait(self) -> asyncio.Future[None]:
        """Done at the next ``wake``. One at a time; a future, as a coroutine would cost memory."""
        self._waiter = asyncio.get_running_loop().create_future()
        return self._waiter
