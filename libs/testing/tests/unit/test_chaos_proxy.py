"""Each fault of the proxy, seen from both ends of a connection."""

import asyncio
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from facilitair_testing.chaos.proxy import ChaosProxy, Weather, kafka_client
from facilitair_testing.eventually import eventually

BOTH = frozenset({"up", "down"})


class Echo:
    """A server that sends back what it gets, and remembers it."""

    def __init__(self) -> None:
        self.got = b""
        self.ended = 0

    async def serve(self, reader, writer) -> None:
        try:
            while data := await reader.read(1024):
                self.got += data
                writer.write(data)
                await writer.drain()
            self.ended += 1
        except OSError:
            self.ended += 1
        finally:
            writer.close()


@asynccontextmanager
async def proxied(label=None) -> AsyncIterator[tuple[ChaosProxy, Echo]]:
    echo = Echo()
    server = await asyncio.start_server(echo.serve, "127.0.0.1", 0)
    upstream = server.sockets[0].getsockname()[1]
    async with ChaosProxy.open(upstream, label=label) as proxy:
        yield proxy, echo
    server.close()


@asynccontextmanager
async def connected(proxy):
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    try:
        yield reader, writer
    finally:
        writer.transport.abort()


async def said(connection, data: bytes) -> bytes:
    reader, writer = connection
    writer.write(data)
    async with asyncio.timeout(90):
        return await reader.readexactly(len(data))


async def test_a_good_day_carries_both_ways_and_the_end() -> None:
    async with proxied() as (proxy, echo), connected(proxy) as (reader, writer):
        big = bytes(range(256)) * 1024
        assert await said((reader, writer), big) == big
        writer.write_eof()
        assert await reader.read() == b""
        await eventually(lambda: echo.ended == 1)
    assert not proxy.felt.keys() - {"reset"}


async def test_a_delay_is_felt_and_keeps_the_order() -> None:
    async with proxied() as (proxy, _), connected(proxy) as connection:
        proxy.set(Weather(delay_s=0.05))
        clock = asyncio.get_running_loop().time
        began = clock()
        assert await said(connection, b"one") + await said(connection, b"two") == b"onetwo"
        assert clock() - began >= 4 * 0.05 * 0.9
        assert proxy.felt["delay"] >= 4


async def test_a_drip_bounds_the_bytes_per_second() -> None:
    async with proxied() as (proxy, _), connected(proxy) as connection:
        proxy.set(Weather(drip_bytes_s=1000))
        clock = asyncio.get_running_loop().time
        began = clock()
        assert await said(connection, b"x" * 300) == b"x" * 300
        assert clock() - began >= 0.25
        assert proxy.felt["drip"] > 2


async def test_a_connection_is_cut_after_so_many_bytes() -> None:
    async with proxied() as (proxy, _), connected(proxy) as connection:
        assert await said(connection, b"x" * 500) == b"x" * 500
        proxy.set(Weather(cut_after=100))
        assert await said(connection, b"y" * 30) == b"y" * 30
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await said(connection, b"z" * 100)
        assert proxy.felt["cut"] == 1
        async with connected(proxy) as again:
            assert await said(again, b"new") == b"new"


async def test_a_reset_reaches_both_ends_as_a_reset() -> None:
    async with proxied() as (proxy, echo), connected(proxy) as connection:
        await said(connection, b"here")
        assert proxy.reset() == 1
        with pytest.raises(ConnectionResetError):
            await connection[0].readexactly(1)
        await eventually(lambda: echo.ended == 1)


async def test_a_lost_answer_landed_and_comes_when_the_hold_ends() -> None:
    async with proxied() as (proxy, echo), connected(proxy) as (reader, writer):
        await said((reader, writer), b"before")
        proxy.set(Weather(hold=frozenset({"down"})))
        writer.write(b"during")
        await eventually(lambda: echo.got == b"beforeduring")
        await eventually(lambda: proxy.felt["hold"] == 1)
        proxy.clear()
        async with asyncio.timeout(90):
            assert await reader.readexactly(6) == b"during"


async def test_a_held_question_never_lands_while_held() -> None:
    async with proxied() as (proxy, echo), connected(proxy) as (reader, writer):
        proxy.set(Weather(hold=frozenset({"up"})))
        writer.write(b"question")
        await eventually(lambda: proxy.felt["hold"] == 1)
        assert echo.got == b""
        proxy.clear()
        async with asyncio.timeout(90):
            assert await reader.readexactly(8) == b"question"


async def test_half_open_the_other_side_is_not_told_of_the_end() -> None:
    async with proxied() as (proxy, echo):
        async with connected(proxy) as connection:
            await said(connection, b"here")
            proxy.set(Weather(hold=BOTH))
        await eventually(lambda: proxy.felt["hold"] == 1)
        assert echo.ended == 0
        proxy.clear()
        await eventually(lambda: echo.ended == 1)


async def test_a_held_connection_can_be_reset() -> None:
    async with proxied() as (proxy, echo), connected(proxy) as (reader, writer):
        await said((reader, writer), b"here")
        proxy.set(Weather(hold=BOTH))
        writer.write(b"lost")
        await eventually(lambda: proxy.felt["hold"] == 1)
        proxy.reset()
        proxy.clear()
        with pytest.raises(ConnectionResetError):
            await reader.readexactly(1)
        assert echo.got == b"here"


async def test_the_weather_is_that_of_one_client_alone() -> None:
    label = bytes.decode
    async with proxied(label) as (proxy, echo), connected(proxy) as one, connected(proxy) as two:
        assert await said(one, b"one") == b"one"
        assert await said(two, b"two") == b"two"
        assert proxy.labels() == {"one": 1, "two": 1}
        proxy.set(Weather(hold=BOTH), whose="on")
        one[1].write(b"held")
        assert await said(two, b"free") == b"free"
        assert b"held" not in echo.got
        assert proxy.reset(whose="two") == 1
        proxy.clear()
        async with asyncio.timeout(90):
            assert await one[0].readexactly(4) == b"held"


async def test_a_server_that_is_away_is_refused_to_the_client() -> None:
    async with proxied() as (proxy, _):
        proxy.upstream = 1
        async with connected(proxy) as (reader, writer):
            writer.write(b"hello")
            with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
                await reader.readexactly(1)
        assert proxy.felt["refused"] == 1


def test_a_kafka_client_is_known_by_its_first_request() -> None:
    name = b"agent-worker-1"
    first = struct.pack(">ihhih", 100, 18, 0, 1, len(name)) + name + b"more"
    assert kafka_client(first) == "agent-worker-1"
    assert kafka_client(first[:10]) == ""
    assert kafka_client(struct.pack(">ihhih", 100, 18, 0, 1, -1)) == ""
