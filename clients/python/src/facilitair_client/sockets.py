"""The stream of a collaboration over WebSocket: messages as frames, close codes as errors."""

from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

import httpx
import msgspec
from msgspec import Struct

from facilitair_client.errors import ApiError, ProtocolError
from facilitair_client.requesting import api_error
from facilitair_client.sse import MAX_FRAME_BYTES, Frame
from facilitair_client.streaming import Batch

if TYPE_CHECKING:
    from websockets.asyncio.client import ClientConnection

_OPEN_S: Final = 10.0
_PING_S: Final = 20.0

_DONE: Final = 1000
_TRY_AGAIN: Final = 1013
_BROKEN: Final = frozenset({1006, 1011})
_STATUSES: Final = {1008: 400, 1009: 413, 4400: 400, 4401: 401, 4404: 404, 4410: 410}
"""Closes that asking again does not change, as what HTTP says for them."""


class _Message(Struct, frozen=True):
    event: str
    id: str | None = None
    data: msgspec.Raw = msgspec.Raw(b"null")
    code: str | None = None
    message: str | None = None


@asynccontextmanager
async def open_socket(
    url: str, cursor: str | None, *, headers: Mapping[str, str]
) -> AsyncIterator[AsyncIterator[Batch]]:
    """The frames of a stream after ``cursor``, from the socket at ``url`` (http or https).

    Raises httpx.TransportError for a connection that cannot be had or is lost, and ApiError for
    what the server refuses.
    """
    # Loaded here: who reads server-sent events does without.
    from websockets.asyncio.client import connect  # noqa: PLC0415
    from websockets.exceptions import InvalidStatus, WebSocketException  # noqa: PLC0415

    place = "ws" + url.removeprefix("http")
    place += f"?cursor={quote(cursor, safe='')}" if cursor else ""
    opening = connect(
        place,
        additional_headers=dict(headers),
        compression=None,
        max_size=MAX_FRAME_BYTES,
        open_timeout=_OPEN_S,
        ping_interval=_PING_S,
        ping_timeout=_PING_S,
        close_timeout=1.0,
    )
    try:
        connection = await opening
    except InvalidStatus as error:
        answer = error.response
        if answer.status_code < HTTPStatus.BAD_REQUEST:
            reason = f"expected a WebSocket, got an answer with status {answer.status_code}"
            raise ApiError(status=answer.status_code, code="not_a_socket", detail=reason) from error
        body = bytes(answer.body or b"")
        raise api_error(answer.status_code, body, headers=answer.headers) from error
    except (OSError, TimeoutError, WebSocketException) as error:
        raise httpx.ConnectError(str(error)) from error
    try:
        yield _batches(connection)
    finally:
        await connection.close()


async def _batches(connection: "ClientConnection") -> AsyncGenerator[Batch, None]:
    from websockets.exceptions import ConnectionClosed  # noqa: PLC0415 - as above

    told: _Message | None = None
    while True:
        try:
            message = _read(await connection.recv())
        except ConnectionClosed as closed:
            code = None if closed.rcvd is None else closed.rcvd.code
            _check_close(code, told)
            if code == _DONE:
                yield Batch(over=True)
            return
        if message.event == "error":
            told = message
        elif message.id is not None:
            data = bytes(message.data).decode()
            yield Batch(frames=(Frame(event=message.event, data=data, id=message.id),))


def _read(message: Any) -> _Message:
    try:
        return msgspec.json.decode(message, type=_Message)
    except msgspec.DecodeError as error:
        raise ProtocolError(reason=str(error)) from error


def _check_close(code: int | None, told: _Message | None) -> None:
    """Raises what a close means that is neither the end nor a wish to come back."""
    if code is None or code in _BROKEN:
        raise httpx.ReadError(str(code or "cut"))
    status = _STATUSES.get(code)
    if code == _TRY_AGAIN and told is not None:
        status = HTTPStatus.SERVICE_UNAVAILABLE
    if status is not None:
        raise ApiError(
            status=status,
            code=(told.code if told else None) or "closed",
            detail=(told.message if told else None) or f"the server closed with {code}",
        )
