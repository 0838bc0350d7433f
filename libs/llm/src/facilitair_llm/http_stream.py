"""One POST whose answer is a stream of events: opening, reading, and naming what goes wrong."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import aiohttp
from msgspec import Struct

from facilitair_llm.errors import ProviderError
from facilitair_llm.framing import Event, EventParser, EventTooLargeError
from facilitair_llm.provider_faults import error_from_response

MAX_ERROR_BODY_BYTES = 64 * 1024
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


class EventReader:
    """Reads the events of one response."""

    def __init__(
        self,
        response: aiohttp.ClientResponse,
        *,
        parser: EventParser,
        timeouts: Timeouts,
        started: float,
    ) -> None:
        self.headers: Mapping[str, str] = response.headers
        self._response = response
        self._parser = parser
        self._idle_s = timeouts.idle_s
        self._deadline = started + timeouts.first_byte_s

    async def read(self) -> list[Event] | None:
        """Return the events the next bytes complete, perhaps none; None at the end.

        Raises ProviderError: `timeout`, `truncated` (the connection broke), `malformed`.
        """
        try:
            async with asyncio.timeout_at(self._deadline):
                data = await self._response.content.readany()
        except TimeoutError as error:
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
        if events:
            self._deadline = asyncio.get_running_loop().time() + self._idle_s
        return events

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
) -> AsyncIterator[EventReader]:
    """Send one `POST` and give its events; no redirect is followed and nothing is repeated.

    Leaving closes the connection at once unless the whole response was read.
    Raises ProviderError for anything but a stream.
    """
    started = asyncio.get_running_loop().time()
    deadline = started + timeouts.first_byte_s
    response = await _post(
        session, url=url, headers=headers, body=body, connect_s=timeouts.connect_s, until=deadline
    )
    try:
        if response.status != 200 or response.content_type in WHOLE_BODY_TYPES:  # noqa: PLR2004
            raise await _error_from(response, until=deadline)
        yield EventReader(response, parser=parser, timeouts=timeouts, started=started)
    finally:
        response.close()


async def _post(
    session: aiohttp.ClientSession,
    *,
    url: str,
    headers: Mapping[str, str],
    body: bytes,
    connect_s: float,
    until: float,
) -> aiohttp.ClientResponse:
    try:
        async with asyncio.timeout_at(until):
            return await session.post(
                url,
                data=body,
                headers=headers,
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(total=None, connect=connect_s, sock_read=None),
            )
    except aiohttp.ServerTimeoutError as error:
        raise ProviderError(kind="timeout", message="no connection in time", sent=False) from error
    except TimeoutError as error:
        raise ProviderError(kind="timeout", message="no answer in time") from error
    except aiohttp.ClientConnectorError as error:
        raise ProviderError(
            kind="unavailable", message=f"cannot connect to {error.host}:{error.port}", sent=False
        ) from error
    except (aiohttp.InvalidURL, aiohttp.NonHttpUrlClientError) as error:
        raise ProviderError(kind="invalid_request", message="the base URL is not a URL") from error
    except aiohttp.ClientResponseError as error:
        raise ProviderError(kind="malformed", message="the answer is not HTTP") from error
    except aiohttp.ClientError as error:
        raise ProviderError(
            kind="unavailable", message=f"the request failed: {type(error).__name__}"
        ) from error


async def _error_from(response: aiohttp.ClientResponse, *, until: float) -> ProviderError:
    """Return what the response means; an unreadable body is judged by its status alone."""
    body = b""
    try:
        async with asyncio.timeout_at(until):
            while len(body) < MAX_ERROR_BODY_BYTES and (part := await response.content.readany()):
                body += part
    except (TimeoutError, aiohttp.ClientError):
        body = b""
    return error_from_response(
        status=response.status,
        headers=response.headers,
        body=body[:MAX_ERROR_BODY_BYTES],
    )
