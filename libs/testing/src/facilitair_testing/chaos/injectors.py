"""Which fault is injected how, by system."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from facilitair_testing.chaos import injecting, injecting_kafka
from facilitair_testing.chaos.faults import Fault, Kind, NotLandedError, SystemName
from facilitair_testing.chaos.solo_system import SoloSystem

Inject = Callable[[Any, Fault], Awaitable[str]]

_EVERYWHERE: Final[dict[Kind, Inject]] = {
    "kill": injecting.kill,
    "pause": injecting.pause,
    "skew": injecting.skew,
    "disk_full": injecting.disk_full,
    "redeliver": injecting.redeliver,
    "reset_group": injecting.reset_group,
    "state_lost": injecting.state_lost,
}


async def slow_commits(system: SoloSystem, fault: Fault) -> str:
    """Each commit of the embedded log waits for its disk."""
    felt = system.commits.with_name(f"{system.commits.name}.felt")
    before = felt.stat().st_size if felt.exists() else 0
    system.commits.write_text(str(fault.amount * 1000), encoding="ascii")
    try:
        await asyncio.sleep(fault.for_s)
    finally:
        system.commits.write_text("0", encoding="ascii")
    waits = (felt.stat().st_size if felt.exists() else 0) - before
    if not waits:
        raise NotLandedError(expected="a commit that waits")
    return f"{waits} commits waited {fault.amount:g} s"


INJECTORS: Final[Mapping[SystemName, Mapping[Kind, Inject]]] = {
    "solo": {**_EVERYWHERE, "slow_disk": slow_commits},
    "kafka": {
        **_EVERYWHERE,
        "freeze": injecting.pause,
        "disk_full": injecting_kafka.broker_disk_full,
        "broker_kill": injecting_kafka.broker_kill,
        "broker_pause": injecting_kafka.broker_pause,
        "slow_disk": injecting_kafka.slow_disk,
        "net_delay": injecting_kafka.net_delay,
        "net_drip": injecting_kafka.net_drip,
        "net_cut": injecting_kafka.net_cut,
        "net_reset": injecting_kafka.net_reset,
        "net_acks_lost": injecting_kafka.net_acks_lost,
        "net_partition": injecting_kafka.net_partition,
        "storm": injecting_kafka.storm,
    },
}
