"""``WS …/ws``: the events of a collaboration over WebSocket, as a raw ASGI handler."""

import re
from collections.abc import Collection
from typing import Final

import structlog
from starlette.datastructures import Headers, QueryParams
from starlette.types import Receive, Scope, Send

from facilitair_gateway.api_keys import redacted
from facilitair_gateway.errors import GatewayError, NotReadyError
from facilitair_gateway.routes.guard import principal_of
from facilitair_gateway.routes.origins import is_welcome
from facilitair_gateway.routes.problems import problem_of, send_problem
from facilitair_gateway.routes.socket_session import SocketParts, SocketSession
from facilitair_gateway.socket_errors import (
    NoSuchSocketError,
    NotWebSocketError,
    OriginForeignError,
)

log = structlog.get_logger(__name__)

SOCKET_PATH: Final = re.compile(r"/v1/collaborations/([^/]+)/ws")


class Sockets:
    """Serves every WebSocket of the gateway."""

    def __init__(self, parts: SocketParts, *, allowed_origins: Collection[str]) -> None:
        self._parts = parts
        self._allowed_origins = allowed_origins

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: PLR0917 - ASGI
        """Answer one handshake; returns when the socket is closed."""
        await receive()  # the server tells of the request to connect first
        try:
            collaboration = self._check(scope)
        except GatewayError as error:
            await send_problem(problem_of(error), scope, send=send)
            return
        await send({"type": "websocket.accept"})
        session = SocketSession(
            self._parts, principal_of(scope), collaboration=collaboration, send=send
        )
        cursor = QueryParams(scope["query_string"]).get("cursor")
        try:
            await session.run(receive, cursor=cursor)
        except* Exception:
            log.exception("socket failed", path=redacted(scope["path"]))
            await session.break_off()

    def _check(self, scope: Scope) -> str:
        """The id in the path, of a handshake that may be accepted. Raises GatewayError."""
        found = SOCKET_PATH.fullmatch(scope["path"])
        if found is None:
            raise NoSuchSocketError
        headers = Headers(scope=scope)
        if not is_welcome(
            headers.getlist("origin"),
            host=headers.get("host", ""),
            allowed=self._allowed_origins,
        ):
            raise OriginForeignError
        if not self._parts.hub.started or self._parts.hub.draining:
            raise NotReadyError
        return found[1]


async def refuse_http(scope: Scope, *, send: Send) -> None:
    """Answer a request for a socket's path that is no handshake."""
    await send_problem(problem_of(NotWebSocketError()), scope, send=send)
