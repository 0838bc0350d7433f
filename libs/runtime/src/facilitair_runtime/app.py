"""What a service is to the process that runs it."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Final, Protocol

import structlog

from facilitair_observability.metrics import Metrics
from facilitair_runtime.errors import WedgedError
from facilitair_runtime.vitals import Vitals

_log = structlog.get_logger()

_JUDGE_S: Final = 1.0


class App(Protocol):
    """A service that was built and not yet closed; leaving its context closes its clients."""

    @property
    def metrics(self) -> Metrics:
        """What it counts."""
        ...

    async def run(self, stop: asyncio.Event) -> None:
        """Work until ``stop``.

        Then, in this order: fetch nothing more, finish what is in flight, flush, commit, leave the
        group. It is cancelled when that takes too long. Returning before ``stop`` is a failure.
        """
        ...

    @property
    def vitals(self) -> Vitals:
        """Whether it lives and is ready, and if not, why; ``run_until`` keeps it up to date."""
        ...


Build = Callable[[], AbstractAsyncContextManager[App]]


async def run_until(
    app: App, stop: asyncio.Event, *, deadline_s: float, failing_s: float | None = None
) -> None:
    """Run an app until it ends, or until ``deadline_s`` after ``stop``; then it is cancelled.

    One that has not been live for ``failing_s`` before the stop is cancelled at once, and
    WedgedError is raised; None leaves that to who runs the process.
    Raises what the app raises.
    """
    running = asyncio.ensure_future(app.run(stop))
    stopping = asyncio.ensure_future(stop.wait())
    looking = asyncio.ensure_future(_look(app.vitals, failing_s=failing_s))
    try:
        await asyncio.wait({running, stopping, looking}, return_when=asyncio.FIRST_COMPLETED)
        if looking.done() and not running.done() and not stop.is_set():
            looking.result()
        if not (await asyncio.wait({running}, timeout=deadline_s))[0]:
            _log.warning("work cut off", deadline_s=deadline_s)
            running.cancel()
            await asyncio.wait({running})
    finally:
        stopping.cancel()
        looking.cancel()
        if not running.done():
            running.cancel()
            await asyncio.wait({running})
    if not running.cancelled():
        running.result()


async def _look(vitals: Vitals, *, failing_s: float | None) -> None:
    """Keep the vitals up to date until cancelled. Raises WedgedError after ``failing_s``."""
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(vitals.run())
        if failing_s is not None:
            tasks.create_task(_judge(vitals, failing_s=failing_s))


async def _judge(vitals: Vitals, *, failing_s: float) -> None:
    clock = asyncio.get_running_loop().time
    failing_since: float | None = None
    while True:
        failing = vitals.not_live()
        if not failing:
            failing_since = None
        elif failing_since is None:
            failing_since = clock()
        elif clock() - failing_since >= failing_s:
            raise WedgedError(reasons=[one.detail for one in failing])
        await asyncio.sleep(min(_JUDGE_S, failing_s))
