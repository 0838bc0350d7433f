"""One request and its answer: retried while that may help, errors typed."""

import asyncio
import random
import time
from collections.abc import Mapping
from typing import Any, Final, TypeVar

import httpx
import msgspec

from facilitair_client.backoff import Patience, wait_s
from facilitair_client.errors import ApiError, ConnectionLostError, ProtocolError

T = TypeVar("T")

_SHOWN_BYTES: Final = 300


async def request(  # noqa: PLR0917 - connection, method, path
    http: httpx.AsyncClient,
    method: str,
    path: str,
    *,
    patience: Patience,
    params: Mapping[str, str] | None = None,
    json: Any = None,
    headers: Mapping[str, str] | None = None,
) -> bytes:
    """The body of a success; see ``answered``."""
    answer = await answered(
        http, method, path, patience=patience, params=params, json=json, headers=headers
    )
    return answer.content


async def answered(  # noqa: PLR0917 - connection, method, path
    http: httpx.AsyncClient,
    method: str,
    path: str,
    *,
    patience: Patience,
    params: Mapping[str, str] | None = None,
    json: Any = None,
    headers: Mapping[str, str] | None = None,
) -> httpx.Response:
    """The answer, which is a success.

    Only for requests that may be repeated: it is sent again after a lost connection and after an
    answer that says "not now", until ``patience`` ends.
    Raises ApiError and ConnectionLostError.
    """
    started = time.monotonic()
    failures = 0
    content = None if json is None else msgspec.json.encode(json)
    sent = {"content-type": "application/json", **(headers or {})} if content else headers
    while True:
        failures += 1
        lost: Exception
        asked_s = None
        try:
            answer = await http.request(method, path, params=params, content=content, headers=sent)
            if answer.is_success:
                return answer
            lost = error = api_error(answer.status_code, answer.content, headers=answer.headers)
            if not error.transient:
                raise error
            asked_s = error.retry_after_s
        except httpx.TransportError as error:
            lost = error
        waited_s = time.monotonic() - started
        pause_s = wait_s(patience, failures=failures, share=random.random(), asked_s=asked_s)  # noqa: S311 - jitter
        if waited_s + pause_s >= patience.give_up_after_s:
            if isinstance(lost, ApiError):
                raise lost
            raise ConnectionLostError(url=str(http.base_url), waited_s=waited_s) from lost
        await asyncio.sleep(pause_s)


def decoded(content: bytes, wanted: type[T]) -> T:
    """The body as ``wanted``. Raises ProtocolError."""
    try:
        return msgspec.json.decode(content, type=wanted)
    except msgspec.DecodeError as error:
        raise ProtocolError(reason=str(error)) from error


def api_error(status: int, content: bytes, *, headers: Mapping[str, str]) -> ApiError:
    """The error that an answer tells, also when it is not one of our server's."""
    try:
        problem = msgspec.json.decode(content)
    except msgspec.DecodeError:
        problem = None
    if not isinstance(problem, dict):
        shown = content[:_SHOWN_BYTES].decode("utf-8", "replace").strip()
        problem = {"detail": shown or "the server gave no reason"}
    return ApiError(
        status=status,
        code=str(problem.get("code") or "http_error"),
        detail=str(problem.get("detail") or "the server gave no reason"),
        problem=problem,
        retry_after_s=_seconds(headers.get("retry-after", "")),
    )


def _seconds(text: str) -> float | None:
    return float(text) if text.isascii() and text.isdigit() else None
