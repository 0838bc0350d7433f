"""A provider on 127.0.0.1 that does what a test tells it."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from aiohttp import web

from facilitair_llm.openai_wire import OPENAI_CHAT
from facilitair_llm.providers import HttpChat, NetworkRules, Timeouts, build_session
from facilitair_llm.secret import Secret

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class ScriptedProvider:
    """Answers every request with `handler` and keeps them; `gone` is set when a client leaves."""

    def __init__(self) -> None:
        self.handler: Handler | None = None
        self.requests: list[tuple[dict[str, str], bytes]] = []
        self.arrived = asyncio.Event()
        self.gone = asyncio.Event()
        self.release = asyncio.Event()
        self.url = ""

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.requests.append((dict(request.headers), await request.read()))
        self.arrived.set()
        try:
            return await self.handler(request)
        except (asyncio.CancelledError, ConnectionError):
            self.gone.set()
            raise

    def stream(self, *parts: bytes, hold: bool = False, cut: bool = False) -> None:
        """Send the parts; then end well, hang until released (`hold`) or break off (`cut`)."""

        async def handler(request: web.Request) -> web.StreamResponse:
            response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
            await response.prepare(request)
            for part in parts:
                await response.write(part)
            if hold:
                await self.release.wait()
            if cut:
                request.transport.abort()
            return response

        self.handler = handler

    def reply(self, **response) -> None:
        async def handler(_request: web.Request) -> web.StreamResponse:
            return web.Response(**response)

        self.handler = handler


@pytest.fixture
async def provider():
    scripted = ScriptedProvider()
    app = web.Application()
    app.router.add_post("/v1/chat/completions", scripted.handle)
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    scripted.url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
    yield scripted
    scripted.release.set()
    await runner.cleanup()


@pytest.fixture
async def build_model(provider):
    session = build_session(NetworkRules(loopback=True))

    def build(*, api_key: str | None = None, **options) -> HttpChat:
        secret = None if api_key is None else Secret(api_key)
        known = {
            "base_url": provider.url, "key_of": lambda _: secret, "timeouts": Timeouts(),
        } | options  # fmt: skip
        return HttpChat(session=session, dialect=OPENAI_CHAT, **known)

    yield build
    await session.close()
