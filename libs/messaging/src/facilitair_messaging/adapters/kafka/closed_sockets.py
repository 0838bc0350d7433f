"""A closed socket is a lost connection, also on uvloop.

asyncio ignores what is written to a socket that is closed already; uvloop raises RuntimeError.
aiokafka expects OSError there. What it does not expect ends the task that fetches, or the one that
looks for leaders, for good: a consumer that is silent for ever. The same goes for the KeyError of a
connection that somebody else has dropped meanwhile.
"""

from collections.abc import Awaitable, Callable
from typing import Any

from aiokafka.conn import AIOKafkaConnection, CloseReason
from aiokafka.errors import KafkaConnectionError


def survive_closed_sockets(client: Any) -> None:
    """Have a client of aiokafka, before it starts, take a closed socket for a lost connection.

    It replaces private parts of this one client; the release of aiokafka is pinned for that.
    """
    client._get_conn = _connecting(client, client._get_conn)
    client.send = _sending(client.send)


def _connecting(client: Any, get: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    async def connection(*place: Any, **more: Any) -> Any:
        try:
            found = await get(*place, **more)
        except RuntimeError:
            # It was closed while it was being made; the next try makes another.
            client.force_metadata_update()
            return None
        if found is not None:
            guard(found)
        return found

    return connection


def _sending(send: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    async def sent(*what: Any, **more: Any) -> Any:
        try:
            return await send(*what, **more)
        except KeyError as error:
            raise KafkaConnectionError from error

    return sent


def guard(connection: AIOKafkaConnection) -> None:
    """Have one connection report a closed socket as it reports a broken one; once is enough."""
    send = connection.send
    if getattr(send, "guarded", False):
        return

    def guarded(*what: Any, **more: Any) -> Any:
        try:
            return send(*what, **more)
        except RuntimeError as error:
            connection.close(reason=CloseReason.CONNECTION_BROKEN)
            raise KafkaConnectionError from error

    guarded.guarded = True  # type: ignore[attr-defined]
    connection.send = guarded
