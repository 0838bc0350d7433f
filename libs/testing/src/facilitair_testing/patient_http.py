"""A client of the gateway that asks again, as every 503 of it says: not now, nothing was done."""

import asyncio
import time
from typing import Final

import httpx

_PATIENCE_S: Final = 90.0
_PAUSE_S: Final = 0.2


class PatientTransport(httpx.AsyncBaseTransport):
    """Repeats requests that are answered with 503, on a machine that is busy.

    After ``patience_s`` the answer is given as it is. A request whose log did not confirm it may
    be there twice: tests that count send an ``Idempotency-Key``.
    """

    def __init__(
        self, inner: httpx.AsyncBaseTransport | None = None, *, patience_s: float = _PATIENCE_S
    ) -> None:
        self._inner = inner or httpx.AsyncHTTPTransport()
        self._patience_s = patience_s

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send it, until the answer is another one or patience is over."""
        deadline = time.monotonic() + self._patience_s
        await request.aread()
        while True:
            response = await self._inner.handle_async_request(request)
            away = response.status_code == httpx.codes.SERVICE_UNAVAILABLE
            if not away or time.monotonic() > deadline:
                return response
            await response.aread()
            await response.aclose()
            await asyncio.sleep(_PAUSE_S)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._inner.aclose()


def patient(url: str = "") -> httpx.AsyncClient:
    """A client of the gateway at ``url``, or of any; use it as an async context manager."""
    return httpx.AsyncClient(base_url=url, timeout=60, transport=PatientTransport())
