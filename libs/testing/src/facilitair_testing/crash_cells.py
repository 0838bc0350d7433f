"""Running one cell of the crash table: die at a point under load, come back, be judged."""

import asyncio
from collections.abc import Collection, Sequence
from contextlib import closing
from typing import Final

from msgspec import Struct

from facilitair_events.layout import topics_dir
from facilitair_events.registry import Registry
from facilitair_events.topics import (
    ACCOUNT_REQUESTS,
    AGENT_TASKS,
    COLLABORATION_EVENTS,
    COLLABORATION_INBOX,
)
from facilitair_messaging.crash_points import marker
from facilitair_messaging.ports import Log, TopicPartition
from facilitair_runtime.adapters.wall_clock import wall_clock_ms
from facilitair_runtime.tasks import first_of
from facilitair_testing.chaos.loads import WORKFLOW
from facilitair_testing.client_journal import ClientJournal
from facilitair_testing.crash_clients import TENANT, CrashClient, open_session
from facilitair_testing.crash_table import Cell, Row
from facilitair_testing.crash_victims import Victim, died_at_ms
from facilitair_testing.eventually import eventually
from facilitair_testing.history import History, Violation, judge, read_history
from facilitair_testing.history.judging import hold_none

COLLABORATIONS: Final = 3
ENDS_S: Final = 120.0
_STUCK: Final = "it does not go on"
_VOID_S: Final = 30.0
"""How long a point may be reached after the last end; commits come behind the work."""

_READS: Final = (
    ("orchestrator", COLLABORATION_INBOX),
    ("agent-worker", AGENT_TASKS),
    ("accounts", ACCOUNT_REQUESTS),
)


async def run_cell(
    cell: Cell, victim: Victim, *, known: Collection[Violation] = ()
) -> tuple[Row, list[Violation]]:
    """Die, go on, and judge what is there; what does not come back or end is a violation, too.

    ``known`` are violations of earlier cells on the same log. Returns those of all cells so far.
    """
    for point in cell.points:
        marker(victim.home, service=cell.service, point=point).unlink(missing_ok=True)
    client_journal = victim.home / "clients.jsonl"
    trouble: tuple[str, ...] = ()
    lived: _Lived | None = None
    with closing(ClientJournal(client_journal)) as journal:
        try:
            async with asyncio.timeout(ENDS_S):
                lived = await _live_through(cell, victim, journal=journal)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is what came of the cell
            first = first_of(error)
            trouble = (f"I1 {cell}: {_STUCK}: {type(first).__name__} {first}",)
    async with victim.open_log() as log:
        if lived is not None:
            await _caught_up(log)
        history = await read_history(
            log,
            registry=Registry.load(topics_dir()),
            provider_journal=victim.journal,
            client_journal=client_journal,
            artifacts=victim.home / "artifacts",
        )
    found = judge(
        history,
        lease_ms=victim.lease_ms,
        ended=lived is not None,
        healed_ms=None if lived is None else lived.again_ms,
    )
    died = [died_at_ms(victim.home, cell.service, point=point) for point in cell.points]
    row = Row(
        service=cell.service,
        point=", then ".join(cell.points),
        log=victim.log,
        n=cell.n,
        reached=None not in died,
        violations=(*trouble, *(f"{v.rule} {v.key}: {v.text}" for v in found if v not in known)),
        recovery_s=_recovery_s(history, lived, died_ms=died[-1]),
    )
    return row, found


def check(row: Row) -> None:
    """Raise BrokenPromiseError for a row with violations of the history, which is a verdict.

    Raises AssertionError where it only did not go on in time, or is void.
    """
    hold_none([violation for violation in row.violations if _STUCK not in violation])
    assert row.violations == (), row.violations
    assert row.reached, "the point was not reached: the cell is void"


class _Lived(Struct, frozen=True, kw_only=True):
    """The collaborations of a cell, as keys of records, and when what had died was started."""

    keys: frozenset[bytes]
    again_ms: int


async def _live_through(cell: Cell, victim: Victim, *, journal: ClientJournal) -> _Lived:
    """Ask for a few collaborations, and start what dies again."""
    await victim.start(cell.specs[0])
    async with open_session() as session, asyncio.TaskGroup() as tasks:
        clients = [
            CrashClient(
                f"{cell}-{number}",
                task=f"Write a function that counts the vowels of word {number}, with tests",
                workflow=WORKFLOW,
                url=lambda: victim.url,
                session=session,
                journal=journal,
            )
            for number in range(COLLABORATIONS)
        ]
        living = tasks.create_task(_ask_and_watch(clients))
        again_ms = await _die_and_come_back(cell, victim, living=living)
    keys = frozenset(f"{TENANT}:{client.ident}".encode() for client in clients)
    return _Lived(keys=keys, again_ms=again_ms)


async def _die_and_come_back(cell: Cell, victim: Victim, *, living: asyncio.Task[None]) -> int:
    """Every death of a cell; returns when the last start began. It returns early when it is void.

    What was started again may die before it is ready.
    """
    again_ms = wall_clock_ms()
    for spec in (*cell.specs[1:], None):
        dying = asyncio.create_task(victim.died())
        await asyncio.wait({dying, living}, return_when=asyncio.FIRST_COMPLETED)
        await asyncio.wait({dying}, timeout=_VOID_S)
        again_ms = wall_clock_ms()
        if not dying.done():
            dying.cancel()
            return again_ms
        dying.result()
        try:
            await victim.restart(spec or cell.specs[-1])
        except ChildProcessError:
            if spec is None:
                raise
    return again_ms


async def _ask_and_watch(clients: Sequence[CrashClient]) -> None:
    """Each asks once the one before was accepted, so that not all are decided in one batch.

    Before it watches it asks how its account stands, as who minds the money does; an account hears
    of the end behind it.
    """
    async with asyncio.TaskGroup() as watching:
        for client in clients:
            await client.submit()
            await client.stand()
            watching.create_task(client.watch())
    await clients[0].settle()


async def _caught_up(log: Log) -> None:
    """Wait until the groups have committed all there is."""

    async def committed() -> bool:
        for group, topic in _READS:
            tps = [
                TopicPartition(topic, number)
                for number in range(await log.admin().partitions(topic))
            ]
            ends = await log.admin().end_offsets(tps)
            stored = await log.admin().committed(group)
            begins = await log.admin().beginning_offsets(tps)
            if any(stored.get(tp, begins[tp]) < ends[tp] for tp in tps):
                return False
        return True

    await eventually(committed, timeout_s=ENDS_S, what="the groups have committed all they read")


def _recovery_s(history: History, lived: _Lived | None, *, died_ms: int | None) -> float | None:
    """From the last death to the first event after it of the collaboration that waited longest.

    What was on its way at the death may still arrive; it does not count.
    """
    if lived is None or died_ms is None:
        return None
    first: dict[bytes | None, int] = {}
    for record in history.records:
        if (
            record.topic == COLLABORATION_EVENTS
            and record.key in lived.keys
            and record.timestamp_ms >= lived.again_ms
        ):
            first.setdefault(record.key, record.timestamp_ms)
    return (max(first.values()) - died_ms) / 1000 if first else None
