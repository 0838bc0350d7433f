"""One run: a load, a plan of faults executed against it, and the judgement of what was left."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, closing
from pathlib import Path
from typing import Final

import msgspec
from aiokafka.errors import KafkaError
from msgspec import Struct
from msgspec.structs import replace

from facilitair_events.layout import topics_dir
from facilitair_events.registry import Registry
from facilitair_messaging.errors import MessagingError
from facilitair_native.errors import NativeError
from facilitair_runtime.adapters.wall_clock import wall_clock_ms
from facilitair_testing.chaos.budgets import set_budgets, settled
from facilitair_testing.chaos.crowd import Crowd
from facilitair_testing.chaos.faults import (
    Fault,
    Landed,
    NotLandedError,
    NotPossibleError,
    SystemName,
)
from facilitair_testing.chaos.injectors import INJECTORS
from facilitair_testing.chaos.kafka_system import KafkaSystem
from facilitair_testing.chaos.loads import Load, asked
from facilitair_testing.chaos.planning import kills, plan
from facilitair_testing.chaos.preparing import issue_keys
from facilitair_testing.chaos.process_states import alive
from facilitair_testing.chaos.recovery import Pulse
from facilitair_testing.chaos.results import Breach, Result
from facilitair_testing.chaos.solo_system import SoloSystem
from facilitair_testing.client_journal import ClientJournal
from facilitair_testing.eventually import ConditionNotMetError
from facilitair_testing.history.judging import judge
from facilitair_testing.history.reading import read_history
from facilitair_testing.history.types import Violation

Tell = Callable[[str], None]
AnySystem = SoloSystem | KafkaSystem

_HEAL_S: Final = 180.0
"""How long everything may take to end after the last fault."""

_INJECT_S: Final = 180.0
_NOT_WELL: Final = (ConditionNotMetError, OSError, NativeError, MessagingError, KafkaError)
"""What a system says that does not get well, or cannot be hurt as it was meant to be."""

_STOP_GRACE_MS: Final = 20_000


class Order(Struct, frozen=True, kw_only=True):
    """What to run. ``folder`` must not exist; everything the run leaves is there."""

    seed: int
    system: SystemName
    load: Load
    folder: Path
    commit: str = ""


async def run(order: Order, *, tell: Tell) -> Result:
    """Run it; the result says whether it proves anything. Leaves no process."""
    began = time.monotonic()
    faults = faults_of(order.seed, system=order.system, load=order.load)
    order.folder.mkdir(parents=True)
    pulse = Pulse(time.monotonic)
    journal_path = order.folder / "clients.jsonl"
    trouble: list[str] = []
    async with AsyncExitStack() as stack:
        system = await stack.enter_async_context(_started(order))
        journal = stack.enter_context(closing(ClientJournal(journal_path)))
        keys = await issue_keys(system.urls, admin_key=system.admin_key)
        await set_budgets(system.urls[0], admin_key=system.admin_key)
        crowd = await stack.enter_async_context(
            Crowd.of(
                asked(order.load, seed=order.seed, waves=len(faults)),
                load=order.load,
                seed=order.seed,
                urls=system.urls,
                keys=keys,
                journal=journal,
                pulse=pulse,
            )
        )
        landed = await _hurt(
            system, faults, crowd=crowd, pulse=pulse, tell=tell, order=order, trouble=trouble
        )
        healed_ms = wall_clock_ms()
        trouble += await _heal(system, crowd)
        violations = await _judged(
            system, journal_path, jumps_ms=_jumps_ms(system, landed), healed_ms=healed_ms
        )
        _write(order.folder / "violations.json", violations)
    return Result(
        seed=order.seed,
        system=system.name,
        load=order.load.name,
        planned=len(faults),
        faults=tuple(landed),
        submitted=order.load.collaborations,
        accepted=crowd.accepted,
        terminal=crowd.terminal,
        finished=crowd.finished / order.load.collaborations,
        violations=tuple(_breach(violation) for violation in violations),
        waits=tuple(pulse.waits),
        unanswered=pulse.unanswered(),
        duration_s=time.monotonic() - began,
        ends=dict(Counter(crowd.ends())),
        trouble=(*crowd.trouble, *trouble),
        commit=order.commit,
        least_in_flight=order.load.least_in_flight,
    )


def faults_of(seed: int, *, system: SystemName, load: Load) -> list[Fault]:
    """The plan of a run: deaths only where the load says so. Pure."""
    if load.kills:
        return kills(seed, system=system, count=load.kills)
    return plan(seed, system=system)


@asynccontextmanager
async def _started(order: Order) -> AsyncIterator[AnySystem]:
    home = order.folder / "home"
    home.mkdir()
    pace = order.load.pace
    told = {} if pace is None else msgspec.structs.asdict(pace)
    if order.system == "solo":
        async with SoloSystem.started(home, **told) as solo:
            yield solo
    else:
        async with KafkaSystem.started(home, **told) as fleet:
            yield fleet


async def _hurt(
    system: AnySystem,
    faults: list[Fault],
    *,
    crowd: Crowd,
    pulse: Pulse,
    tell: Tell,
    order: Order,
    trouble: list[str],
) -> list[Landed]:
    """Inject the faults one after the other under load; each is written down at once.

    A system that does not get well is ``trouble``, and is hurt further.
    """
    began = time.monotonic()
    found: list[Landed] = []
    with (order.folder / "faults.jsonl").open("ab", buffering=0) as written:
        for number, fault in enumerate(faults):
            crowd.release(number)
            await asyncio.sleep(fault.after_s)
            at_s, in_flight = time.monotonic() - began, pulse.watching()
            hurt = sum(map(alive, system.pids(fault.target).values()))
            one = await _inject(system, fault, at_s=at_s, began=began)
            one = replace(one, in_flight=in_flight, hurt=max(hurt, 1))
            pulse.over(number)
            found.append(one)
            written.write(msgspec.json.encode(one) + b"\n")
            tell(f"{fault}: {one.evidence or one.reason}")
            try:
                await system.whole()
            except _NOT_WELL as error:
                trouble.append(f"after {fault}: {type(error).__name__}: {error}")
    crowd.release(len(faults))
    return found


async def _inject(system: AnySystem, fault: Fault, *, at_s: float, began: float) -> Landed:
    evidence = reason = None
    missing = False
    try:
        async with asyncio.timeout(_INJECT_S):
            evidence = await INJECTORS[system.name][fault.kind](system, fault)
    except NotPossibleError as error:
        reason, missing = str(error), True
    except (NotLandedError, *_NOT_WELL) as error:
        reason = f"{type(error).__name__}: {error}"
    return Landed(
        fault=fault,
        began_s=round(at_s, 3),
        healed_s=round(time.monotonic() - began, 3),
        evidence=evidence,
        reason=reason,
        missing=missing,
    )


async def _heal(system: AnySystem, crowd: Crowd) -> list[str]:
    """The final read phase: everything that was accepted ends, within a bound."""
    trouble = []
    try:
        await system.whole()
        await crowd.ended(within_s=_HEAL_S)
        await crowd.asked_for_the_end(within_s=_HEAL_S)
        await system.rebuilt()
        await settled(lambda: system.urls[0], admin_key=system.admin_key)
    except _NOT_WELL as error:
        trouble.append(f"{type(error).__name__}: {error}")
    return trouble


def _jumps_ms(system: AnySystem, landed: list[Landed]) -> int:
    """By how much the clock of the log jumped: that of solo is its own, a broker's was left alone.

    Ahead of a clock that jumped back by as much.
    """
    jumps = [abs(one.fault.amount) for one in landed if one.fault.kind == "skew" and one.evidence]
    return round(2000 * max(jumps, default=0.0)) if system.name == "solo" else 0


async def _judged(
    system: AnySystem, journal: Path, *, jumps_ms: int, healed_ms: int
) -> list[Violation]:
    registry = Registry.load(topics_dir())
    async with system.open_log() as log:
        history = await read_history(
            log,
            registry=registry,
            provider_journal=system.journal,
            client_journal=journal,
            artifacts=system.home / "artifacts",
        )
    return await asyncio.to_thread(
        judge,
        history,
        lease_ms=system.lease_ms,
        stop_grace_ms=_STOP_GRACE_MS,
        skew_ms=jumps_ms,
        jumps_ms=jumps_ms,
        healed_ms=healed_ms,
    )


def _breach(violation: Violation) -> Breach:
    return Breach(
        rule=violation.rule, key=violation.key, text=violation.text, records=violation.records[:8]
    )


def _write(path: Path, violations: list[Violation]) -> None:
    path.write_bytes(msgspec.json.format(msgspec.json.encode(violations)))
