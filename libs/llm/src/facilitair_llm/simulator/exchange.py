"""One request and its answer on the wire, with its pace, its faults and its journal entries."""

import asyncio
from typing import NoReturn

from aiohttp import web
from msgspec import Struct
from msgspec.structs import replace

from facilitair_llm.simulator.journal import Entry, Journal, Outcome
from facilitair_llm.simulator.requests import SimulatedRequest
from facilitair_llm.simulator.scripts import Script
from facilitair_llm.simulator.wire import (
    PlannedAnswer,
    encode_delta,
    encode_error,
    encode_usage,
    encode_whole,
    plan_answer,
)

MAX_EVENTS_PER_WRITE = 64
DONE = b"data: [DONE]\n\n"
HALF_EVENT = b'data: {"choices": [{"delta": {"content"\n\n'


class Pace(Struct, frozen=True, kw_only=True):
    """Seconds before the first token, and tokens a second after it; 0 is at once."""

    ttft_s: float
    tokens_per_s: float

    def due_s(self, index: int) -> float:
        """Return when the token is due, in seconds after the request."""
        return self.ttft_s + (index / self.tokens_per_s if self.tokens_per_s else 0.0)


class Exchange:
    """Answers one request; its start and its end reach the journal once each."""

    def __init__(
        self,
        *,
        http: web.Request,
        asked: SimulatedRequest,
        script: Script,
        pace: Pace,
        entry: Entry,
        journal: Journal | None,
    ) -> None:
        self._http = http
        self._asked = asked
        self._script = script
        self._pace = pace
        self._entry = entry
        self._journal = journal
        self._sent = 0
        self._ended = False
        self._started_s = asyncio.get_running_loop().time()

    async def answer(self) -> web.StreamResponse:
        """Answer; the entry `started` is on disk before the first byte leaves.

        The entry `completed` is on disk before the answer's last bytes leave.
        """
        await self._write_entry("started")
        try:
            return await self._respond()
        finally:
            if not self._ended:
                await self._end("cancelled")

    async def _respond(self) -> web.StreamResponse:
        script = self._script
        if script.hang == "headers":
            await self._hang()
        if script.status is not None or script.error_body:
            return await self._refuse(script.status or 200)
        planned = plan_answer(self._asked)
        if self._asked.stream:
            return await self._stream(planned)
        return await self._answer_whole(planned)

    async def _refuse(self, status: int) -> web.Response:
        await self._end("faulted")
        retry_after = self._script.retry_after
        return web.Response(
            status=status,
            headers={} if retry_after is None else {"Retry-After": retry_after},
            body=encode_error(status=max(status, 400), message="simulated fault"),
            content_type="application/json",
        )

    async def _answer_whole(self, planned: PlannedAnswer) -> web.Response:
        script = self._script
        await self._sleep_until(self._pace.due_s(len(planned.tokens)))
        breaks = (script.cut_after, script.end_after, script.error_after)
        if script.malformed or script.hang or any(after is not None for after in breaks):
            await self._break_connection()
        self._sent = len(planned.tokens)
        await self._end("completed")
        return web.Response(
            body=encode_whole(planned, with_usage=not script.no_usage),
            content_type="application/json",
        )

    async def _stream(self, planned: PlannedAnswer) -> web.StreamResponse:
        response = web.StreamResponse(
            headers={"Content-Type": "text/event-stream", "Cache-Control": "no-cache"}
        )
        await response.prepare(self._http)
        if self._script.hang == "body":
            await self._hang()
        if not await self._stream_tokens(response, planned):
            await self._end("faulted")
            return response
        last = encode_delta(planned, {}, finish=planned.finish_reason)
        if self._asked.include_usage and not self._script.no_usage:
            last += encode_usage(planned)
        await self._write(response, last)
        await self._end("completed")
        await self._write(response, DONE)
        return response

    async def _stream_tokens(self, response: web.StreamResponse, planned: PlannedAnswer) -> bool:
        """Send the tokens when they are due, those due together in one write.

        Return False where the script ends the stream before its end.
        """
        waiting = [encode_delta(planned, {"role": "assistant", "content": ""})]
        for index, token in enumerate(planned.tokens):
            due_s = self._pace.due_s(index)
            if len(waiting) >= MAX_EVENTS_PER_WRITE or not self._is_due(due_s):
                await self._write(response, b"".join(waiting))
                waiting = []
                await self._sleep_until(due_s)
            fault = self._fault_before(index)
            if fault is not None:
                await self._write(response, b"".join(waiting) + fault)
                if self._script.cut_after is not None:
                    await self._break_connection()
                if self._script.hang is not None:
                    await self._hang()
                return False
            waiting.append(encode_delta(planned, {"content": token}))
            self._sent = index + 1
        await self._write(response, b"".join(waiting))
        return True

    def _fault_before(self, index: int) -> bytes | None:
        """Return what the script sends instead of this token and all after it."""
        script = self._script
        if index in {script.cut_after, script.end_after}:
            return b""
        if index == script.error_after:
            error = encode_error(status=500, message="simulated fault in mid-stream")
            return b"data: " + error + b"\n\n"
        if index == 1 and script.malformed:
            return HALF_EVENT
        return b"" if index == 1 and script.hang == "stream" else None

    async def _write(self, response: web.StreamResponse, data: bytes) -> None:
        if self._script.drip is None:
            await response.write(data)
            return
        for byte in data:
            await response.write(bytes((byte,)))
            await asyncio.sleep(1 / self._script.drip)

    async def _hang(self) -> None:
        """Wait until the client goes away."""
        await self._end("faulted")
        await asyncio.Event().wait()

    async def _break_connection(self) -> NoReturn:
        await self._end("faulted")
        if self._http.transport is not None:
            self._http.transport.abort()
        raise ConnectionResetError

    def _is_due(self, due_s: float) -> bool:
        return asyncio.get_running_loop().time() - self._started_s >= due_s

    async def _sleep_until(self, due_s: float) -> None:
        waited_s = asyncio.get_running_loop().time() - self._started_s
        if due_s > waited_s:
            await asyncio.sleep(due_s - waited_s)

    async def _end(self, outcome: Outcome) -> None:
        self._ended = True
        await self._write_entry(outcome)

    async def _write_entry(self, outcome: Outcome) -> None:
        if self._journal is not None:
            entry = replace(self._entry, outcome=outcome, output_tokens=self._sent)
            await asyncio.shield(self._journal.append(entry))
