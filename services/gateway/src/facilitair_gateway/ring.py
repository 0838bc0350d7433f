"""The recent records of one partition, by collaboration. Pure, bounded, shared by all viewers."""

from bisect import bisect_left
from collections import deque
from operator import attrgetter
from typing import Final, Generic, TypeVar

from facilitair_gateway.fanout import Entry

Watcher = TypeVar("Watcher")

ENTRY_OVERHEAD_BYTES: Final = 256
"""What an entry costs beside its value: the Struct, its numbers, its places in list and queue."""

_COMPACT_AT: Final = 64
_offset_of = attrgetter("offset")


def weight(entry: Entry) -> int:
    """What an entry counts against the bounds of rings and viewers."""
    return len(entry.value) + ENTRY_OVERHEAD_BYTES


class Channel(Generic[Watcher]):
    """The entries of one collaboration that the ring holds, oldest first, and who watches it.

    ``appended`` counts the bytes ever appended; ``evicted_to`` is the offset behind the last entry
    that was thrown out: who has read up to there has lost nothing.
    """

    __slots__ = ("_entries", "_head", "appended", "evicted_to", "watchers")

    def __init__(self) -> None:
        self._entries: list[Entry] = []
        self._head = 0
        self.appended = 0
        self.evicted_to = 0
        self.watchers: set[Watcher] = set()

    def __len__(self) -> int:
        return len(self._entries) - self._head

    def append(self, entry: Entry, *, size: int) -> None:
        """Add the newest entry, whose weight is ``size``."""
        self._entries.append(entry)
        self.appended += size

    def evict(self) -> None:
        """Throw out the oldest entry."""
        self.evicted_to = self._entries[self._head].offset + 1
        self._head += 1
        if self._head >= _COMPACT_AT and self._head * 2 > len(self._entries):
            del self._entries[: self._head]
            self._head = 0

    def since(self, offset: int, *, max_bytes: int) -> list[Entry]:
        """The entries from ``offset`` on, at least one where there is one, up to ``max_bytes``."""
        found: list[Entry] = []
        size = 0
        start = self._start(offset)
        for index in range(start, len(self._entries)):
            entry = self._entries[index]
            size += weight(entry)
            if found and size > max_bytes:
                break
            found.append(entry)
        return found

    def _start(self, offset: int) -> int:
        """Where the entries from ``offset`` on begin.

        Whoever keeps up wants the last one, or waits for the next.
        """
        entries, last = self._entries, len(self._entries) - 1
        if last < self._head or entries[last].offset < offset:
            return last + 1
        if last == self._head or entries[last - 1].offset < offset:
            return last
        return bisect_left(entries, offset, lo=self._head, key=_offset_of)

    def at(self, offset: int) -> Entry | None:
        """The entry at exactly ``offset``."""
        found = self.since(offset, max_bytes=0)
        return found[0] if found and found[0].offset == offset else None


class Ring(Generic[Watcher]):
    """The records of one partition from offset ``start`` to before ``end``, none left out.

    At most ``max_bytes`` are held; the oldest go first.
    """

    def __init__(self, *, end: int, max_bytes: int) -> None:
        self.start = end
        self.end = end
        self._max_bytes = max_bytes
        self._bytes = 0
        self._channels: dict[bytes, Channel[Watcher]] = {}
        self._order: deque[tuple[int, bytes, int]] = deque()

    def __len__(self) -> int:
        """How many collaborations are held or watched."""
        return len(self._channels)

    def find(self, key: bytes, offset: int) -> Entry | None:
        """The entry of a collaboration at exactly ``offset``."""
        channel = self._channels.get(key)
        return channel.at(offset) if channel is not None else None

    def append(self, key: bytes, entry: Entry) -> Channel[Watcher]:
        """Add the record at the end, whose offset is at least ``end``; returns where it went."""
        channel = self._channel(key)
        size = weight(entry)
        channel.append(entry, size=size)
        self._order.append((entry.offset, key, size))
        self._bytes += size
        self.end = entry.offset + 1
        while self._bytes > self._max_bytes:
            self._evict()
        return channel

    def read_to(self, position: int) -> None:
        """Everything before ``position`` was read; what was not appended, no viewer can be sent."""
        self.end = max(self.end, position)

    def expire(self, beginning: int) -> None:
        """Throw out what the log does not have any more: everything before ``beginning``."""
        while self._order and self._order[0][0] < beginning:
            self._evict()
        self.start = max(self.start, min(beginning, self.end))

    def watch(self, key: bytes, watcher: Watcher) -> Channel[Watcher]:
        """Keep the channel of ``key`` for as long as ``watcher`` is there."""
        channel = self._channel(key)
        channel.watchers.add(watcher)
        return channel

    def unwatch(self, key: bytes, watcher: Watcher) -> None:
        """Undo ``watch``; once is as good as twice."""
        channel = self._channels.get(key)
        if channel is None:
            return
        channel.watchers.discard(watcher)
        self._drop_unused(key, channel)

    def _channel(self, key: bytes) -> Channel[Watcher]:
        channel = self._channels.get(key)
        if channel is None:
            channel = self._channels[key] = Channel()
        return channel

    def _evict(self) -> None:
        offset, key, size = self._order.popleft()
        self._bytes -= size
        self.start = offset + 1
        channel = self._channels[key]
        channel.evict()
        self._drop_unused(key, channel)

    def _drop_unused(self, key: bytes, channel: Channel[Watcher]) -> None:
        if not channel and not channel.watchers:
            del self._channels[key]
