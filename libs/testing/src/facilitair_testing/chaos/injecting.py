"""Faults that every system knows. Each returns what was observed, once the fault is over."""

import asyncio
import os
import signal
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Final

from facilitair_messaging.ports import Log, TopicPartition
from facilitair_testing.chaos.faults import Fault, NotLandedError, NotPossibleError
from facilitair_testing.chaos.planning import READERS
from facilitair_testing.chaos.process_states import alive, stopped
from facilitair_testing.chaos.systems import System
from facilitair_testing.eventually import ConditionNotMetError, eventually

_SEEN_S: Final = 20.0


async def kill(system: System, fault: Fault) -> str:
    """SIGKILL; the launcher does the rest."""
    killed = {name: pid for name, pid in system.pids(fault.target).items() if alive(pid)}
    for pid in killed.values():
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    await _seen(lambda: killed and not any(map(alive, killed.values())), "its end")
    return f"died: {_told(killed)}"


async def pause(system: System, fault: Fault) -> str:
    """SIGSTOP, and SIGCONT after a while; whoever killed it meanwhile did so for a reason."""
    paused = system.pids(fault.target)
    for pid in paused.values():
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGSTOP)
    try:
        await _seen(lambda: paused and all(map(stopped, paused.values())), "state T")
        await asyncio.sleep(fault.for_s)
        still = {name: pid for name, pid in paused.items() if stopped(pid)}
    finally:
        for pid in paused.values():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
    if still != paused:
        return f"state T until it was killed: {_told(paused)}"
    return f"state T for {fault.for_s:g} s: {_told(paused)}"


async def skew(system: System, fault: Fault) -> str:
    """The wall clock jumps, and jumps back."""
    clocks = system.clocks
    if clocks is None:
        raise NotPossibleError(needs="a C compiler (cc)")
    moved = system.pids(fault.target)
    before = sum(clocks.felt(pid) for pid in moved.values())
    for pid in moved.values():
        clocks.move(pid, by_s=fault.amount)
    try:
        await asyncio.sleep(fault.for_s)
        felt = sum(clocks.felt(pid) for pid in moved.values()) - before
    finally:
        for pid in moved.values():
            clocks.move(pid, by_s=0)
    if not felt:
        raise NotLandedError(expected="a look at the clock")
    return f"{felt} times told a time {fault.amount:+g} s off: {_told(moved)}"


async def disk_full(system: System, fault: Fault) -> str:
    """No room for the log for a while."""
    disk = system.disk
    if disk is None:
        raise NotPossibleError(needs="the right to mount a tmpfs")
    disk.fill()
    try:
        await asyncio.sleep(fault.for_s)
        taken = disk.fill()  # and what was given back meanwhile
        room = disk.room()
    finally:
        disk.free()
    if room:
        raise NotLandedError(expected="a full disk")
    return f"no room for {fault.for_s:g} s, {taken // 1024} KiB were taken"


async def redeliver(system: System, fault: Fault) -> str:  # noqa: ARG001 - everybody
    """Every group reads everything again."""
    async with system.without(READERS) as log:
        moved = {group: await _set_back(log, group) for group in READERS}
    return f"records given out again: {moved}"


async def reset_group(system: System, fault: Fault) -> str:
    """One group reads everything again."""
    async with system.without([fault.target]) as log:
        moved = await _set_back(log, fault.target)
    return f"records given out again to {fault.target}: {moved}"


async def state_lost(system: System, fault: Fault) -> str:
    """A reducer finds no snapshot and reads everything again."""
    async with system.without([fault.target]) as log:
        moved = await _set_back(log, fault.target)
        deleted = await system.forget_states(log, service=fault.target)
    if not deleted:
        raise NotLandedError(expected="snapshots to delete")
    return f"{deleted} snapshots deleted, {moved} records to be read again"


async def _set_back(log: Log, group: str) -> int:
    """Commit the start for a group; returns how many records it gets again."""
    offsets = await log.admin().committed(group)
    starts: dict[TopicPartition, int] = await log.admin().beginning_offsets(offsets)
    await log.admin().set_committed(group, starts)
    again = sum(offsets[tp] - starts[tp] for tp in offsets)
    if not again:
        raise NotLandedError(expected=f"committed offsets of {group}")
    return again


async def _seen(predicate: Callable[[], object], what: str) -> None:
    try:
        await eventually(predicate, timeout_s=_SEEN_S, what=what)
    except ConditionNotMetError as error:
        raise NotLandedError(expected=str(error)) from error


def _told(pids: Mapping[str, int]) -> str:
    return ", ".join(f"{member} ({pid})" for member, pid in pids.items())
