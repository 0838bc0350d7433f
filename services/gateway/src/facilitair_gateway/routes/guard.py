"""The door: every request that is not about the documentation has a principal, or goes no further.

It stands before all routes, so one that is new is closed until somebody lists it as public.
"""

from typing import Final

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from facilitair_gateway.access import Access, Credential
from facilitair_gateway.errors import GatewayError
from facilitair_gateway.locality import is_local
from facilitair_gateway.principal import ADMIN, KeyScope, Principal, checked_trace
from facilitair_gateway.routes.problems import Problem, problem_of, send_problem

PUBLIC: Final = frozenset({"/openapi.json", "/asyncapi.json", "/docs"})

_STATE: Final = "facilitair.principal"
_READING: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_ADMIN_PATHS: Final = "/v1/admin"
_POLICY_VIOLATION: Final = 1008


class Guard:
    """Admits requests to the app behind it."""

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self._app = app
        self._access = access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: PLR0917 - ASGI
        if scope["type"] == "http" and scope["path"] in PUBLIC:
            await self._app(scope, receive, send)
            return
        try:
            principal = self._access.admit(credential_of(scope), needed(scope))
        except GatewayError as error:
            await _refuse(problem_of(error), scope, receive=receive, send=send)
            return
        # In place: a copy would cost every open stream a kilobyte.
        scope[_STATE] = principal
        await self._app(scope, receive, send)


def principal_of(scope: Scope) -> Principal:
    """Who asks. Raises KeyError for a request that did not come through the door."""
    principal: Principal = scope[_STATE]
    return principal


def needed(scope: Scope) -> KeyScope:
    """The scope that a request needs; a WebSocket reads, and what it sends is checked by frame."""
    path = scope["path"]
    if path == _ADMIN_PATHS or path.startswith(f"{_ADMIN_PATHS}/"):
        return ADMIN
    return "read" if scope.get("method", "GET") in _READING else "write"


def credential_of(scope: Scope) -> Credential:
    """What a request says about who asks."""
    headers = Headers(scope=scope)
    client = scope.get("client")
    return Credential(
        authorizations=tuple(headers.getlist("authorization")),
        local=is_local(client[0] if client else None, headers),
        peer=client[0] if client else "",
        traceparent=checked_trace(headers.get("traceparent")),
    )


async def _refuse(problem: Problem, scope: Scope, *, receive: Receive, send: Send) -> None:
    if scope["type"] == "http":
        await send_problem(problem, scope, send=send)
        return
    await receive()  # the server tells of the request to connect first
    if "websocket.http.response" not in scope.get("extensions", {}):
        await send({"type": "websocket.close", "code": _POLICY_VIOLATION})
        return
    await send_problem(problem, scope, send=send)
