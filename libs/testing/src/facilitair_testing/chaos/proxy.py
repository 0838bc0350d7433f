"""A TCP proxy that tests tell to be slow, to tear connections, or to keep what it was given."""

import asyncio
import socket
import struct
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Final, Literal

from msgspec import Struct

HOST: Final = "127.0.0.1"

Way = Literal["up", "down"]
"""``up`` is from the client to the server."""

_CHUNK: Final = 64 * 1024
_SLICES_PER_S: Final = 20
_AT_ONCE: Final = struct.pack("ii", 1, 0)
"""SO_LINGER with no time: closing sends a reset and drops what was not sent."""


class Weather(Struct, frozen=True, kw_only=True):
    """What the connections of some clients go through; the default is a good day.

    ``delay_s`` is waited before each chunk of a direction; chunks stay in order.
    ``drip_bytes_s`` bounds the bytes per second of each direction.
    ``cut_after`` resets a connection that carried so many bytes since this began.
    ``hold`` keeps what is sent that way, ends of connections too: one way it is a lost
    acknowledgement, both ways a cable that was pulled (each side thinks that the other is there).
    What was held goes on when the weather changes, as what TCP sends again does.
    """

    delay_s: float = 0.0
    drip_bytes_s: int | None = None
    cut_after: int | None = None
    hold: frozenset[Way] = frozenset()


GOOD: Final = Weather()

Label = Callable[[bytes], str]
"""Whose connection it is, from the first bytes that the client sent."""


class Link:
    """One connection through the proxy."""

    def __init__(self) -> None:
        self.label = ""
        self.carried = 0
        self.writers: list[asyncio.StreamWriter] = []
        self.task = asyncio.current_task()

    def abort(self) -> None:
        """End it for both sides at once, without a farewell."""
        for writer in self.writers:
            connection = writer.get_extra_info("socket")
            if connection is not None and not writer.transport.is_closing():
                with suppress(OSError):
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
            writer.transport.abort()


class ChaosProxy:
    """Passes connections on to ``upstream``, through the weather of now. Made by ``open``.

    ``felt`` counts how often each fault had an effect: ``delay``, ``drip``, ``cut``, ``hold``,
    ``reset`` and ``refused`` (the server did not take the connection).
    """

    def __init__(self, upstream: int, *, label: Label | None) -> None:
        self.upstream = upstream
        self.port = 0
        self.felt: Counter[str] = Counter()
        self._label = label or (lambda _first: "")
        self._links: set[Link] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._weather = GOOD
        self._whose = ""
        self._base: dict[Link, int] = {}
        self._changed = asyncio.Event()

    @staticmethod
    @asynccontextmanager
    async def open(
        upstream: int, *, port: int = 0, label: Label | None = None
    ) -> AsyncIterator["ChaosProxy"]:
        """Listen on ``port`` of this machine, or on a free one; leaving ends all connections."""
        proxy = ChaosProxy(upstream, label=label)
        server = await asyncio.start_server(proxy._accept, HOST, port)
        proxy.port = server.sockets[0].getsockname()[1]
        try:
            yield proxy
        finally:
            server.close()
            proxy.reset()
            for task in list(proxy._tasks):
                task.cancel()
            await asyncio.gather(*proxy._tasks, return_exceptions=True)

    def set(self, weather: Weather, *, whose: str = "") -> None:
        """Change the weather for clients whose label starts with ``whose``; others have a good day.

        Connections that were and those that come are both in it.
        """
        self._weather, self._whose = weather, whose
        self._base = {link: link.carried for link in self._links}
        self._changed.set()
        self._changed = asyncio.Event()

    def clear(self) -> None:
        """A good day for everybody; what was held goes on."""
        self.set(GOOD)

    def reset(self, *, whose: str = "") -> int:
        """Reset the connections of clients whose label starts with ``whose``; returns how many."""
        links = [link for link in self._links if link.label.startswith(whose)]
        for link in links:
            link.abort()
            if link.task is not None:
                link.task.cancel()
        self.felt["reset"] += len(links)
        return len(links)

    def labels(self) -> Counter[str]:
        """How many connections each client has."""
        return Counter(link.label for link in self._links)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        link = Link()
        link.writers.append(writer)
        self._links.add(link)
        try:
            first = await reader.read(_CHUNK)
            link.label = self._label(first)
            inner, outer = await asyncio.open_connection(HOST, self.upstream)
            link.writers.append(outer)
            async with asyncio.TaskGroup() as both:
                both.create_task(self._pump(reader, outer, link=link, way="up", first=first))
                both.create_task(self._pump(inner, writer, link=link, way="down"))
        except* OSError:
            self.felt["refused"] += len(link.writers) == 1
        finally:
            self._links.discard(link)
            self._base.pop(link, None)
            link.abort()

    async def _pump(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        *,
        link: Link,
        way: Way,
        first: bytes = b"",
    ) -> None:
        """Carry one direction until its end, which is passed on."""
        data = first or await reader.read(_CHUNK)
        while data:
            await self._wait(link, way)
            for part in self._slices(data, link):
                await self._pace(len(part), link)
                writer.write(part)
                await writer.drain()
                link.carried += len(part)
                self._cut(link)
            data = await reader.read(_CHUNK)
        await self._wait(link, way)
        if writer.can_write_eof():
            writer.write_eof()

    def _of(self, link: Link) -> Weather:
        return self._weather if link.label.startswith(self._whose) else GOOD

    async def _wait(self, link: Link, way: Way) -> None:
        """Until this direction may go on, and the delay is over."""
        while way in self._of(link).hold:
            self.felt["hold"] += 1
            await self._changed.wait()
        delay_s = self._of(link).delay_s
        if delay_s:
            self.felt["delay"] += 1
            await asyncio.sleep(delay_s)

    def _slices(self, data: bytes, link: Link) -> list[bytes]:
        """The data in pieces that the drip of now lets through twenty times a second."""
        rate = self._of(link).drip_bytes_s
        size = len(data) if rate is None else max(rate // _SLICES_PER_S, 1)
        return [data[start : start + size] for start in range(0, len(data), size)]

    async def _pace(self, size: int, link: Link) -> None:
        rate = self._of(link).drip_bytes_s
        if rate is not None:
            self.felt["drip"] += 1
            with suppress(TimeoutError):
                # A change of the weather ends the wait.
                await asyncio.wait_for(self._changed.wait(), size / rate)

    def _cut(self, link: Link) -> None:
        limit = self._of(link).cut_after
        if limit is not None and link.carried - self._base.get(link, 0) >= limit:
            self.felt["cut"] += 1
            link.abort()
            raise ConnectionResetError


def kafka_client(first: bytes) -> str:
    """The client id in the first request of a connection to a Kafka broker; "" without one."""
    header = struct.Struct(">ihhih")  # size, key, version, correlation, length of the client id
    if len(first) < header.size:
        return ""
    length = header.unpack_from(first)[-1]
    return first[header.size : header.size + max(length, 0)].decode("utf-8", "replace")
