"""What a hostile or broken client of a WebSocket can cost: little, and not for long."""

import asyncio
import base64
import os
import re
import socket as sockets
import struct
from pathlib import Path

import httpx
import pytest

from facilitair_gateway.adapters.websocket_protocol import MAX_FRAGMENTS, MAX_PONG_BYTES
from facilitair_gateway.routes.allowance import Allowance
from facilitair_gateway.routes.origins import is_welcome
from facilitair_gateway.routes.socket_frames import CloseCode
from facilitair_gateway.routes.socket_outlet import Outlet, State
from facilitair_testing.eventually import eventually
from services.gateway.tests.watching import (
    ended_by_cancel,
    frame_of,
    heard,
    messages_of,
    socket,
    tell,
    watch,
)

TEXT, PING, CONT = 0x1, 0x9, 0x0
CLOSE = re.compile(rb"\x88[\x02-\x7d]([\x03\x10-\x13].)", re.DOTALL)


async def raw(url: str, ident: str) -> sockets.socket:
    """A socket that has shaken hands, reads slowly, and does nothing more by itself."""
    return await asyncio.to_thread(_shaken, url, ident)


def _shaken(url: str, ident: str) -> sockets.socket:
    found = sockets.socket()
    found.setsockopt(sockets.SOL_SOCKET, sockets.SO_RCVBUF, 4096)
    host, _, port = url.removeprefix("http://").partition(":")
    found.connect((host, int(port)))
    key = base64.b64encode(os.urandom(16)).decode()
    found.sendall(
        f"GET /v1/collaborations/{ident}/ws HTTP/1.1\r\nHost: {host}:{port}\r\n"
        "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        f"Sec-WebSocket-Key: {key}\r\n\r\n".encode()
    )
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += found.recv(1)
    assert head.startswith(b"HTTP/1.1 101 ")
    return found


def masked(opcode: int, payload: bytes = b"", *, fin: bool = True) -> bytes:
    """A client's frame; its mask is zero."""
    first = (0x80 if fin else 0) | opcode
    if len(payload) < 126:
        return struct.pack("!BB", first, 0x80 | len(payload)) + b"\0\0\0\0" + payload
    return struct.pack("!BBQ", first, 0xFF, len(payload)) + b"\0\0\0\0" + payload


def read_all(source: sockets.socket) -> bytes:
    """Everything up to the close frame, or until the connection is cut."""
    source.settimeout(60)
    received = b""
    try:
        while (part := source.recv(65536)) and not CLOSE.search((received + part)[-130:]):
            received += part
    except ConnectionResetError:
        return received
    return received + part


def closed_with(received: bytes) -> int:
    """The code of the close frame that something ends with."""
    found = CLOSE.findall(received)
    return int(struct.unpack("!H", found[-1])[0])


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


async def test_s10_a_message_of_17_mb_closes_with_1009(submit, gateway) -> None:
    ident = (await submit())["id"]
    before = resident_bytes()
    with await raw(gateway.url, ident) as big:
        # It is refused by its header; nobody waits for the rest.
        big.sendall(masked(TEXT, b"x" * 17_000_000)[:14])
        assert closed_with(await asyncio.to_thread(read_all, big)) == CloseCode.TOO_BIG
    assert resident_bytes() - before < 40_000_000
    async with socket(gateway.url, ident, "none") as connection:
        await tell(connection, type="cancel", reason="x" * 63_000)
        assert (await heard(connection))["code"] == "frame_invalid"
        await connection.send("x" * (64 * 1024 + 1))
        assert await messages_of(connection) == ([], CloseCode.TOO_BIG)


async def test_s10_ten_thousand_small_frames_close_with_1008(submit, gateway) -> None:
    ident = (await submit())["id"]
    async with socket(gateway.url, ident, "none") as connection:
        flood = masked(TEXT, b"{}") * 10_000
        connection.transport.write(flood)
        answers, code = await messages_of(connection)
    assert code == CloseCode.POLICY
    assert len(answers) <= 250
    assert {answer["code"] for answer in answers} <= {"frame_type_unknown"}


async def test_s10_a_message_in_endless_empty_fragments_closes_with_1009(submit, gateway) -> None:
    ident = (await submit())["id"]
    async with socket(gateway.url, ident, "none") as connection:
        connection.transport.write(masked(TEXT, b"{", fin=False))
        connection.transport.write(masked(CONT, fin=False) * (MAX_FRAGMENTS + 1))
        assert await messages_of(connection) == ([], CloseCode.TOO_BIG)


async def test_s10_a_message_in_a_few_fragments_is_one_message(submit, gateway) -> None:
    ident = (await submit())["id"]
    async with socket(gateway.url, ident, "none") as connection:
        await connection.send(['{"type":', '"pau', 'se"}'])
        assert (await heard(connection))["code"] == "frame_type_unknown"


async def test_s10_pings_whose_answers_are_not_read_end_the_connection(submit, gateway) -> None:
    ident = (await submit())["id"]
    flood = masked(PING, b"x" * 125) * 1000

    def pour(into: sockets.socket) -> int:
        poured = 0
        into.settimeout(60)
        try:
            while poured < 200 * MAX_PONG_BYTES:
                poured += into.send(flood)
        except (ConnectionResetError, BrokenPipeError):
            pass
        return poured

    with await raw(gateway.url, ident) as pinging:
        assert await asyncio.to_thread(pour, pinging) < 200 * MAX_PONG_BYTES
    await eventually(lambda: gateway.hub.viewers == 0, what="the view to be closed")


async def test_s07_a_client_that_never_pongs_is_dropped(start, tmp_path, act) -> None:
    async with (
        act(),
        start(tmp_path, stream={"heartbeat_s": 0.2}) as gateway,
        httpx.AsyncClient(base_url=gateway.url, timeout=60) as http,
    ):
        ident = (await http.post("/v1/collaborations", json={"task": "x"})).json()["id"]
        with await raw(gateway.url, ident) as silent:
            received = await asyncio.to_thread(read_all, silent)
        assert b"\x89\x04" in received
        assert closed_with(received) == CloseCode.INTERNAL
        await eventually(lambda: gateway.hub.viewers == 0, what="the view to be closed")


async def test_a_client_that_pongs_stays(start, tmp_path, act, stage) -> None:
    """A machine that stands still for a heartbeat drops it too: then it may be slower."""
    for heartbeat_s in (0.2, 1, 5, 20):
        if await stays(start, tmp_path, act, stage, heartbeat_s=heartbeat_s):
            return
    raise AssertionError


async def stays(start, tmp_path, act, stage, *, heartbeat_s: float) -> bool:
    """Whether a client that pongs is there after several heartbeats, and until the end."""
    async with (
        act() as orchestrator,
        start(tmp_path, stream={"heartbeat_s": heartbeat_s}) as gateway,
        httpx.AsyncClient(base_url=gateway.url, timeout=60) as http,
    ):
        ident = (await http.post("/v1/collaborations", json={"task": "x"})).json()["id"]
        async with socket(gateway.url, ident) as connection:
            rest = asyncio.create_task(messages_of(connection))
            await asyncio.wait([rest], timeout=7 * heartbeat_s)
            stayed: bool = gateway.hub.viewers == 1
            await ended_by_cancel(http, stage, orchestrator, ident=ident)
            _, code = await rest
    return stayed and code == CloseCode.DONE


async def test_s06_two_hundred_that_read_nothing_cost_little_and_hold_up_nobody(
    start, tmp_path, act, stage
) -> None:
    async with (
        act() as orchestrator,
        start(tmp_path, stream={"heartbeat_s": 3, "client_buffer_bytes": 128 * 1024}) as gateway,
        httpx.AsyncClient(base_url=gateway.url, timeout=60) as http,
    ):
        ident = (await http.post("/v1/collaborations", json={"task": "x"})).json()["id"]
        slow = [await raw(gateway.url, ident) for _ in range(200)]
        try:
            # A slow machine drops the first before the last are there: they do not pong.
            await eventually(lambda: gateway.hub.viewers > 100, what="most of 200 viewers")
            before = resident_bytes()
            async with socket(gateway.url, ident) as quick:
                for index in range(300):
                    token = stage.token(ident, index, "y" * 20_000, step="architect")
                    await stage.write(token)
                    while frame_of(str(await quick.recv())).kind != "token":
                        pass
                # Without a bound each would hold 6 MB.
                assert resident_bytes() - before < 200_000_000
            await eventually(
                lambda: gateway.hub.viewers == 0, what="all of them to be dropped", timeout_s=90
            )
        finally:
            for one in slow:
                one.close()
        await ended_by_cancel(http, stage, orchestrator, ident=ident)


async def test_a_slow_reader_is_told_of_the_gap_and_can_read_on(
    start, tmp_path, act, stage
) -> None:
    async with (
        start(tmp_path, stream={"client_buffer_bytes": 64 * 1024}) as gateway,
        act() as orchestrator,
        httpx.AsyncClient(base_url=gateway.url, timeout=60) as http,
    ):
        ident = (await http.post("/v1/collaborations", json={"task": "x"})).json()["id"]
        with await raw(gateway.url, ident) as slow:
            await eventually(lambda: gateway.hub.viewers == 1, what="the slow viewer")
            for index in range(300):
                await stage.write(stage.token(ident, index, "y" * 30_000, step="architect"))
            received = await asyncio.to_thread(read_all, slow)
        assert closed_with(received) == CloseCode.TRY_AGAIN
        kinds = re.findall(rb'"event":"([a-z.]+)","collaboration"', received)
        assert kinds[-1] == b"gap"
        ids = re.findall(rb'{"id":"([0-9-]+)"', received)
        assert ids[-1] == ids[-2]
        await ended_by_cancel(http, stage, orchestrator, ident=ident)
        rest = await watch(http, ident, ids[-1].decode())
    tokens = kinds.count(b"token") + sum(frame.kind == "token" for frame in rest)
    assert 1 <= kinds.count(b"token") < 300
    assert tokens == 300


def test_an_allowance_is_a_burst_and_then_a_rate() -> None:
    allowance = Allowance(per_s=2, burst=3, now=10.0)
    assert [allowance.take(10.0) for _ in range(4)] == [True, True, True, False]
    assert [allowance.take(10.5), allowance.take(10.5)] == [True, False]
    assert [allowance.take(100.0) for _ in range(4)] == [True, True, True, False]


@pytest.mark.parametrize(
    ("origins", "host", "welcome"),
    [
        ([], "a.example", True),
        (["http://a.example"], "a.example", True),
        (["http://A.example"], "a.example:80", True),
        (["https://a.example"], "a.example:443", True),
        (["https://a.example"], "a.example", True),
        (["http://127.0.0.1:8080"], "127.0.0.1:8080", True),
        (["http://127.0.0.1:8080"], "127.0.0.1:8081", False),
        (["http://b.example"], "a.example", False),
        (["http://a.example.b.example"], "a.example", False),
        (["null"], "a.example", False),
        (["null"], "null", False),
        ([""], "", False),
        (["http://["], "[", False),
        (["http://a.example:99999"], "a.example:99999", False),
        (["http://a.example", "http://a.example"], "a.example", False),
        (["https://listed.example"], "a.example", True),
    ],
)
def test_origins(origins, host, welcome) -> None:
    assert is_welcome(origins, host=host, allowed={"https://listed.example"}) is welcome


async def test_after_the_close_nothing_is_sent() -> None:
    sent = []

    async def send(message) -> None:
        sent.append(message["type"])

    outlet = Outlet(send)
    assert await outlet.send([b"{}"])
    await outlet.close(CloseCode.DONE)
    await outlet.close(CloseCode.POLICY)
    assert not await outlet.send([b"{}"])
    assert outlet.state is State.CLOSING
    outlet.closed()
    outlet.closed()
    assert outlet.state is State.CLOSED
    assert sent == ["websocket.send", "websocket.close"]
