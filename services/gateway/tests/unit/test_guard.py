"""The door itself: what passes it, and how a WebSocket is turned away."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from facilitair_gateway.access import Access, Secrets
from facilitair_gateway.directory import Directory
from facilitair_gateway.guesses import Guesses
from facilitair_gateway.routes.guard import Guard, needed, principal_of

ADMIN_KEY = "an-operators-key-of-enough-length"


class Door:
    """A guard with an app behind it that notes who came through."""

    def __init__(self) -> None:
        self.came: list[dict[str, Any]] = []
        self.sent: list[dict[str, Any]] = []
        access = Access(
            Directory(),
            ready=lambda: True,
            secrets=Secrets(admin_key=ADMIN_KEY),
            now=lambda: datetime.now(UTC),
            guesses=Guesses(burst=100, per_s=1.0, clock=lambda: 0.0),
        )
        self.guard = Guard(self._behind, access)

    async def _behind(self, scope, _receive, _send) -> None:
        self.came.append(scope)

    async def knock(self, kind: str, path: str, *, key: str | None = None, **more: Any) -> None:
        headers = [(b"host", b"localhost")]
        if key is not None:
            headers.append((b"authorization", f"Bearer {key}".encode()))
        scope = {
            "type": kind, "path": path, "headers": headers, "client": ("127.0.0.1", 1),
            "query_string": b"", **more,
        }  # fmt: skip

        async def receive() -> dict[str, Any]:
            return {"type": f"{kind}.connect"}

        async def send(message: dict[str, Any]) -> None:
            self.sent.append(message)

        await self.guard(scope, receive, send)


@pytest.fixture
def door():
    return Door()


async def test_a_websocket_needs_a_key_too_and_is_refused_before_it_is_accepted(door) -> None:
    await door.knock("websocket", "/v1/collaborations/x/ws")
    assert door.sent == [{"type": "websocket.close", "code": 1008}]
    assert door.came == []


async def test_a_websocket_is_refused_with_the_problem_where_the_server_can(door) -> None:
    extensions = {"websocket.http.response": {}}
    await door.knock("websocket", "/v1/x", key="wrong", extensions=extensions)
    start, body = door.sent
    assert (start["type"], start["status"]) == ("websocket.http.response.start", 401)
    assert (b"www-authenticate", b"Bearer") in start["headers"]
    assert body["type"] == "websocket.http.response.body"
    assert json.loads(body["body"])["code"] == "key_invalid"
    assert door.came == []


async def test_who_is_admitted_is_told_to_the_app(door) -> None:
    await door.knock("websocket", "/v1/collaborations/x/ws", key=ADMIN_KEY)
    await door.knock("http", "/v1/me", key=ADMIN_KEY, method="GET")
    assert [principal_of(scope).actor for scope in door.came] == ["operator", "operator"]
    assert door.sent == []


async def test_documentation_is_open_and_only_to_be_read_from_the_very_paths(door) -> None:
    for path in ("/openapi.json", "/asyncapi.json", "/docs"):
        await door.knock("http", path, method="GET")
    assert len(door.came) == 3
    for path in ("/openapi.json/", "/docs/x", "/DOCS", "//docs"):
        await door.knock("http", path, method="GET")
    await door.knock("websocket", "/docs")
    assert len(door.came) == 3
    with pytest.raises(KeyError):
        principal_of(door.came[0])


@pytest.mark.parametrize(
    ("method", "path", "scope"),
    [
        ("GET", "/v1/me", "read"), ("HEAD", "/v1/me", "read"), ("OPTIONS", "/v1/me", "read"),
        ("POST", "/v1/x", "write"), ("PUT", "/v1/x", "write"), ("PATCH", "/v1/x", "write"),
        ("DELETE", "/v1/x", "write"), ("BREW", "/v1/x", "write"),
        ("GET", "/v1/admin", "admin"), ("GET", "/v1/admin/keys", "admin"),
        ("GET", "/v1/administrators", "read"),
    ],
)  # fmt: skip
def test_reading_needs_less_than_writing_and_administration_most(
    method: str, path: str, scope: str
) -> None:
    assert needed({"type": "http", "method": method, "path": path}) == scope
