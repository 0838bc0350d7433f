# ruff: noqa: SLF001 - what is replaced is private
"""A socket that closes at the wrong moment, on the loop that services run on."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import uvloop
from aiokafka.conn import AIOKafkaConnection
from aiokafka.errors import KafkaConnectionError
from aiokafka.protocol.metadata import MetadataRequest

from facilitair_messaging.adapters.kafka import membership, session
from facilitair_messaging.adapters.kafka.closed_sockets import guard, survive_closed_sockets
from facilitair_messaging.adapters.kafka.connection import Connection
from facilitair_messaging.adapters.kafka.timing import Timing
from facilitair_messaging.security import SecuritySettings
from facilitair_testing.eventually import eventually


def on_uvloop(test: Callable[[], Awaitable[None]]) -> None:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(test())


async def closed_connection() -> AIOKafkaConnection:
    """A connection whose socket is closed and that does not know it yet."""
    served = asyncio.Event()

    def serve(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.transport.abort()
        served.set()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()[:2]
    connection = AIOKafkaConnection(host, port)
    connection._versions = {MetadataRequest([]).API_KEY: (0, 5)}
    _, connection._writer = await asyncio.open_connection(host, port)
    connection._reader = asyncio.StreamReader()
    connection._read_task = asyncio.create_task(asyncio.Event().wait())
    await served.wait()
    server.close()
    await server.wait_closed()
    transport = connection._writer.transport
    transport.abort()
    await eventually(lambda: "closed=True" in repr(transport), what="the socket is closed")
    return connection


def test_uvloop_reports_a_closed_socket_in_a_way_that_aiokafka_does_not_expect() -> None:
    async def test() -> None:
        connection = await closed_connection()
        with pytest.raises(RuntimeError, match="closed"):
            connection.send(MetadataRequest([]))
        connection.close()

    on_uvloop(test)


def test_a_guarded_connection_reports_a_lost_connection_and_is_not_used_again() -> None:
    async def test() -> None:
        connection = await closed_connection()
        guard(connection)
        guard(connection)
        with pytest.raises(KafkaConnectionError):
            connection.send(MetadataRequest([]))
        assert not connection.connected()

    on_uvloop(test)


class Client:
    """As much of a client as is replaced."""

    def __init__(self, outcome: Any) -> None:
        self.outcome = outcome
        self.updates = 0

    async def _get_conn(self, node_id: int, *, no_hint: bool = False) -> Any:
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return self.outcome

    async def send(self, node_id: int, request: Any, *, group: int = 0) -> Any:
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return node_id, request, group

    def force_metadata_update(self) -> None:
        self.updates += 1


async def test_a_connection_that_closes_while_it_is_made_is_none() -> None:
    client: Any = Client(RuntimeError("the handler is closed"))
    survive_closed_sockets(client)
    assert await client._get_conn(1, no_hint=True) is None
    assert client.updates == 1


async def test_a_connection_that_was_dropped_meanwhile_is_a_lost_one() -> None:
    client: Any = Client(KeyError((1, 0)))
    survive_closed_sockets(client)
    with pytest.raises(KafkaConnectionError):
        await client.send(1, "request")


async def test_what_works_is_left_alone() -> None:
    client: Any = Client(None)
    survive_closed_sockets(client)
    assert await client._get_conn(1) is None
    assert client.updates == 0
    assert await client.send(1, "request", group=2) == (1, "request", 2)


class Holder:
    """A consumer or producer that has a client."""

    def __init__(self, **_options: Any) -> None:
        self._client = self.client = Client(None)


async def test_every_consumer_and_producer_survives(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(membership, "AIOKafkaConsumer", Holder)
    monkeypatch.setattr(session, "AIOKafkaProducer", Holder)
    connection = Connection(
        bootstrap="127.0.0.1:1",
        client_id="c",
        timing=Timing(),
        security=SecuritySettings(),
        tls=None,
    )
    consumers = [
        membership.group_consumer(connection, group="g", member="m"),
        membership.plain_consumer(connection),
    ]
    clients = [consumer._client for consumer in consumers]
    clients.append(session.Session(connection)._producer.client)
    for client in clients:
        client.outcome = RuntimeError("the handler is closed")
        assert await client._get_conn(1) is None
