"""The application: FastAPI for the API, and the raw handlers for streams and sockets beside it."""

import re
from functools import cache
from typing import Any, Final

from fastapi import FastAPI, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from facilitair_events.layout import asyncapi_file
from facilitair_gateway.routes import (
    admin,
    budget,
    catalog,
    collaborations,
    dead_letters,
    estimates,
    identity,
    logic,
    problems,
    providers,
    topics,
    usage,
)
from facilitair_gateway.routes.answers import json_response
from facilitair_gateway.routes.callers import Parts
from facilitair_gateway.routes.documents import describe_api, docs_page
from facilitair_gateway.routes.guard import Guard
from facilitair_gateway.routes.sockets import SOCKET_PATH, Sockets, refuse_http
from facilitair_gateway.routes.streaming import Streaming

STREAM: Final = ("GET", "/v1/collaborations/{collaboration}/stream")
_STREAM_PATH: Final = re.compile(r"/v1/collaborations/([^/]+)/stream")
_VERSION: Final = "1"


class Dispatcher:
    """Sends streams and sockets past the framework, whose frames cost memory per open request."""

    def __init__(self, api: ASGIApp, *, streaming: Streaming, sockets: Sockets) -> None:
        self._api = api
        self._streaming = streaming
        self._sockets = sockets

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: PLR0917 - ASGI
        if scope["type"] == "websocket":
            await self._sockets.serve(scope, receive, send)
        elif found := _STREAM_PATH.fullmatch(scope["path"]):
            await self._streaming.serve(found[1], scope=scope, receive=receive, send=send)
        elif SOCKET_PATH.fullmatch(scope["path"]):
            await refuse_http(scope, send=send)
        else:
            await self._api(scope, receive, send)


def build_api(parts: Parts, *, streaming: Streaming, sockets: Sockets) -> ASGIApp:
    """The whole application, behind its door."""
    rest = problems.LastResort(build_rest(parts))
    return Guard(Dispatcher(rest, streaming=streaming, sockets=sockets), parts.access)


def build_rest(parts: Parts) -> FastAPI:
    """Everything but the streams, for callers that were admitted already."""
    app = FastAPI(title="Facilitair", version=_VERSION, openapi_url=None, redirect_slashes=False)
    app.state.parts = parts
    app.include_router(collaborations.router)
    app.include_router(catalog.router)
    app.include_router(identity.router)
    app.include_router(admin.router)
    app.include_router(providers.router)
    app.include_router(topics.router)
    app.include_router(logic.router)
    app.include_router(dead_letters.router)
    app.include_router(budget.router)
    app.include_router(usage.router)
    app.include_router(estimates.router)
    problems.install(app)
    channels = asyncapi_file().read_bytes()

    @cache
    def document() -> dict[str, Any]:
        return describe_api(app)

    @app.get("/openapi.json", include_in_schema=False)
    async def openapi() -> Response:
        return json_response(document())

    @app.get("/asyncapi.json", include_in_schema=False)
    async def asyncapi() -> Response:
        return Response(channels, media_type="application/json")

    @app.get("/docs", include_in_schema=False)
    async def docs() -> Response:
        return Response(docs_page(document()), media_type="text/html; charset=utf-8")

    return app
