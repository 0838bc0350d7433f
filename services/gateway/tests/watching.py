"""Watching a collaboration in tests, over either wire."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import httpx
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from facilitair_testing.eventually import eventually


class Frame(NamedTuple):
    id: str
    kind: str
    data: str


async def frames_of(response: httpx.Response) -> AsyncIterator[Frame]:
    """The frames of an open stream, as they come."""
    fields: dict[str, str] = {}
    async for line in response.aiter_lines():
        if line:
            name, _, value = line.partition(": ")
            fields[name] = value
        elif "event" in fields:
            yield Frame(fields["id"], fields["event"], fields["data"])
            fields = {}
        else:
            fields = {}


@asynccontextmanager
async def watching(http: httpx.AsyncClient, ident: str, cursor: str | None = None):
    headers = {"last-event-id": cursor} if cursor is not None else {}
    path = f"/v1/collaborations/{ident}/stream"
    async with http.stream("GET", path, headers=headers) as response:
        assert response.status_code == 200, await response.aread()
        yield response


async def watch(http: httpx.AsyncClient, ident: str, cursor: str | None = None) -> list[Frame]:
    """Everything that a viewer is sent until the stream ends."""
    async with watching(http, ident, cursor) as response:
        return [frame async for frame in frames_of(response)]


def socket_url(url: str, ident: str, cursor: str | None = None) -> str:
    query = "" if cursor is None else f"?cursor={cursor}"
    return f"{url.replace('http', 'ws', 1)}/v1/collaborations/{ident}/ws{query}"


def socket(url: str, ident: str, cursor: str | None = None, **more: Any) -> connect:
    # A busy machine may take its time to shake hands and to pong.
    patience = {"open_timeout": 90, "ping_timeout": 90}
    place = socket_url(url, ident, cursor)
    return connect(place, compression=None, proxy=None, **patience, **more)


def frame_of(message: str) -> Frame:
    """The frame of a message, its data as the text that was sent."""
    told = json.loads(message)
    head, _, data = message.partition(',"data":')
    assert json.loads(head + "}") == {key: told[key] for key in ("id", "event", "collaboration")}
    return Frame(told["id"], told["event"], data.removesuffix("}"))


async def raw_messages_of(connection: ClientConnection) -> tuple[list[str], int | None]:
    """Everything a socket is sent until it closes, and the code it closes with."""
    found = []
    try:
        while True:
            found.append(str(await connection.recv()))
    except ConnectionClosed:
        return found, connection.close_code


async def messages_of(connection: ClientConnection) -> tuple[list[dict[str, Any]], int | None]:
    """The same, decoded."""
    found, code = await raw_messages_of(connection)
    return [json.loads(message) for message in found], code


async def watch_socket(
    url: str, ident: str, cursor: str | None = None
) -> tuple[list[Frame], int | None]:
    """Everything that a viewer is sent over WebSocket, and the close code."""
    async with socket(url, ident, cursor) as connection:
        found, code = await raw_messages_of(connection)
    return [frame_of(message) for message in found], code


async def tell(connection: ClientConnection, **frame: Any) -> None:
    await connection.send(json.dumps(frame))


async def heard(connection: ClientConnection) -> dict[str, Any]:
    """The next message."""
    told: dict[str, Any] = json.loads(await connection.recv())
    return told


async def ended_by_cancel(http, stage, orchestrator, *, ident: str) -> None:
    """Cancel a collaboration, and let its workers obey."""
    await http.post(f"/v1/collaborations/{ident}/control", json={"action": "cancel"})
    for step in list(orchestrator.states[ident].steps.values()):
        if step.open:
            await stage.report(ident, step.path, "stopped")


async def played(http, stage, orchestrator, *, tokens: int = 3, repeats: bool = False) -> str:
    """A collaboration that ran to its end, with tokens between its events."""
    response = await http.post("/v1/collaborations", json={"task": "Do it."})
    ident: str = response.json()["id"]
    await stage.write(stage.announcement(ident, 1, step="architect"))
    # What is written twice after an ambiguous send (R4).
    for _ in range(2 if repeats else 1):
        await stage.write(
            *(stage.token(ident, i, f"t{i} ", step="architect") for i in range(tokens))
        )
    await stage.report(ident, "architect", "plan")
    await eventually(
        lambda: orchestrator.states[ident].steps["architect"].status == "completed",
        what="the architect to be done",
    )
    await ended_by_cancel(http, stage, orchestrator, ident=ident)
    return ident
