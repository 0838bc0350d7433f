"""A provider on 127.0.0.1 that follows scripts, in every dialect at once."""

import asyncio
import hashlib
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Final

import orjson
from aiohttp import web
from msgspec import Struct

from facilitair_llm.simulator.journal import Entry, Journal
from facilitair_testing.provider.anthropic_speech import ANTHROPIC_SPEECH
from facilitair_testing.provider.exchange import Exchange
from facilitair_testing.provider.ollama_speech import OLLAMA_SPEECH
from facilitair_testing.provider.openai_speech import OPENAI_SPEECH
from facilitair_testing.provider.scripts import Script
from facilitair_testing.provider.speech import Speech

SPEECHES: Final = (OPENAI_SPEECH, ANTHROPIC_SPEECH, OLLAMA_SPEECH)
MAX_BODY_BYTES = 32 << 20


class Received(Struct, frozen=True, kw_only=True):
    """A request as it came."""

    dialect: str
    headers: dict[str, str]
    body: bytes

    @property
    def model(self) -> str:
        """The model that was asked for."""
        return str(orjson.loads(self.body)["model"])


class Left(Struct, frozen=True, kw_only=True):
    """A client went away; `tokens` had been written by then, those that never arrived included."""

    model: str
    tokens: int


class ScriptedProvider:
    """What a test tells the provider, and what it has been asked.

    Each request takes the first of its model's scripts in `by_model`, else of `scripts`; one with
    `times` stays for as many requests. Without any left, `default` holds.
    `url` is the base of every dialect's path. `received` are all requests, in order.
    `before_break` is waited for before a connection is broken: a client whose reading a test
    wants to see to the last token says there that it has read it.
    `left` are those whose client went away before the end.
    """

    def __init__(self, *, url: str = "", journal: Journal) -> None:
        self.url = url
        self.scripts: deque[Script] = deque()
        self.by_model: dict[str, deque[Script]] = {}
        self.left: list[Left] = []
        self.default = Script()
        self.received: list[Received] = []
        self.before_break: Callable[[], Awaitable[object]] = partial(asyncio.sleep, 0)
        self._journal = journal
        self._served: dict[int, int] = {}

    async def answer(self, http: web.Request, *, speech: Speech) -> web.StreamResponse:
        """Answer a request of one dialect."""
        body = await http.read()
        self.received.append(
            Received(dialect=speech.dialect, headers=dict(http.headers), body=body)
        )
        model = str(orjson.loads(body)["model"])
        script = self._next_script(model)
        exchange = Exchange(
            http=http,
            speech=speech,
            script=script,
            entry=Entry(
                call_id=http.headers.get("X-Facilitair-Call-Id"),
                tenant=http.headers.get("X-Facilitair-Tenant"),
                model=model,
                prompt_sha256=hashlib.sha256(body).hexdigest(),
                input_tokens=script.answer.usage.input_tokens,
                output_tokens=0,
                outcome="started",
            ),
            journal=self._journal,
            before_break=self.before_break,
            on_left=lambda tokens: self.left.append(Left(model=model, tokens=tokens)),
        )
        return await exchange.answer()

    def requests(self, model: str) -> list[Received]:
        """All requests for one model, in order."""
        return [received for received in self.received if received.model == model]

    def _next_script(self, model: str) -> Script:
        scripts = self.by_model.get(model) or self.scripts
        if not scripts:
            return self.default
        script = scripts[0]
        served = self._served.get(id(scripts), 0) + 1
        if served == script.times:
            scripts.popleft()
            served = 0
        self._served[id(scripts)] = served
        return script


@asynccontextmanager
async def scripted_provider(
    journal_path: Path, *, open_journal: Callable[[Path], Journal] = Journal
) -> AsyncIterator[ScriptedProvider]:
    """Run a provider on a free port; its journal is complete once this is left."""
    journal = open_journal(journal_path)
    provider = ScriptedProvider(journal=journal)
    app = web.Application(client_max_size=MAX_BODY_BYTES)
    for speech in SPEECHES:
        app.router.add_post(speech.route, partial(provider.answer, speech=speech))
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        provider.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield provider
    finally:
        await runner.cleanup()
        await journal.close()
