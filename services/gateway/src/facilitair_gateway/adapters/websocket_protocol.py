"""uvicorn's WebSocket protocol with the bounds that it leaves to us."""

from typing import Final

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import CloseCode, Frame

MAX_FRAGMENTS: Final = 1024
"""Parts of one message. Empty ones count nothing against its size, so they are counted."""

MAX_PONG_BYTES: Final = 512 * 1024
"""Unsent bytes at which a client that pings, and does not read the pongs, is cut off."""


class BoundedWebSocket(WebSocketsSansIOProtocol):
    """A connection that costs a bounded amount of memory, whatever its client sends."""

    def handle_cont(self, event: Frame) -> None:
        """Join fragments, up to a number of them."""
        if self.close_sent:
            return
        if len(self.frames) >= MAX_FRAGMENTS:
            self.frames = []
            self.conn.fail(CloseCode.MESSAGE_TOO_BIG, "too many fragments")
            self.handle_parser_exception()
            return
        super().handle_cont(event)

    def handle_ping(self) -> None:
        """Answer, unless answers pile up unread: nothing else holds a flood of pings back."""
        super().handle_ping()
        if self.transport.get_write_buffer_size() > MAX_PONG_BYTES:
            self.transport.abort()

    def keepalive_timeout(self) -> None:
        """Drop a client that sent no pong, also one that does not read what it was sent."""
        super().keepalive_timeout()
        if self.transport.get_write_buffer_size():
            self.transport.abort()
