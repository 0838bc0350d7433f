"""The operator's port of a service: alive, ready, and its metrics."""

from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any, Final

from aiohttp import web

from facilitair_events.envelope import timestamp
from facilitair_observability.metrics import CONTENT_TYPE
from facilitair_observability.timestamps import now_ms
from facilitair_runtime.app import App
from facilitair_runtime.liveness import Failing
from facilitair_runtime.vitals import Vitals

_STARTING: Final[dict[str, Any]] = {
    "condition": "starting",
    "since": None,
    "for_s": None,
    "detail": "it is being started",
}


@asynccontextmanager
async def serve_health(
    service: str, app: Callable[[], App | None], *, host: str = "127.0.0.1", port: int = 0
) -> AsyncIterator[str]:
    """Serve ``/live``, ``/ready`` and ``/metrics``; yields the url. Port 0 takes a free one.

    ``app`` gives the app of now, or None while it is being restarted: then it is neither ready nor
    dead. 200 means yes, 503 no; ``failing`` says what does not hold, since when, and why.
    """

    async def live(_request: web.Request) -> web.Response:
        current = app()
        told = [] if current is None else _told(current.vitals, current.vitals.not_live())
        return _answer(service, state="live", failing=told)

    async def ready(_request: web.Request) -> web.Response:
        current = app()
        told = [_STARTING] if current is None else _told(current.vitals, current.vitals.not_ready())
        return _answer(service, state="ready", failing=told)

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


def _told(vitals: Vitals, failing: Iterable[Failing]) -> list[dict[str, Any]]:
    now = now_ms()
    told = []
    for one in failing:
        for_s = vitals.age_s(one)
        since = timestamp(now - round(for_s * 1000))
        told.append(
            {
                "condition": one.condition,
                "since": since,
                "for_s": round(for_s, 1),
                "detail": one.detail,
            }
        )
    return told


def _answer(service: str, *, state: str, failing: list[dict[str, Any]]) -> web.Response:
    body = {"service": service, state: not failing, "failing": failing}
    return web.json_response(body, status=503 if failing else 200)
