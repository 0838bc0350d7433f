"""An export of entries, line by line, over as many connections as it takes."""

import asyncio
import random
import time
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing
from typing import Final

import httpx
import msgspec
from msgspec import Struct

from facilitair_client.backoff import Patience, wait_s
from facilitair_client.errors import ApiError, ConnectionLostError, ProtocolError
from facilitair_client.requesting import api_error

_TIMEOUT: Final = httpx.Timeout(10.0, read=120.0)
"""The server may have to pass over many entries of others before it finds one of ours."""


class EntryLine(Struct, frozen=True, kw_only=True):
    """One line with its line end. ``cursor`` reads on behind it; null for the heading of CSV."""

    content: bytes
    cursor: str | None


async def entry_lines(
    http: httpx.AsyncClient,
    path: str,
    *,
    params: Mapping[str, str],
    cursor: str | None,
    patience: Patience,
) -> AsyncGenerator[EntryLine, None]:
    """Every line once, in order. Raises ApiError, ConnectionLostError and ProtocolError.

    After a drop it asks again, behind the last whole line.
    """
    alive_at, failures = time.monotonic(), 0
    while True:
        asked_s = None
        try:
            async with aclosing(_connection(http, path, params=params, cursor=cursor)) as lines:
                async for content in lines:
                    alive_at, failures = time.monotonic(), 0
                    line = _line(content, form=params["format"])
                    cursor = line.cursor or cursor
                    yield line
            return
        except ApiError as error:
            if not error.transient:
                raise
            lost: Exception = error
            asked_s = error.retry_after_s
        except httpx.TransportError as error:
            lost = error
        failures += 1
        waited_s = time.monotonic() - alive_at
        pause_s = wait_s(patience, failures=failures, share=random.random(), asked_s=asked_s)  # noqa: S311 - jitter
        if waited_s + pause_s >= patience.give_up_after_s:
            if isinstance(lost, ApiError):
                raise lost
            url = str(http.base_url)
            raise ConnectionLostError(url=url, waited_s=waited_s, cursor=cursor) from lost
        await asyncio.sleep(pause_s)


async def _connection(
    http: httpx.AsyncClient, path: str, *, params: Mapping[str, str], cursor: str | None
) -> AsyncGenerator[bytes, None]:
    asked = dict(params) | ({"cursor": cursor} if cursor else {})
    async with http.stream("GET", path, params=asked, timeout=_TIMEOUT) as answer:
        if not answer.is_success:
            raise api_error(answer.status_code, await answer.aread(), headers=answer.headers)
        async for line in _lines(answer.aiter_bytes()):
            yield line


async def _lines(parts: AsyncIterator[bytes]) -> AsyncGenerator[bytes, None]:
    """The whole lines; what a connection broke off is not one."""
    rest = b""
    async for part in parts:
        *whole, rest = (rest + part).split(b"\n")
        for line in whole:
            yield line + b"\n"


def _line(content: bytes, *, form: str) -> EntryLine:
    if form == "csv":
        first = content.partition(b",")[0].decode()
        return EntryLine(content=content, cursor=None if first == "cursor" else first)
    try:
        row = msgspec.json.decode(content, type=_Row)
    except msgspec.DecodeError as error:
        raise ProtocolError(reason=str(error)) from error
    return EntryLine(content=content, cursor=row.cursor)


class _Row(Struct):
    cursor: str
