"""The writing half of a socket: whole messages, one writer at a time, nothing after the close."""

import asyncio
from collections.abc import Iterable
from enum import Enum
from typing import Final

from starlette.types import Send

from facilitair_gateway.routes.socket_frames import CloseCode
from facilitair_gateway.socket_errors import SocketStateError

_REASON_BYTES: Final = 123
"""What a close frame has room for."""


class State(Enum):
    """Where an accepted socket is in its life; see ``NEXT``."""

    OPEN = "open"
    CLOSING = "closing"
    CLOSED = "closed"


NEXT: Final[dict[State, frozenset[State]]] = {
    State.OPEN: frozenset({State.CLOSING, State.CLOSED}),
    State.CLOSING: frozenset({State.CLOSED}),
    State.CLOSED: frozenset(),
}


class Outlet:
    """Sends to one accepted socket. Who writes waits while the client does not read."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._turn = asyncio.Lock()
        self.state = State.OPEN

    async def send(self, frames: Iterable[bytes]) -> bool:
        """Send frames, in one turn; false when the socket was not open for all of them."""
        async with self._turn:
            for frame in frames:
                if self.state is not State.OPEN:
                    return False
                # What is not UTF-8 is shown as every EventSource shows it.
                text = frame.decode("utf-8", "replace")
                try:
                    await self._send({"type": "websocket.send", "text": text})
                except OSError:
                    self.closed()
                    return False
        return self.state is State.OPEN

    async def close(self, code: CloseCode, reason: str = "") -> None:
        """Say that it is over, after the frame that is being sent; only the first call counts."""
        if self.state is not State.OPEN:
            return
        self._move(State.CLOSING)
        shown = reason.encode()[:_REASON_BYTES].decode("utf-8", "ignore")
        async with self._turn:
            try:
                await self._send({"type": "websocket.close", "code": int(code), "reason": shown})
            except OSError:
                self.closed()

    def closed(self) -> None:
        """Note that the connection is gone; once is as good as twice."""
        if self.state is not State.CLOSED:
            self._move(State.CLOSED)

    def _move(self, to: State) -> None:
        if to not in NEXT[self.state]:
            raise SocketStateError(now=self.state.value, wanted=to.value)
        self.state = to
