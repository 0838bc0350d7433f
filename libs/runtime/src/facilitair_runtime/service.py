"""Running one service as a process."""

import asyncio
import signal
import sys
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Final, Protocol, TypeVar

import structlog
import uvloop
from pydantic_settings import BaseSettings

from facilitair_events.layout import topics_dir
from facilitair_events.registry import Registry
from facilitair_messaging.adapters.embedded.errors import LogLockedError
from facilitair_messaging.ports import Log
from facilitair_observability.correlation import serving
from facilitair_observability.logs import configure
from facilitair_runtime.adapters.run_files import announced
from facilitair_runtime.app import App, run_until
from facilitair_runtime.errors import AppEndedError, SettingsError
from facilitair_runtime.health import serve_health
from facilitair_runtime.log_file import LogSettings, open_log
from facilitair_runtime.settings import ProcessGroup, load, read
from facilitair_runtime.tasks import first_of

DONE: Final = 0
FAILED: Final = 1
USAGE: Final = 2
REFUSED: Final = 3


class ServiceSettings(Protocol):
    """What every service's settings have."""

    @property
    def home(self) -> Path:
        """The folder of all state."""
        ...

    @property
    def process(self) -> ProcessGroup:
        """How the process behaves."""
        ...


S = TypeVar("S", bound=ServiceSettings)
L = TypeVar("L", bound=BaseSettings)
BuildApp = Callable[[S, Log], AbstractAsyncContextManager[App]]


def load_or_exit(settings: type[L]) -> L:
    """Read the settings, or print all their faults and exit with 2."""
    try:
        return load(settings)
    except SettingsError as error:
        print(error, file=sys.stderr)  # noqa: T201 - before logging is configured
        raise SystemExit(USAGE) from None


def run_service(build_app: BuildApp[S], settings: S, *, service: str) -> int:
    """Run a service until SIGTERM or SIGINT; returns the exit code.

    A second signal cuts off what is in flight. 0 stopped, 1 failed, 3 the log is in use.
    """
    configure(service=service, level=settings.process.log_level.lower())
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        try:
            runner.run(_serve(build_app, settings, service=service))
        except LogLockedError as error:
            structlog.get_logger().error("refused", reason=str(error))
            return REFUSED
        except asyncio.CancelledError:
            return FAILED
        except Exception as group:  # noqa: BLE001 - the last boundary: say why, then end
            structlog.get_logger().error("service failed", exc_info=first_of(group))
            return FAILED
    return DONE


async def _serve(build_app: BuildApp[S], settings: S, *, service: str) -> None:
    """Open in this order, close in the reverse: log, app, operator's port, announcement."""
    stop = asyncio.Event()
    _stop_on_signals(stop)
    registry, log_settings = Registry.load(topics_dir()), read(LogSettings)
    with serving(service):
        async with (
            open_log(settings.home, registry, settings=log_settings) as log,
            build_app(settings, log) as app,
            serve_health(service, lambda: app) as url,
        ):
            with announced(settings.home, f"{service}.ops", url=url):
                structlog.get_logger().info("service started", health=url)
                await run_until(app, stop, deadline_s=settings.process.deadline_s())
            if not stop.is_set():
                raise AppEndedError(service=service)
    structlog.get_logger().info("service stopped")


def _stop_on_signals(stop: asyncio.Event) -> None:
    """The first signal stops, the second cuts off."""
    loop, main = asyncio.get_running_loop(), asyncio.current_task()

    def on_signal() -> None:
        if stop.is_set() and main is not None:
            main.cancel()
        stop.set()

    for one in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(one, on_signal)
