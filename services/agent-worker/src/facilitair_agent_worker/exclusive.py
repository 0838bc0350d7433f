"""Solo: one process has the log, so every other incarnation is dead at once (R20)."""

from collections.abc import Iterator
from contextlib import contextmanager

import structlog

from facilitair_agent_worker.claims import Claim
from facilitair_agent_worker.silence import Means
from facilitair_messaging.messages import Incoming
from facilitair_observability import names


class ExclusiveSilence:
    """Declares what earlier incarnations left; nobody is there to renew for or to watch."""

    def __init__(self, means: Means) -> None:
        self._means = means

    async def settle(self) -> None:
        """Close every open attempt of another incarnation."""
        orphans = self._means.ledger.orphans(self._means.incarnation)
        for key in orphans:
            outcome = await self._means.declarer.declare(key, still=lambda _: True)
            if outcome is not None:
                self._means.metrics.count(names.ATTEMPTS_DECLARED, outcome=outcome)
        structlog.get_logger().info("ledger read", orphans=len(orphans))

    async def run(self) -> None:
        """There is nothing to do."""

    def read(self, incoming: Incoming) -> None:
        """No record changes what is known."""

    def watch(self, partition: int) -> None:
        """All partitions are this process's."""

    def unwatch(self, partition: int) -> None:
        """All partitions are this process's."""

    @contextmanager
    def holding(self, claim: Claim) -> Iterator[None]:  # noqa: ARG002 - the port's signature
        """Nobody asks."""
        yield
