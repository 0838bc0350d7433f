"""What a service is to the process that runs it."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Protocol

import structlog

from facilitair_observability.metrics import Metrics

_log = structlog.get_logger()


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

    def ready(self) -> bool:
        """Whether it holds its partitions and its stores answer."""
        ...

    def live(self) -> bool:
        """Whether its loop moved recently."""
        ...


Build = Callable[[], AbstractAsyncContextManager[App]]


async def run_until(app: App, stop: asyncio.Event, *, deadline_s: float) -> None:
    """Run an app until it ends, or until ``deadline_s`` after ``stop``; then it is cancelled.

    Raises what the app raises.
    """
    running = asyncio.ensure_future(app.run(stop))
    stopping = asyncio.ensure_future(stop.wait())
    try:
        await asyncio.wait({running, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if not (await asyncio.wait({running}, timeout=deadline_s))[0]:
            _log.warning("work cut off", deadline_s=deadline_s)
            running.cancel()
            await asyncio.wait({running})
    finally:
        stopping.cancel()
        if not running.done():
            running.cancel()
            await asyncio.wait({running})
    if not running.cancelled():
        running.result()
