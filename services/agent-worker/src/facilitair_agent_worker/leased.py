"""Fleet: claimants renew, owners of partitions watch, and the log's own time decides (R20)."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

import structlog

from facilitair_agent_worker.claims import RETRY_S, Claim
from facilitair_agent_worker.ledger import AttemptKey
from facilitair_agent_worker.silence import Means
from facilitair_events.work import LedgerTicked
from facilitair_messaging.errors import ProduceUnknownError
from facilitair_messaging.messages import Incoming
from facilitair_observability import names

_log = structlog.get_logger()


class LeasedSilence:
    """Renews what this process holds, and declares what others let go of.

    The process's clock only paces renewals and ticks. Whether somebody is silent is judged when a
    tick is read, by the append times read so far.
    """

    def __init__(
        self, means: Means, *, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    ) -> None:
        self._means = means
        self._sleep = sleep
        self._held: dict[AttemptKey, Claim] = {}
        self._watched: set[int] = set()
        self._declaring: set[AttemptKey] = set()
        self._ticked = asyncio.Event()

    async def settle(self) -> None:
        """Nobody is dead only because this process starts."""

    async def run(self) -> None:
        """Renew, tick and judge until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._renew())
            tasks.create_task(self._tick())
            while True:
                await self._ticked.wait()
                self._ticked.clear()
                for key in self._silent():
                    self._declaring.add(key)
                    tasks.create_task(self._declare(key))

    def read(self, incoming: Incoming) -> None:
        """A tick is what its sender and every other owner judges by."""
        if isinstance(incoming.data, LedgerTicked):
            self._ticked.set()

    def watch(self, partition: int) -> None:
        """Take over the watch of a partition."""
        self._watched.add(partition)

    def unwatch(self, partition: int) -> None:
        """Leave the watch to the next owner."""
        self._watched.discard(partition)

    @contextmanager
    def holding(self, claim: Claim) -> Iterator[None]:
        """Renew this claim meanwhile."""
        self._held[claim.key] = claim
        try:
            yield
        finally:
            del self._held[claim.key]

    def _foreign(self, partition: int) -> list[AttemptKey]:
        """Open attempts of a partition that this process does not work on.

        Also those of its own claims that it gave up before they were read back.
        """
        return [key for key in self._means.ledger.open_in(partition) if key not in self._held]

    def _silent(self) -> list[AttemptKey]:
        """Those of watched partitions that nobody has touched for a lease."""
        lease_ms = self._means.lease.lease_ms
        return [
            key
            for partition in self._watched
            for key in self._foreign(partition)
            if key not in self._declaring and self._means.ledger.untouched_ms(key) >= lease_ms
        ]

    def _still_silent(self, key: AttemptKey) -> bool:
        return self._means.ledger.silent_ms(key) >= self._means.lease.lease_ms

    async def _declare(self, key: AttemptKey) -> None:
        try:
            outcome = await self._means.declarer.declare(key, still=self._still_silent)
        finally:
            self._declaring.discard(key)
        if outcome is not None:
            self._means.metrics.count(names.ATTEMPTS_DECLARED, outcome=outcome)

    async def _renew(self) -> None:
        pause_s = self._means.lease.renew_s
        while True:
            await self._sleep(pause_s)
            pause_s = self._means.lease.renew_s
            if not self._held:
                continue
            try:
                await self._means.claims.renew(list(self._held.values()))
            except ProduceUnknownError as error:
                _log.warning("renewals sent again", reason=str(error))
                pause_s = min(pause_s, RETRY_S)

    async def _tick(self) -> None:
        while True:
            await self._sleep(self._means.lease.tick_s)
            foreign = [keys[0] for keys in map(self._foreign, self._watched) if keys]
            if not foreign:
                continue
            # One record per partition moves its time.
            calls = [(key, self._means.ledger.calls(key)[-1]) for key in foreign]
            try:
                await self._means.claims.tick(calls)
            except ProduceUnknownError as error:
                _log.warning("tick not acked; the next one follows", reason=str(error))
