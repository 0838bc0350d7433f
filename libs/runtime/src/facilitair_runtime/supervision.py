"""Several services in one process: a failed one is started again, and reported (R36)."""

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Final

import structlog
from msgspec import Struct

from facilitair_observability.correlation import serving
from facilitair_runtime.adapters.run_files import announced
from facilitair_runtime.app import App, Build, run_until
from facilitair_runtime.errors import AppEndedError, CriticalServiceError
from facilitair_runtime.health import serve_health
from facilitair_runtime.tasks import first_of

_log = structlog.get_logger()


class RestartPolicy(Struct, frozen=True, kw_only=True):
    """How a failed service comes back, and when a critical one has failed too often.

    A service that has not been live for ``failing_s`` has failed, too.
    """

    first_backoff_s: float = 0.1
    max_backoff_s: float = 5.0
    max_failures: int = 5
    window_s: float = 60.0
    failing_s: float = 10.0


DEFAULT_POLICY: Final = RestartPolicy()


class Supervisor:
    """Runs apps until ``stop``; leaving ``supervise`` stops them all."""

    def __init__(
        self,
        apps: Mapping[str, Build],
        *,
        critical: frozenset[str],
        stop: asyncio.Event,
        deadline_s: float,
        policy: RestartPolicy,
    ) -> None:
        self._apps = apps
        self._critical = critical
        self._stop = stop
        self._deadline_s = deadline_s
        self._policy = policy
        self._current: dict[str, App] = {}
        self.failures: dict[str, int] = dict.fromkeys(apps, 0)

    def current(self, name: str) -> App | None:
        """The app that runs under a name now; None between two starts."""
        return self._current.get(name)

    def ready(self) -> bool:
        """Whether every app is ready."""
        current = self._current
        return all(name in current and not current[name].vitals.not_ready() for name in self._apps)

    async def run(self) -> None:
        """Run every app until ``stop``.

        Raises CriticalServiceError when a critical one failed too often; the others are stopped
        first, in order.
        """
        async with asyncio.TaskGroup() as tasks:
            kept = [tasks.create_task(self._keep(name)) for name in self._apps]
        for task in kept:
            given_up = task.result()
            if given_up is not None:
                raise given_up

    async def _keep(self, name: str) -> CriticalServiceError | None:
        recent: deque[float] = deque(maxlen=self._policy.max_failures)
        with serving(name):
            while True:
                error = await self._once(name)
                if error is None:
                    return None
                self.failures[name] += 1
                recent.append(time.monotonic())
                if name in self._critical and self._too_often(recent):
                    self._stop.set()
                    return CriticalServiceError(
                        service=name, failures=len(recent), window_s=self._policy.window_s,
                        error=error,
                    )  # fmt: skip
                if await self._stopped_within(self._backoff(recent)):
                    return None

    async def _once(self, name: str) -> BaseException | None:
        """Run an app once; why it failed, or None when it was stopped."""
        try:
            async with self._apps[name]() as app:
                self._current[name] = app
                await run_until(
                    app,
                    self._stop,
                    deadline_s=self._deadline_s,
                    failing_s=self._policy.failing_s,
                )
            if self._stop.is_set():
                return None
            raise AppEndedError(service=name)
        except Exception as group:  # noqa: BLE001 - R36: whatever it is, it is reported, and the service starts again
            error = first_of(group)
            _log.error("service failed", exc_info=error)
            return error
        finally:
            self._current.pop(name, None)

    def _too_often(self, recent: deque[float]) -> bool:
        enough = len(recent) == self._policy.max_failures
        return enough and recent[-1] - recent[0] <= self._policy.window_s

    def _backoff(self, recent: deque[float]) -> float:
        since = time.monotonic() - self._policy.window_s
        count = sum(at > since for at in recent)
        backoff: float = self._policy.first_backoff_s * 2 ** (max(count, 1) - 1)
        return min(backoff, self._policy.max_backoff_s)

    async def _stopped_within(self, seconds: float) -> bool:
        try:
            async with asyncio.timeout(seconds):
                await self._stop.wait()
        except TimeoutError:
            return False
        return True


@asynccontextmanager
async def supervise(
    apps: Mapping[str, Build],
    *,
    critical: frozenset[str],
    stop: asyncio.Event,
    deadline_s: float,
    home: Path,
    policy: RestartPolicy = DEFAULT_POLICY,
) -> AsyncIterator[Supervisor]:
    """A supervisor whose apps have their operator's ports open and announced under ``home/run``.

    The body awaits ``Supervisor.run``.
    """
    supervisor = Supervisor(
        apps, critical=critical, stop=stop, deadline_s=deadline_s, policy=policy
    )
    async with AsyncExitStack() as stack:
        for name in apps:
            health = serve_health(name, lambda name=name: supervisor.current(name))  # type: ignore[misc]
            url = await stack.enter_async_context(health)
            stack.enter_context(announced(home, f"{name}.ops", url=url))
        yield supervisor
