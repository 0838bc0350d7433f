"""Ends aiokafka clients in bounded time: left to themselves they may wait for a broker for ever."""

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any, Final

import structlog

_log = structlog.get_logger()

_CANCELS: Final = 5
_CANCEL_S: Final = 0.2


async def bounded(ending: Coroutine[Any, Any, None], *, client: Any, timeout_s: float) -> None:
    """Await ``ending`` until the deadline; then cut the connections of ``client`` in any case.

    ``client`` is the ``AIOKafkaClient`` that does the talking.
    Raises nothing but the cancellation of the caller: whatever went wrong, the client is gone.
    """
    task = asyncio.create_task(ending)
    try:
        await asyncio.wait({task}, timeout=timeout_s)
    finally:
        if not task.done() or (not task.cancelled() and task.exception() is not None):
            _log.warning("client dropped", timeout_s=timeout_s, task=repr(task))
        await end_task(task)
        await cut(client)


async def end_task(task: asyncio.Task[Any] | None) -> None:
    """Cancel a task of the library until it ends; some swallow the first cancellation."""
    if task is None:
        return
    for _ in range(_CANCELS):
        if task.done():
            break
        task.cancel()
        await asyncio.wait({task}, timeout=_CANCEL_S)
    if task.done() and not task.cancelled():
        task.exception()  # seen: who gives up a client does not care why its task ended


async def cut(client: Any) -> None:
    """Drop all connections at once, whatever is still buffered for a broker that does not read."""
    # `AIOKafkaClient.close` waits until each transport has sent its buffer: private, or for ever.
    connections = list(client._conns.values())
    transports = [c._writer.transport for c in connections if c._writer is not None]
    await end_task(client._sync_task)
    client._sync_task = None
    for connection in connections:
        with suppress(Exception):
            connection.close()
    for transport in transports:
        transport.abort()
    client._conns.clear()
