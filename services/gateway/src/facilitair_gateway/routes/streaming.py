"""``GET …/stream``: server-sent events as a raw ASGI handler, because there are many of them.

An idle client costs its connection, this one coroutine, the task that waits for its disconnect,
and a ``Viewer``.
"""

import asyncio
from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

import structlog
from starlette.datastructures import Headers, QueryParams
from starlette.types import Receive, Scope, Send

from facilitair_gateway.access import Access
from facilitair_gateway.api_keys import redacted
from facilitair_gateway.errors import GatewayError, NotReadyError
from facilitair_gateway.fanout import HEARTBEAT, retry_frame
from facilitair_gateway.hub import StreamHub
from facilitair_gateway.routes.callers import known_id
from facilitair_gateway.routes.guard import principal_of
from facilitair_gateway.routes.problems import Problem, problem_of, send_problem
from facilitair_gateway.viewer import Viewer
from facilitair_gateway.viewing import Place, Viewing

log = structlog.get_logger(__name__)

_HEADERS: Final = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store, no-transform"),
    (b"x-accel-buffering", b"no"),
]
_ONLY_GET: Final = Problem(
    status=HTTPStatus.METHOD_NOT_ALLOWED,
    code="method_not_allowed",
    detail="this path does not take this method",
    headers={"allow": "GET"},
)


class Streaming:
    """Serves the streams of collaborations from one hub."""

    def __init__(self, hub: StreamHub, viewing: Viewing, *, access: Access, retry_ms: int) -> None:
        self._hub = hub
        self._viewing = viewing
        self._access = access
        self._retry_ms = retry_ms

    async def serve(
        self, collaboration: str, *, scope: Scope, receive: Receive, send: Send
    ) -> None:
        """Answer one request; returns when the stream has ended or the client is gone."""
        if scope["method"] != "GET":
            await send_problem(_ONLY_GET, scope, send=send)
            return
        try:
            place = await self._place(collaboration, scope)
        except GatewayError as error:
            await send_problem(problem_of(error), scope, send=send)
            return
        except Exception as error:
            log.exception("request failed", method=scope["method"], path=redacted(scope["path"]))
            await send_problem(problem_of(error), scope, send=send)
            return
        if place.finished:
            # What tells an EventSource that coming back is no use.
            await send({"type": "http.response.start", "status": HTTPStatus.NO_CONTENT})
            await send({"type": "http.response.body"})
            return
        await self._stream(
            self._hub.join(place.key, place.cursor, witnessed=place.witnessed),
            scope=scope,
            receive=receive,
            send=send,
        )

    async def _place(self, collaboration: str, scope: Scope) -> Place:
        if not self._hub.started or self._hub.draining:
            raise NotReadyError
        known = await known_id(collaboration)
        return await self._viewing.place(principal_of(scope), known, cursor=_cursor(scope))

    async def _stream(self, viewer: Viewer, *, scope: Scope, receive: Receive, send: Send) -> None:
        gone = asyncio.create_task(_until_gone(receive, viewer))
        principal = principal_of(scope)
        self._access.watch(principal, viewer.dismiss)
        try:
            while viewer.witness is not None and viewer.fault is None and not viewer.gone:
                await viewer.wait()
            if viewer.fault is not None:
                await send_problem(problem_of(viewer.fault), scope, send=send)
                return
            await send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
            while not viewer.gone and (body := self._next(viewer)) is not None:
                if not body:
                    await viewer.wait()
                    continue
                await send({"type": "http.response.body", "body": body, "more_body": True})
                viewer.wrote_at = asyncio.get_running_loop().time()
                await asyncio.sleep(0)  # who has much to read lets the others have their turn
            await send({"type": "http.response.body", "body": self._farewell(viewer)})
        finally:
            self._access.unwatch(principal, viewer.dismiss)
            self._hub.leave(viewer)
            gone.cancel()

    def _next(self, viewer: Viewer) -> bytes | None:
        """What to send now; empty to wait, None when the stream is over."""
        body = self._hub.take(viewer)
        if not body and (viewer.ended or self._hub.draining):
            return None
        if not body and viewer.heartbeat_due:
            body = HEARTBEAT
        viewer.heartbeat_due = False
        return body

    def _farewell(self, viewer: Viewer) -> bytes:
        """A gateway that stops says when to come back."""
        return b"" if viewer.ended else retry_frame(self._retry_ms)


def _cursor(scope: Scope) -> str | None:
    """``Last-Event-ID`` first: a client that comes back repeats its query."""
    headers: Mapping[str, str] = Headers(scope=scope)
    return headers.get("last-event-id") or QueryParams(scope["query_string"]).get("cursor")


async def _until_gone(receive: Receive, viewer: Viewer) -> None:
    """Tell the viewer when its client is gone."""
    while (await receive())["type"] != "http.disconnect":
        pass
    viewer.dismiss()
