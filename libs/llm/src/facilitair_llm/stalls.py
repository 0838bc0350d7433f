"""Noticing that a response stands still: one timer for all its reads.

A timer per read costs as much as parsing what was read.
"""

import asyncio

import aiohttp

from facilitair_llm.errors import LlmError


class StalledError(LlmError):
    """No event came in time."""

    def __init__(self) -> None:
        super().__init__("no event came in time")


class Stall:
    """Ends a wait for bytes at a time of the loop's clock, which may be moved while it runs."""

    def __init__(
        self, content: aiohttp.StreamReader, *, at_s: float, loop: asyncio.AbstractEventLoop
    ) -> None:
        self._content = content
        self._loop = loop
        self._at_s = at_s
        self._waiting = False
        self._over = False
        self._timer = loop.call_at(at_s, self._look)

    def move(self, at_s: float) -> None:
        """Wait until then from now on."""
        self._at_s = at_s
        if self._over or at_s < self._timer.when():
            self._over = False
            self._timer.cancel()
            self._timer = self._loop.call_at(at_s, self._look)

    async def readany(self) -> bytes:
        """Return the next bytes; none at the end.

        Raises StalledError when it is too late for them, and what the stream raises.
        What came before is returned even then.
        """
        if self._over:
            data = self._content.read_nowait()
            if not data and not self._content.at_eof():
                raise StalledError
            return data
        self._waiting = True
        try:
            return await self._content.readany()
        finally:
            self._waiting = False

    def end(self) -> None:
        """Watch no longer."""
        self._timer.cancel()

    def _look(self) -> None:
        if self._loop.time() < self._at_s:
            self._timer = self._loop.call_at(self._at_s, self._look)
            return
        self._over = True
        if self._waiting:
            self._content.set_exception(StalledError())
