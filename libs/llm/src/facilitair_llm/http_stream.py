"""One POST whose answer is a stream of events: opening, reading, and naming what goes wrong."""

import asyncio
import errno
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager

import aiohttp
from msgspec import Struct

from facilitair_llm.errors import ProviderError
from facilitair_llm.framing import MAX_EVENT_BYTES, Event, EventParser, EventTooLargeError
from facilitair_llm.provider_faults import error_from_response
from facilitair_llm.stalls import Stall, StalledError

DRAIN_S = 0.2
"""How long the end of a finished response is waited for, so that its connection can be reused."""
WHOLE_BODY_TYPES = frozenset({"application/json", "application/problem+json", "text/html"})
"""What is answered instead of a stream; some servers send streams as text/plain."""


class Timeouts(Struct, frozen=True, kw_only=True):
    """Seconds a call may stand still.

    `connect_s`: name lookup, a free place in the pool, TCP and TLS.
    `first_byte_s`: from the start of the call until the first event of the answer.
    `idle_s`: from one event to the next; bytes that complete no event do not count as life.
    """

    connect_s: float = 10.0
    first_byte_s: float = 120.0
    idle_s: float = 60.0


class ResponseLimits(Struct, frozen=True, kw_only=True):
    """How much a response may be, in bytes as they come: compressed ones are refused.

    `max_event_bytes`: from the end of one event to the end of the next, as far as bytes come at
    once; the framings have `MAX_EVENT_BYTES` as their own bound.
    `max_header_bytes`: the status line, and each of at most 128 headers.
    `max_error_bytes`: how much is read of a response that is no stream.
    """

    max_bytes: int = 256 << 20
    max_event_bytes: int = MAX_EVENT_BYTES
    max_header_bytes: int = 16 << 10
    max_error_bytes: int = 64 << 10


class EventReader:
    """Reads the events of one response."""

    def __init__(
        self,
        response: aiohttp.ClientResponse,
        *,
        parser: EventParser,
        timeouts: Timeouts,
        limits: ResponseLimits,
        started: float,
    ) -> None:
        self.headers: Mapping[str, str] = response.headers
        self._limits = limits
        self._size = 0
        self._unfinished = 0
        self._response = response
        self._parser = parser
        self._idle_s = timeouts.idle_s
        self._loop = asyncio.get_running_loop()
        self._stall = Stall(response.content, at_s=started + timeouts.first_byte_s, loop=self._loop)

    async def read(self) -> list[Event] | None:
        """Return the events the next bytes complete, perhaps none; None at the end.

        Raises ProviderError: `timeout`, `truncated` (the connection broke), `malformed` (also for
        what is larger than the limits).
        """
        try:
            data = await self._stall.readany()
        except StalledError as error:
            raise ProviderError(
                kind="timeout", message="no event of the answer came in time"
            ) from error
        except aiohttp.ClientError as error:
            raise ProviderError(
                kind="truncated", message=f"the connection broke: {type(error).__name__}"
            ) from error
        if not data:
            return None
        try:
            events = self._parser.feed(data)
        except EventTooLargeError as error:
            raise ProviderError(kind="malformed", message=str(error)) from error
        self._check_size(len(data), events)
        if events:
            self._stall.move(self._loop.time() + self._idle_s)
        return events

    def _check_size(self, size: int, events: list[Event]) -> None:
        limits = self._limits
        self._size += size
        if self._size > limits.max_bytes:
            raise ProviderError(
                kind="malformed", message=f"the answer has more than {limits.max_bytes} bytes"
            )
        self._unfinished += size
        if self._unfinished > limits.max_event_bytes and (
            not events or any(len(event.data) > limits.max_event_bytes for event in events)
        ):
            raise ProviderError(
                kind="malformed", message=f"an event has more than {limits.max_event_bytes} bytes"
            )
        if events:
            self._unfinished = 0

    def end(self) -> None:
        """Read nothing more."""
        self._stall.end()

    async def drain(self) -> None:
        """Wait shortly for the end of the response; a server that sends on is cut off."""
        try:
            async with asyncio.timeout(DRAIN_S):
                await self._response.content.readany()
        except (TimeoutError, aiohttp.ClientError):
            self._response.close()


@asynccontextmanager
async def open_stream(
    session: aiohttp.ClientSession,
    *,
    url: str,
    headers: Mapping[str, str],
    body: bytes,
    parser: EventParser,
    timeouts: Timeouts,
    limits: ResponseLimits,
    on_headers: Callable[[Mapping[str, str]], None],
) -> AsyncIterator[EventReader]:
    """Send one `POST` and give its events; no redirect is followed and nothing is repeated.

    A compressed response is not read: a few bytes of it could become any number.
    `on_headers` is told the headers of any response, before anything else of it is read.

    Leaving closes the connection at once unless the whole response was read.
    Raises ProviderError for anything but a stream.
    """
    started = asyncio.get_running_loop().time()
    deadline = started + timeouts.first_byte_s
    response = await _post(
        session,
        url=url,
        headers=headers,
        body=body,
        connect_s=timeouts.connect_s,
        max_header_bytes=limits.max_header_bytes,
        until=deadline,
    )
    try:
        on_headers(response.headers)
        if response.status != 200 or response.content_type in WHOLE_BODY_TYPES:  # noqa: PLR2004
            raise await _error_from(response, max_bytes=limits.max_error_bytes, until=deadline)
        if _is_compressed(response):
            raise ProviderError(kind="malformed", message=_COMPRESSED)
        reader = EventReader(
            response, parser=parser, timeouts=timeouts, limits=limits, started=started
        )
        try:
            yield reader
        finally:
            reader.end()
    finally:
        response.close()


async def _post(
    session: aiohttp.ClientSession,
    *,
    url: str,
    headers: Mapping[str, str],
    body: bytes,
    connect_s: float,
    max_header_bytes: int,
    until: float,
) -> aiohttp.ClientResponse:
    try:
        async with asyncio.timeout_at(until):
            return await session.post(
                url,
                data=body,
                headers=headers,
                allow_redirects=False,
                auto_decompress=False,
                max_line_size=max_header_bytes,
                max_field_size=max_header_bytes,
                timeout=aiohttp.ClientTimeout(total=None, connect=connect_s, sock_read=None),
            )
    except aiohttp.ServerTimeoutError as error:
        raise ProviderError(kind="timeout", message="no connection in time", sent=False) from error
    except TimeoutError as error:
        raise ProviderError(kind="timeout", message="no answer in time") from error
    except aiohttp.ClientConnectorError as error:
        raise _no_connection(error) from error
    except (aiohttp.InvalidURL, aiohttp.NonHttpUrlClientError) as error:
        raise ProviderError(kind="invalid_request", message="the base URL is not a URL") from error
    except aiohttp.ClientResponseError as error:
        raise ProviderError(
            kind="malformed", message="the answer is not HTTP, or its headers are too large"
        ) from error
    except aiohttp.ClientError as error:
        raise ProviderError(
            kind="unavailable", message=f"the request failed: {type(error).__name__}"
        ) from error


def _no_connection(error: aiohttp.ClientConnectorError) -> ProviderError:
    refused = error.os_error.errno == errno.EACCES
    return ProviderError(
        kind="address_refused" if refused else "unavailable",
        message=str(error.os_error.strerror)
        if refused
        else f"cannot connect to {error.host}:{error.port}",
        sent=False,
    )


async def _error_from(
    response: aiohttp.ClientResponse, *, max_bytes: int, until: float
) -> ProviderError:
    """Return what the response means; an unreadable body is judged by its status alone."""
    body = b""
    try:
        async with asyncio.timeout_at(until):
            while (
                not _is_compressed(response)
                and len(body) < max_bytes
                and (part := await response.content.readany())
            ):
                body += part
    except (TimeoutError, aiohttp.ClientError):
        body = b""
    return error_from_response(
        status=response.status, headers=response.headers, body=body[:max_bytes]
    )


def _is_compressed(response: aiohttp.ClientResponse) -> bool:
    return response.headers.get("Content-Encoding", "identity").strip().lower() != "identity"


_COMPRESSED = "the answer is compressed, though only a plain one was asked for"
