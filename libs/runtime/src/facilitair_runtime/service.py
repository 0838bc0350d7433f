"""Running one service as a process."""

import asyncio
import faulthandler
import os
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
from facilitair_messaging.crash_points import arm_from
from facilitair_messaging.errors import CrashSpecError
from facilitair_messaging.ports import Log
from facilitair_observability.correlation import serving
from facilitair_observability.logs import configure
from facilitair_runtime.adapters.run_files import announced
from facilitair_runtime.app import App, run_until
from facilitair_runtime.errors import AppEndedError, SettingsError
from facilitair_runtime.health import serve_health
from facilitair_runtime.heap import settle_heap
from facilitair_runtime.service_log import open_service_log
from facilitair_runtime.settings import ProcessGroup, load
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


def run_service(
    build_app: BuildApp[S], settings: S, *, service: str, member: str | None = None
) -> int:
    """Run a service until SIGTERM or SIGINT; returns the exit code.

    ``member`` names this process among those of the service; its operator's port is announced
    under that name.
    A second signal cuts off what is in flight.
    0 stopped, 1 failed, 2 the settings are wrong, 3 the log is in use.
    """
    member = service if member is None else member
    configure(service=service, level=settings.process.log_level.lower())
    # SIGABRT has it write down where it hangs; its supervisor sends that before SIGKILL.
    faulthandler.enable()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        try:
            arm_from(os.environ, home=settings.home)
            runner.run(_serve(build_app, settings, service=service, member=member))
        except LogLockedError as error:
            structlog.get_logger().error("refused", reason=str(error))
            return REFUSED
        except (SettingsError, CrashSpecError) as error:
            structlog.get_logger().error("refused", reason=str(error))
            return USAGE
        except asyncio.CancelledError:
            return FAILED
        except Exception as group:  # noqa: BLE001 - the last boundary: say why, then end
            structlog.get_logger().error("service failed", exc_info=first_of(group))
            return FAILED
    return DONE


async def _serve(build_app: BuildApp[S], settings: S, *, service: str, member: str) -> None:
    """Open in this order, close in the reverse: log, app, operator's port, announcement."""
    stop = asyncio.Event()
    _stop_on_signals(stop)
    opening = open_service_log(
        settings.home,
        Registry.load(topics_dir()),
        service=service,
        member=member,
        stop=stop,
    )
    with serving(service):
        async with opening as log:
            if log is not None:
                await _run(build_app, settings, log, service=service, member=member, stop=stop)
    structlog.get_logger().info("service stopped")


async def _run(  # noqa: PLR0917 - what runs, told what, on what
    build_app: BuildApp[S],
    settings: S,
    log: Log,
    *,
    service: str,
    member: str,
    stop: asyncio.Event,
) -> None:
    async with (
        build_app(settings, log) as app,
        serve_health(service, lambda: app) as url,
    ):
        with announced(settings.home, f"{member}.ops", url=url):
            settle_heap()
            structlog.get_logger().info("service started", member=member, health=url)
            await run_until(app, stop, deadline_s=settings.process.deadline_s())
        if not stop.is_set():
            raise AppEndedError(service=service)


def _stop_on_signals(stop: asyncio.Event) -> None:
    """The first signal stops, the second cuts off."""
    loop, main = asyncio.get_running_loop(), asyncio.current_task()

    def on_signal() -> None:
        if stop.is_set() and main is not None:
            main.cancel()
        stop.set()

    for one in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(one, on_signal)
