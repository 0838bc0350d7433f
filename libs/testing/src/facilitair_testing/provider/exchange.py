"""One request to a scripted provider and its answer on the wire."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

from aiohttp import web
from msgspec import Struct
from msgspec.structs import replace

from facilitair_llm.simulator.journal import Entry, Journal, Outcome
from facilitair_testing.provider.scripts import GIANT_BYTES, Script
from facilitair_testing.provider.speech import Speech

PAGE = b"<html><body>Sign in to the network</body></html>"
JSON = "application/json"


class Spoken(Struct, kw_only=True):
    """How far an answer got."""

    tokens: int = 0
    ended: bool = False


class Exchange:
    """Answers one request as its script says.

    The journal has `started` on disk before the first byte leaves, and how it ended before the
    last one does. `before_break` is waited for before the connection is broken, `on_left` is told
    how many tokens were written when the client went away.
    """

    def __init__(
        self,
        *,
        http: web.Request,
        speech: Speech,
        script: Script,
        entry: Entry,
        journal: Journal,
        before_break: Callable[[], Awaitable[object]],
        on_left: Callable[[int], None],
    ) -> None:
        self._http = http
        self._speech = speech
        self._script = script
        self._entry = entry
        self._journal = journal
        self._before_break = before_break
        self._on_left = on_left
        self._spoken = Spoken()
        self._broken = False

    async def answer(self) -> web.StreamResponse:
        """Answer; a client that goes away early is journalled as `cancelled`."""
        try:
            await self._note("started")
            return await self._answer()
        except (asyncio.CancelledError, ConnectionError):
            if not self._broken:
                self._on_left(self._spoken.tokens)
            raise
        finally:
            if not self._spoken.ended:
                await self._end("cancelled")

    async def _answer(self) -> web.StreamResponse:
        script = self._script
        if script.hang == "headers":
            await self._hang()
        if script.status is not None:
            await self._end("faulted")
            return self._error(script.status)
        if script.whole is not None:
            await self._end("faulted")
            page = script.whole == "page"
            body = PAGE if page else self._speech.error_body(500)
            return web.Response(body=body, content_type="text/html" if page else JSON)
        response = web.StreamResponse(headers=self._headers())
        await response.prepare(self._http)
        if script.hang == "body":
            await self._hang()
        return await self._stream(response)

    async def _stream(self, response: web.StreamResponse) -> web.StreamResponse:
        script = self._script
        written = self._speech.write(script)
        stops = script.broken is not None or script.hang == "stream"
        tokens = written.tokens[: script.after] if stops else written.tokens
        if script.pace_s is None:
            self._spoken.tokens = len(tokens)
            await self._write(response, b"".join((written.opening, *tokens)))
        else:
            await self._write(response, written.opening)
            await self._write_paced(response, tokens, pace_s=script.pace_s)
        if script.hang == "stream":
            await self._hang()
        if script.broken is not None:
            await self._break(response)
            return response
        await self._end("completed")
        await self._write(response, written.closing)
        return response

    async def _write_paced(
        self,
        response: web.StreamResponse,
        tokens: tuple[bytes, ...],
        *,
        pace_s: float,
    ) -> None:
        for token in tokens:
            self._spoken.tokens += 1
            await self._write(response, token)
            await asyncio.sleep(pace_s)

    async def _break(self, response: web.StreamResponse) -> None:
        speech, broken = self._speech, self._script.broken
        await self._end("faulted")
        if broken == "cut":
            # What the client has not read yet is lost with the connection.
            await self._before_break()
            self._broken = True
            if self._http.transport is not None:
                self._http.transport.abort()
            raise ConnectionResetError
        last = {
            "error": speech.error_event,
            "half": speech.half_event,
            "giant": b"" if broken != "giant" else speech.giant_event(GIANT_BYTES),
        }.get(broken or "", b"")
        await self._write(response, last)

    def _error(self, status: int) -> web.Response:
        now = datetime.now(UTC)  # noqa: TID251 - a provider has a clock of its own
        forms = {
            "none": None,
            "seconds": str(self._script.retry_after_s),
            "date": format_datetime(
                now + timedelta(seconds=self._script.retry_after_s), usegmt=True
            ),
            "absurd": "1e9",
            "unreadable": "soon",
        }
        asked = forms[self._script.retry_after]
        headers = {"Date": format_datetime(now, usegmt=True)}
        headers |= {} if asked is None else {"Retry-After": asked}
        headers |= self._script.rates
        body = self._speech.error_body(status)
        return web.Response(status=status, headers=headers, body=body, content_type=JSON)

    def _headers(self) -> dict[str, str]:
        named = self._speech.request_id_header
        identity = {} if named is None else {named: f"{self._script.answer.id}-request"}
        return {"Content-Type": self._speech.media_type, **identity, **self._script.rates}

    async def _write(self, response: web.StreamResponse, data: bytes) -> None:
        if self._script.drip_s is None:
            await response.write(data)
            return
        for byte in data:
            await response.write(bytes((byte,)))
            await asyncio.sleep(self._script.drip_s)

    async def _hang(self) -> None:
        """Stand still until the client goes away."""
        await self._end("faulted")
        await asyncio.Event().wait()

    async def _end(self, outcome: Outcome) -> None:
        self._spoken.ended = True
        await self._note(outcome)

    async def _note(self, outcome: Outcome) -> None:
        entry = replace(self._entry, outcome=outcome, output_tokens=self._spoken.tokens)
        await asyncio.shield(self._journal.append(entry))
