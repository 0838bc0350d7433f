"""The operator's port of a service: alive, ready, and its metrics."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from aiohttp import web

from facilitair_observability.metrics import CONTENT_TYPE
from facilitair_runtime.app import App


@asynccontextmanager
async def serve_health(
    service: str, app: Callable[[], App | None], *, host: str = "127.0.0.1", port: int = 0
) -> AsyncIterator[str]:
    """Serve ``/live``, ``/ready`` and ``/metrics``; yields the url. Port 0 takes a free one.

    ``app`` gives the app of now, or None while it is being restarted: then it is neither ready nor
    dead. 200 means yes, 503 no.
    """

    async def live(_request: web.Request) -> web.Response:
        current = app()
        return _answer(service, state="live", holds=current is None or current.live())

    async def ready(_request: web.Request) -> web.Response:
        current = app()
        return _answer(service, state="ready", holds=current is not None and current.ready())

    async def metrics(_request: web.Request) -> web.Response:
        current = app()
        body = b"" if current is None else current.metrics.render()
        return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE})

    server = web.Application()
    server.add_routes(
        [web.get("/live", live), web.get("/ready", ready), web.get("/metrics", metrics)]
    )
    runner = web.AppRunner(server, access_log=None, handle_signals=False, shutdown_timeout=1.0)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
        yield f"http://{host}:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


def _answer(service: str, *, state: str, holds: bool) -> web.Response:
    return web.json_response({"service": service, state: holds}, status=200 if holds else 503)
