"""How workers know that one of them is dead, and show that they are not (R20)."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Protocol

from msgspec import Struct

from facilitair_agent_worker.claims import Claim, Claims
from facilitair_agent_worker.declaring import Declarer
from facilitair_agent_worker.lease import Lease
from facilitair_agent_worker.ledger import Ledger
from facilitair_messaging.messages import Incoming
from facilitair_observability.metrics import Metrics


class Silence(Protocol):
    """One worker's side of it. All but ``settle`` and ``run`` are plain and quick."""

    async def settle(self) -> None:
        """Declare what has to be declared before the first task; the ledger has been read."""
        ...

    async def run(self) -> None:
        """Renew and watch until cancelled."""
        ...

    def read(self, incoming: Incoming) -> None:
        """A record of the ledger was folded."""
        ...

    def watch(self, partition: int) -> None:
        """This worker owns a partition of the tasks, and has read its ledger."""
        ...

    def unwatch(self, partition: int) -> None:
        """It does not own the partition any more. Its own calls there go on (R21)."""
        ...

    def holding(self, claim: Claim) -> AbstractContextManager[None]:
        """This process works on the claim's attempt, until its outcome is in the log."""
        ...


class Means(Struct, frozen=True, kw_only=True):
    """What a strategy works with."""

    ledger: Ledger
    claims: Claims
    declarer: Declarer
    lease: Lease
    incarnation: str
    metrics: Metrics


BuildSilence = Callable[[Means], Silence]
