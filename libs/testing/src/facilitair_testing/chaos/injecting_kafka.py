"""Faults of a broker, of the way to it, and of membership. Each returns what was observed."""

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final

from facilitair_testing.chaos.faults import Fault, NotLandedError, NotPossibleError
from facilitair_testing.chaos.injecting import disk_full
from facilitair_testing.chaos.kafka_system import KafkaSystem
from facilitair_testing.chaos.process_states import alive, stopped
from facilitair_testing.chaos.proxy import Way, Weather
from facilitair_testing.eventually import ConditionNotMetError, eventually

_STORM_EVERY_S: Final = 3.0
_BURST_S: Final = 0.15
_REST_S: Final = 0.1
_JOIN_S: Final = 60.0
_DOWN: Final[frozenset[Way]] = frozenset({"down"})
_BOTH: Final[frozenset[Way]] = frozenset({"up", "down"})

OnKafka = Callable[[KafkaSystem, Fault], Awaitable[str]]


async def broker_kill(system: KafkaSystem, fault: Fault) -> str:
    """Away for a while, then it has to come back by itself."""
    pid = _broker(system)
    await asyncio.to_thread(system.kafka.kill)
    if alive(pid):
        raise NotLandedError(expected="the end of the broker")
    await asyncio.sleep(fault.for_s)
    await asyncio.to_thread(system.kafka.restart)
    return f"broker {pid} died, {system.kafka.pid} came after {fault.for_s:g} s"


async def broker_pause(system: KafkaSystem, fault: Fault) -> str:
    """Connections stay open and nobody answers."""
    pid = _broker(system)
    system.kafka.pause()
    try:
        await asyncio.sleep(fault.for_s)
        observed = stopped(pid)
    finally:
        system.kafka.resume()
    if not observed:
        raise NotLandedError(expected="state T of the broker")
    return f"broker {pid} in state T for {fault.for_s:g} s"


async def slow_disk(system: KafkaSystem, fault: Fault) -> str:
    """Bursts of SIGSTOP: the broker does everything late, as on a disk that is slow to sync."""
    pid = _broker(system)
    until = asyncio.get_running_loop().time() + fault.for_s
    bursts = 0
    while asyncio.get_running_loop().time() < until:
        os.kill(pid, signal.SIGSTOP)
        try:
            await asyncio.sleep(_BURST_S)
            bursts += stopped(pid)
        finally:
            os.kill(pid, signal.SIGCONT)
        await asyncio.sleep(_REST_S)
    if not bursts:
        raise NotLandedError(expected="state T of the broker")
    return f"broker {pid} stopped {bursts} times for {_BURST_S:g} s"


async def broker_disk_full(system: KafkaSystem, fault: Fault) -> str:
    """The broker's disk is full; a broker that gives up is started again once there is room."""
    told = await disk_full(system, fault)
    if system.kafka.pid is None:
        told += "; the broker gave up"
        await asyncio.to_thread(system.kafka.restart)
    return told


async def net_reset(system: KafkaSystem, fault: Fault) -> str:
    """Every connection of the target ends with a reset."""
    cut = system.proxy.reset(whose=fault.target)
    if not cut:
        raise NotLandedError(expected=f"connections of {fault.target}")
    return f"{cut} connections of {fault.target} reset"


def weather(what: str, make: Callable[[Fault], Weather]) -> OnKafka:
    """The fault that is this weather for a while, and counts as ``what`` at the proxy."""

    async def under(system: KafkaSystem, fault: Fault) -> str:
        before = system.proxy.felt[what]
        system.proxy.set(make(fault), whose=fault.target)
        try:
            await asyncio.sleep(fault.for_s)
            felt = system.proxy.felt[what] - before
        finally:
            system.proxy.clear()
        if not felt:
            raise NotLandedError(expected=f"{what} at the proxy")
        return f"{what} felt {felt} times by {fault.target}"

    return under


net_delay = weather("delay", lambda fault: Weather(delay_s=fault.amount))
net_drip = weather("drip", lambda fault: Weather(drip_bytes_s=int(fault.amount)))
net_cut = weather("cut", lambda fault: Weather(cut_after=int(fault.amount)))
net_acks_lost = weather("hold", lambda _fault: Weather(hold=_DOWN))
net_partition = weather("hold", lambda _fault: Weather(hold=_BOTH))


async def storm(system: KafkaSystem, fault: Fault) -> str:
    """A worker joins, and one that joined leaves or dies, every 3 s."""
    until = asyncio.get_running_loop().time() + fault.for_s
    number = len(system.spares)
    joined = left = 0
    while asyncio.get_running_loop().time() < until or not joined:
        name = f"agent-worker-{number + 8}"
        number += 1
        await system.start_spare(name)
        try:
            await eventually(
                partial(system.is_ready, name), timeout_s=_JOIN_S, what=f"{name} joins"
            )
        except ConditionNotMetError as error:
            raise NotLandedError(expected=str(error)) from error
        joined += 1
        await asyncio.sleep(_STORM_EVERY_S)
        process = system.spares[name]
        process.send_signal(signal.SIGKILL if joined % 2 else signal.SIGTERM)
        await process.wait()
        left += 1
    return f"{joined} workers joined, {left} left"


def _broker(system: KafkaSystem) -> int:
    pid = system.kafka.pid
    if pid is None:
        raise NotPossibleError(needs="a broker that runs")
    return pid
