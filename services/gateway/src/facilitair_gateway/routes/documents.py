"""What FastAPI cannot see by itself about the routes, for ``/openapi.json`` and ``/docs``."""

from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel

from facilitair_gateway.routes.paging import DEFAULT_LIMIT, MAX_LIMIT

CURSOR: Final[dict[str, Any]] = {
    "name": "cursor",
    "in": "query",
    "required": False,
    "schema": {"type": "string"},
    "description": "Where to read on, as it was handed out.",
}
LIMIT: Final[dict[str, Any]] = {
    "name": "limit",
    "in": "query",
    "required": False,
    "schema": {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": DEFAULT_LIMIT},
}
_LAST_EVENT_ID: Final[dict[str, Any]] = {
    "name": "Last-Event-ID",
    "in": "header",
    "required": False,
    "schema": {"type": "string"},
    "description": "The id of the last event that was received; wins over `cursor`.",
}
_PROBLEM: Final[dict[str, Any]] = {
    "description": "What is wrong, as RFC 9457 says it, with OpenAI's `error` beside it.",
    "content": {
        "application/problem+json": {
            "schema": {
                "type": "object",
                "required": ["type", "title", "status", "detail", "instance", "error"],
                "properties": {
                    "type": {"type": "string"},
                    "title": {"type": "string"},
                    "status": {"type": "integer"},
                    "code": {"type": "string"},
                    "detail": {"type": "string"},
                    "instance": {"type": "string"},
                    "errors": {"type": "array", "items": {"type": "object"}},
                    "error": {"type": "object"},
                },
            }
        }
    },
}
_API_KEY: Final = {
    "type": "http",
    "scheme": "bearer",
    "description": "An API key. While none exists, programs of the gateway's machine need none.",
}
_STREAM: Final[dict[str, Any]] = {
    "get": {
        "tags": ["collaborations"],
        "summary": "Watch a collaboration",
        "description": (
            "Server-sent events from the cursor on, ending with the terminal event.\n\n"
            "`id` is the cursor to resume with, `event` the kind, `data` the event.\n"
            "A viewer drops `token` chunks of an older attempt than the last `attempt.reset` of "
            "their step, and repeats by `index`.\n"
            "`event: gap` ends a stream that could not go on; resume with its id.\n"
            "204 means that the cursor is of the terminal event: there is nothing more."
        ),
        "parameters": [
            {
                "name": "collaboration",
                "in": "path",
                "required": True,
                "schema": {"type": "string", "format": "uuid"},
            },
            CURSOR,
            _LAST_EVENT_ID,
        ],
        "responses": {
            "200": {"description": "The events.", "content": {"text/event-stream": {}}},
            "204": {"description": "The terminal event was received already."},
            "default": _PROBLEM,
        },
    }
}
_SOCKET: Final[dict[str, Any]] = {
    "get": {
        "tags": ["collaborations"],
        "summary": "Watch and steer over WebSocket",
        "description": (
            "Upgraded to WebSocket: the events of the stream as text messages of one JSON object, "
            "with `id`, `event`, `collaboration` and `data`.\n\n"
            "A client may send `cancel`, `resume`, `subscribe` and `unsubscribe` frames, each "
            "answered by `ack` or `error`; `cursor=none` sends nothing until a frame subscribes.\n"
            "Messages and close codes are described by `/asyncapi.json`.\n"
            "426 answers a request that is no WebSocket handshake."
        ),
        "externalDocs": {"url": "/asyncapi.json"},
        "parameters": [
            {
                "name": "collaboration",
                "in": "path",
                "required": True,
                "schema": {"type": "string", "format": "uuid"},
            },
            CURSOR,
        ],
        "responses": {
            "101": {"description": "The socket is open."},
            "426": _PROBLEM,
            "default": _PROBLEM,
        },
    }
}
_DOCS: Final = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Facilitair API</title></head>
<body><h1>Facilitair API</h1>
<p>The machine-readable description is <a href="/openapi.json">/openapi.json</a>.</p>
<dl>{routes}</dl></body></html>
"""


def query_parameter(name: str, told: str) -> dict[str, Any]:
    """A parameter of a query that a route reads itself."""
    return {
        "name": name,
        "in": "query",
        "required": False,
        "schema": {"type": "string"},
        "description": told,
    }


def body_of(model: type[BaseModel]) -> dict[str, Any]:
    """The request body of a route that reads it itself."""
    schema = model.model_json_schema()
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


def describe_api(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI document: every route, stream and socket, and problems as their errors."""
    document = get_openapi(
        title="Facilitair",
        version=app.version,
        description="Collaborations of LLM agents over a durable log.",
        routes=app.routes,
    )
    document.setdefault("components", {})["securitySchemes"] = {"apiKey": _API_KEY}
    document["security"] = [{"apiKey": []}]
    document["paths"]["/v1/collaborations/{collaboration}/stream"] = _STREAM
    document["paths"]["/v1/collaborations/{collaboration}/ws"] = _SOCKET
    for path in document["paths"].values():
        for operation in path.values():
            operation["responses"].pop("422", None)
            operation["responses"].setdefault("default", _PROBLEM)
    return document


def docs_page(document: dict[str, Any]) -> str:
    """A plain page that lists the operations; it loads nothing from anywhere."""
    rows = [
        f"<dt><code>{method.upper()} {path}</code></dt><dd>{operation.get('description', '')}</dd>"
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
    ]
    return _DOCS.format(routes="\n".join(rows))
