"""The HTTP application: FastAPI for the API, and the raw handler for the streams beside it."""

import re
from typing import Final

from fastapi import FastAPI, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from facilitair_events.layout import asyncapi_file
from facilitair_gateway.routes import admin, catalog, collaborations, identity, problems, topics
from facilitair_gateway.routes.answers import json_response
from facilitair_gateway.routes.callers import Parts
from facilitair_gateway.routes.documents import describe_api, docs_page
from facilitair_gateway.routes.guard import Guard
from facilitair_gateway.routes.streaming import Streaming

STREAM: Final = ("GET", "/v1/collaborations/{collaboration}/stream")
_STREAM_PATH: Final = re.compile(r"/v1/collaborations/([^/]+)/stream")
_VERSION: Final = "1"


class Dispatcher:
    """Sends stream requests past the framework, whose frames cost memory per open request."""

    def __init__(self, api: ASGIApp, streaming: Streaming) -> None:
        self._api = api
        self._streaming = streaming

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: PLR0917 - ASGI
        found = _STREAM_PATH.fullmatch(scope["path"]) if scope["type"] == "http" else None
        if found is None:
            await self._api(scope, receive, send)
            return
        await self._streaming.serve(found[1], scope=scope, receive=receive, send=send)


def build_api(parts: Parts, streaming: Streaming) -> ASGIApp:
    """The whole application, behind its door."""
    return Guard(Dispatcher(problems.LastResort(build_rest(parts)), streaming), parts.access)


def build_rest(parts: Parts) -> FastAPI:
    """Everything but the streams, for callers that were admitted already."""
    app = FastAPI(title="Facilitair", version=_VERSION, openapi_url=None, redirect_slashes=False)
    app.state.parts = parts
    app.include_router(collaborations.router)
    app.include_router(catalog.router)
    app.include_router(identity.router)
    app.include_router(admin.router)
    app.include_router(topics.router)
    problems.install(app)
    document = describe_api(app)
    channels = asyncapi_file().read_bytes()

    @app.get("/openapi.json", include_in_schema=False)
    async def openapi() -> Response:
        return json_response(document)

    @app.get("/asyncapi.json", include_in_schema=False)
    async def asyncapi() -> Response:
        return Response(channels, media_type="application/json")

    @app.get("/docs", include_in_schema=False)
    async def docs() -> Response:
        return Response(docs_page(document), media_type="text/html; charset=utf-8")

    return app
