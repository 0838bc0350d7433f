"""What a run hurts: all of Facilitair on one machine, on the embedded log or on Kafka."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Final, Protocol

from facilitair_events.topics import ACCOUNT_STATE, COLLABORATION_STATE
from facilitair_messaging.ports import Log
from facilitair_testing.chaos.clocks import Clocks
from facilitair_testing.chaos.faults import SystemName
from facilitair_testing.chaos.small_disk import SmallDisk

STATES: Final[Mapping[str, str]] = {
    "orchestrator": COLLABORATION_STATE,
    "accounts": ACCOUNT_STATE,
}
"""Where a service keeps its snapshots."""


class System(Protocol):
    """A running system. ``disk`` and ``clocks`` are None where the machine does not allow them.

    Whatever is killed is started again by the launcher of the system, not by the test.
    """

    name: SystemName
    home: Path
    disk: SmallDisk | None
    clocks: Clocks | None
    lease_ms: int

    @property
    def urls(self) -> Sequence[str]:
        """The gateways."""
        ...

    def pids(self, target: str) -> dict[str, int]:
        """The processes of a service, a member, or ``everybody``, by member.

        Members that are being started again may be missing.
        """
        ...

    async def whole(self) -> None:
        """Return once every member runs and is ready. Raises ConditionNotMetError."""
        ...

    async def rebuilt(self) -> None:
        """Have every partition of every reducer loaded once more, for the last time."""
        ...

    def without(self, services: Sequence[str]) -> AbstractAsyncContextManager[Log]:
        """Kill these services and keep them down; gives the log, where their groups are empty."""
        ...

    async def forget_states(self, log: Log, *, service: str) -> int:
        """Delete every snapshot of a service; returns how many records that were."""
        ...

    def open_log(self) -> AbstractAsyncContextManager[Log]:
        """The log, to be read at the end; the services of solo are stopped for it."""
        ...


def settings(home: Path, *, admin_key: str) -> Mapping[str, str]:
    """What every system of a run is told."""
    return {
        "FACILITAIR_GATEWAY_ADMIN_KEY": admin_key,
        "FACILITAIR_GATEWAY_DEFINITIONS": str(home / "definitions"),
        # Viewers notice a frozen gateway after three of them.
        "FACILITAIR_GATEWAY_STREAM__HEARTBEAT_S": "2",
        "FACILITAIR_TESTING": "1",
    }
