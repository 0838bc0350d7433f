"""uvicorn inside the loop that is running: no signal handlers, no exit of its own."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterator
from typing import Final

from starlette.types import ASGIApp
from uvicorn import Config, Server

from facilitair_gateway.adapters.websocket_protocol import BoundedWebSocket

_BACKLOG: Final = 2048
_KEEP_ALIVE_S: Final = 30
_IDLE_PROBE_S: Final = 15
_PROBES: Final = 2
_MS: Final = 1000
_TICK_S: Final = 1.0
_MAX_FRAME_BYTES: Final = 64 * 1024
"""Of what a client sends on a WebSocket; without compression, so that none can unfold."""


class _InnerServer(Server):
    """Says when it takes connections, and leaves signals to whoever composes the process."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.up = asyncio.Event()
        self._leaving = asyncio.Event()

    def leave(self) -> None:
        """Begin to stop."""
        self.should_exit = True
        self._leaving.set()

    async def main_loop(self) -> None:
        """Refresh the date header once a second; uvicorn's own loop wakes ten times as often."""
        while not await self.on_tick(0):
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._leaving.wait(), _TICK_S)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.up.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def bind(host: str, port: int, *, send_timeout_s: float) -> socket.socket:
    """A listening socket; raises OSError when the address cannot be had.

    Who connects before it is served waits.
    Its connections are cut when a client acknowledges nothing for ``send_timeout_s``, or is
    unreachable while idle: without that a pulled cable would hold its stream for ever.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        # asyncio sets it only where the protocol is named; without, small frames wait for acks.
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for name, value in (
            ("TCP_USER_TIMEOUT", int(send_timeout_s * _MS)),
            ("TCP_KEEPIDLE", _IDLE_PROBE_S),
            ("TCP_KEEPINTVL", _IDLE_PROBE_S),
            ("TCP_KEEPCNT", _PROBES),
        ):
            if hasattr(socket, name):
                sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
        sock.bind((host, port))
        sock.listen(_BACKLOG)
    except BaseException:
        sock.close()
        raise
    return sock


def url_of(sock: socket.socket) -> str:
    """Where a bound socket can be reached from this machine."""
    host, port = sock.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - the any address
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


@contextlib.asynccontextmanager
async def serving(
    app: ASGIApp, sock: socket.socket, *, graceful_s: float, heartbeat_s: float
) -> AsyncIterator[asyncio.Task[None]]:
    """Serve while the body runs; then let open requests end, for at most ``graceful_s``.

    WebSockets are pinged after ``heartbeat_s``, and dropped without a pong after as long again.
    Yields once it serves, with the task of the server, which ends early only when it fails.
    """
    config = Config(
        app,
        http="httptools",
        ws=BoundedWebSocket,
        ws_max_size=_MAX_FRAME_BYTES,
        ws_per_message_deflate=False,
        ws_ping_interval=heartbeat_s,
        ws_ping_timeout=heartbeat_s,
        lifespan="off",
        loop="none",
        log_config=None,
        access_log=False,
        server_header=False,
        backlog=_BACKLOG,
        timeout_keep_alive=_KEEP_ALIVE_S,
        timeout_graceful_shutdown=max(1, round(graceful_s)),
    )
    server = _InnerServer(config)
    task = asyncio.create_task(server.serve(sockets=[sock]))
    up = asyncio.create_task(server.up.wait())
    try:
        await asyncio.wait([task, up], return_when=asyncio.FIRST_COMPLETED)
        yield task
    finally:
        up.cancel()
        server.leave()
        await asyncio.wait([task])
        sock.close()
