"""The launcher of a fleet: starts everything in order, keeps it running, stops it in order.

Whoever ends the launcher ends the fleet: its processes are on leashes, so even after SIGKILL only
the simulator stays, which the next start adopts and ``down`` stops. The log stays, and the next
start goes on from it.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, Final

from msgspec import Struct

from facilitair_cli import simulator
from facilitair_cli.announcements import find
from facilitair_cli.errors import StartError
from facilitair_cli.fleet.broker import Broker, broker
from facilitair_cli.fleet.keeping import Keeper
from facilitair_cli.fleet.members import SERVICES, Surroundings, members
from facilitair_cli.fleet.needs import fetch_kafka, gateway_ports
from facilitair_cli.fleet.table import FleetScreen
from facilitair_cli.fleet.watching import Row, is_up, member_rows, memory_mib
from facilitair_cli.fleet.wedges import end_wedged
from facilitair_cli.service_settings import SoloSettings, read_endpoints, read_fleet_settings
from facilitair_cli.state_folder import StateFolder
from facilitair_events.layout import topics_dir
from facilitair_events.registry import Registry
from facilitair_llm.endpoints import needs_simulator
from facilitair_messaging.errors import MessagingError
from facilitair_messaging.lag import topic_statuses
from facilitair_messaging.ports import Admin
from facilitair_native.ports import free_ports
from facilitair_runtime.cluster import ClusterSettings, open_cluster
from facilitair_runtime.supervisor_settings import SupervisorSettings

READY_S: Final = 60.0
_LOOK_S: Final = 0.1
_SAMPLE_S: Final = 1.0
_USAGE: Final = 2
_TAIL_LINES: Final = 12

OnReady = Callable[[str], None]


class Fleet(Struct, kw_only=True):
    """What runs."""

    folder: StateFolder
    broker: Broker
    admin: Admin
    registry: Registry
    keepers: Sequence[Keeper]
    simulator_url: str | None
    screen: FleetScreen
    supervisor: SupervisorSettings

    @property
    def url(self) -> str:
        """Where the first gateway answers."""
        found = find(self.folder.gateway)
        return found.url if found is not None else ""


async def run_fleet(
    folder: StateFolder,
    counts: Mapping[str, int],
    *,
    screen: FleetScreen,
    stop: asyncio.Event,
    on_ready: OnReady,
) -> None:
    """Run a fleet until ``stop``; ``on_ready`` gets the url once every member is ready.

    Cancelling it during the start stops what has started; later it kills what is in flight.
    Raises StartError with all that is wrong, before anything starts where that can be known.
    """
    settings, cluster = await asyncio.to_thread(read_fleet_settings)
    if cluster.bootstrap_servers is None:
        await asyncio.to_thread(fetch_kafka, os.environ, screen.say)
    gateway = settings.gateway
    ports = gateway_ports(gateway.host, gateway.port, free=free_ports(counts["gateway"]))
    registry = Registry.load(topics_dir())
    screen.say("starting")
    async with broker(folder, cluster) as kafka, _simulator(folder) as simulator_url:
        read_endpoints(os.environ, simulator_url=simulator_url)
        around = Surroundings(
            home=folder.root,
            bootstrap=kafka.bootstrap,
            simulator_url=simulator_url,
            gateway_ports=ports,
        )
        async with (
            _topics(kafka.bootstrap, registry, cluster=cluster) as admin,
            _keepers(folder, counts, around=around, settings=settings, screen=screen) as keepers,
        ):
            fleet = Fleet(
                folder=folder,
                broker=kafka,
                admin=admin,
                registry=registry,
                keepers=keepers,
                simulator_url=simulator_url,
                screen=screen,
                supervisor=settings.supervisor,
            )
            await _until_stopped(fleet, stop=stop, on_ready=on_ready)


@asynccontextmanager
async def _simulator(folder: StateFolder) -> AsyncIterator[str | None]:
    """The url of a simulator that is kept running; None where a provider is set up."""
    if not needs_simulator(os.environ):
        yield None
        return
    process = simulator.start(folder, os.environ)
    try:
        url = await simulator.reached(folder, process, os.environ)
        keeping = asyncio.create_task(simulator.keep(folder, os.environ, url=url))
        try:
            yield url
        finally:
            keeping.cancel()
            await asyncio.gather(keeping, return_exceptions=True)
    finally:
        await simulator.stop_all(folder, process)


@asynccontextmanager
async def _topics(
    bootstrap: str, registry: Registry, *, cluster: ClusterSettings
) -> AsyncIterator[Admin]:
    """All topics are there; services only check that. Raises StartError."""
    opening = open_cluster(bootstrap, registry, settings=cluster, client_id="launcher")
    started = False
    try:
        async with opening as log:
            await log.admin().ensure_topics(registry.topics.values())
            started = True
            yield log.admin()
    except MessagingError as error:
        if started:
            raise
        raise StartError(faults=[str(error)]) from error


@asynccontextmanager
async def _keepers(
    folder: StateFolder,
    counts: Mapping[str, int],
    *,
    around: Surroundings,
    settings: SoloSettings,
    screen: FleetScreen,
) -> AsyncIterator[list[Keeper]]:
    """All members running; left in order: gateways, workers, orchestrators, accounts."""
    keepers = [
        Keeper(member, logs=folder.logs, home=folder.root, tell=screen.say)
        for member in members(counts, around)
    ]
    tasks = [asyncio.create_task(keeper.run()) for keeper in keepers]
    grace_s = {
        "gateway": settings.gateway.process.grace_s,
        "agent-worker": settings.agent_worker.process.grace_s,
        "accounts": settings.accounts.process.grace_s,
        "orchestrator": settings.orchestrator.process.grace_s,
    }
    try:
        yield keepers
    finally:
        try:
            for service in reversed(SERVICES):
                of_service = [k for k in keepers if k.member.service == service]
                stopping = [k.stop(timeout_s=grace_s[service]) for k in of_service]
                await asyncio.gather(*stopping)
        finally:
            for keeper in keepers:
                keeper.kill()
            await asyncio.gather(*tasks)


async def _until_stopped(fleet: Fleet, *, stop: asyncio.Event, on_ready: OnReady) -> None:
    background = [
        asyncio.create_task(fleet.broker.keep(fleet.folder, fleet.screen.say)),
        asyncio.create_task(_show(fleet)),
        asyncio.create_task(
            end_wedged(
                fleet.folder, fleet.keepers, settings=fleet.supervisor, tell=fleet.screen.say
            )
        ),
    ]
    try:
        await _until_ready(fleet)
        on_ready(fleet.url)
        stopping = asyncio.create_task(stop.wait())
        ended, _ = await asyncio.wait({stopping, *background}, return_when=asyncio.FIRST_COMPLETED)
        for task in ended - {stopping}:
            task.result()
    finally:
        for task in background:
            task.cancel()
        await asyncio.gather(*background, return_exceptions=True)
        fleet.screen.close()


async def _until_ready(fleet: Fleet) -> None:
    """Return once every member is ready. Raises StartError when one refuses, or takes too long."""
    try:
        async with asyncio.timeout(READY_S):
            for keeper in fleet.keepers:
                while not await is_up(fleet.folder, keeper):
                    _raise_refusal(fleet.keepers)
                    await asyncio.sleep(_LOOK_S)
    except TimeoutError as error:
        rows = await member_rows(fleet.folder, fleet.keepers, lags={})
        faults = [
            f"{row.name} was not ready within {READY_S:g} s; see {keeper.log_file}"
            for row, keeper in zip(rows, fleet.keepers, strict=True)
            if row.state != "ready"
        ]
        raise StartError(faults=faults) from error


def _raise_refusal(keepers: Sequence[Keeper]) -> None:
    for keeper in keepers:
        if keeper.last_exit == _USAGE:
            said = keeper.log_file.read_text(encoding="utf-8", errors="replace").splitlines()
            raise StartError(
                faults=[f"{keeper.member.name} refuses its settings:", *said[-_TAIL_LINES:]]
            )


async def _show(fleet: Fleet) -> None:
    """Draw the fleet every second, until cancelled."""
    while True:
        fleet.screen.rows(await _rows(fleet))
        await asyncio.sleep(_SAMPLE_S)


async def _rows(fleet: Fleet) -> list[Row]:
    rows = [_broker_row(fleet)]
    if fleet.simulator_url is not None:
        found = find(fleet.folder.simulator)
        pid = None if found is None else found.pid
        state = "waiting" if found is None else "ready"
        memory = await asyncio.to_thread(memory_mib, pid)
        rows.append(
            Row(
                name="simulator", state=state, pid=pid, memory_mib=memory, place=fleet.simulator_url
            )
        )
    return rows + await member_rows(fleet.folder, fleet.keepers, lags=await _lags(fleet))


def _broker_row(fleet: Fleet) -> Row:
    kafka = fleet.broker
    state = "ready" if kafka.pid is not None or not kafka.ours else "waiting"
    return Row(
        name="kafka",
        state=state,
        pid=kafka.pid,
        restarts=kafka.restarts,
        memory_mib=memory_mib(kafka.pid),
        place=kafka.bootstrap,
    )


async def _lags(fleet: Fleet) -> Mapping[str, int]:
    """By group; empty while the cluster does not answer."""
    specs = [
        spec
        for spec in fleet.registry.topics.values()
        if any(service in spec.consumers for service in SERVICES)
    ]
    ask: Callable[..., Any] = partial(topic_statuses, fleet.admin, specs)
    try:
        async with asyncio.timeout(_SAMPLE_S):
            found = await ask(groups=SERVICES)
    except (MessagingError, TimeoutError):
        return {}
    return {
        group: sum(status.lag[group] for status in found if group in status.lag)
        for group in SERVICES
        if any(group in status.lag for status in found)
    }
