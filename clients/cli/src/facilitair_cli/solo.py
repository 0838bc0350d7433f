"""Solo: every service as a task of one event loop, over the embedded log."""

import asyncio
import contextlib
import errno
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final
from urllib.parse import urlsplit

from facilitair_accounts import app as accounts
from facilitair_agent_worker import app as agent_worker
from facilitair_cli.errors import AlreadyUpError, StartError
from facilitair_cli.service_settings import SoloSettings, read_endpoints, read_settings
from facilitair_events.layout import topics_dir
from facilitair_events.registry import Registry
from facilitair_gateway import app as gateway
from facilitair_llm.endpoints import Endpoints
from facilitair_messaging.adapters.embedded.errors import LogFormatError, LogLockedError
from facilitair_messaging.ports import Log
from facilitair_orchestrator import app as orchestrator
from facilitair_runtime.app import App, Build
from facilitair_runtime.errors import CriticalServiceError
from facilitair_runtime.log_file import open_log
from facilitair_runtime.supervision import RestartPolicy, Supervisor, supervise

__all__ = ["read_endpoints", "read_settings", "serve"]

_READY_PAUSE_S: Final = 0.005


async def serve(
    settings: SoloSettings,
    endpoints: Endpoints,
    *,
    stop: asyncio.Event,
    on_ready: Callable[[str], None],
) -> None:
    """Run all services until ``stop``; ``on_ready`` gets the gateway's url once all are ready.

    Raises StartError when one cannot start at all, AlreadyUpError when the log is in use, and
    CriticalServiceError when one failed too often.
    """
    registry = Registry.load(topics_dir())
    home = settings.gateway.home
    try:
        async with open_log(home, registry, settings=settings.log) as log:
            parts = _Parts(settings, endpoints, log=log, stop=stop)
            async with supervise(
                parts.builds(),
                critical=frozenset(parts.builds()),
                stop=stop,
                deadline_s=settings.deadline_s,
                home=home,
                policy=RestartPolicy(failing_s=settings.supervisor.failing_s),
            ) as supervisor:
                await _run(supervisor, parts, on_ready=on_ready)
    except LogLockedError as error:
        raise AlreadyUpError(pid=error.pid, url=None) from error
    except LogFormatError as error:
        raise StartError(faults=[str(error)]) from error


async def _run(supervisor: Supervisor, parts: "_Parts", *, on_ready: Callable[[str], None]) -> None:
    running = asyncio.create_task(supervisor.run())
    try:
        while not supervisor.ready() and not running.done():  # noqa: ASYNC110 - once, at the start
            await asyncio.sleep(_READY_PAUSE_S)
        if not running.done():
            on_ready(parts.url)
        await running
    except CriticalServiceError as error:
        raise StartError(faults=[str(error)]) from error
    finally:
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError, Exception):
            await running
    if parts.refused is not None:
        raise StartError(faults=[parts.refused])


class _Parts:
    """How each service is built, the first time and after a failure.

    What cannot even be built at first (a port that is taken, a faulty definition) is no failure to
    recover from: it stops everything and is told.
    """

    def __init__(
        self, settings: SoloSettings, endpoints: Endpoints, *, log: Log, stop: asyncio.Event
    ) -> None:
        self._settings = settings
        self._endpoints = endpoints
        self._log = log
        self._stop = stop
        self._built: set[str] = set()
        self.url = ""
        self.refused: str | None = None

    def builds(self) -> dict[str, Build]:
        """The services in the order in which they start."""
        log, settings = self._log, self._settings
        return {
            accounts.SERVICE: self._first(
                accounts.SERVICE, lambda: accounts.build_app(settings.accounts, log)
            ),
            orchestrator.SERVICE: self._first(
                orchestrator.SERVICE, lambda: orchestrator.build_app(settings.orchestrator, log)
            ),
            agent_worker.SERVICE: self._first(
                agent_worker.SERVICE,
                lambda: agent_worker.build_app(
                    settings.agent_worker, log, endpoints=self._endpoints
                ),
            ),
            gateway.SERVICE: self._first(gateway.SERVICE, self._gateway),
        }

    def _first(self, name: str, build: Build) -> Build:
        @asynccontextmanager
        async def built() -> AsyncIterator[App]:
            async with AsyncExitStack() as stack:
                try:
                    app = await stack.enter_async_context(build())
                except Exception as error:
                    if name not in self._built:
                        self.refused = self._told(error)
                        self._stop.set()
                    raise
                self._built.add(name)
                yield app

        return built

    @asynccontextmanager
    async def _gateway(self) -> AsyncIterator[App]:
        """A gateway that keeps its port over restarts, also one that was given by the system."""
        settings = self._settings.gateway
        if self.url:
            settings = settings.model_copy(update={"port": urlsplit(self.url).port})
        async with gateway.build_app(settings, self._log, endpoints=self._endpoints) as app:
            self.url = app.url
            yield app

    def _told(self, error: Exception) -> str:
        if isinstance(error, OSError) and error.errno == errno.EADDRINUSE:
            place = f"{self._settings.gateway.host}:{self._settings.gateway.port}"
            return (
                f"{place} is taken by another program;"
                " set FACILITAIR_GATEWAY_PORT to another port, or to 0 for any free one"
            )
        return str(error) or type(error).__name__
