"""Accounts away: nothing starts unreserved, what runs ends, and the books are right afterwards."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from msgspec import structs

from facilitair_events.balances import AccountState
from facilitair_events.books import FundsReleased
from facilitair_events.topics import ACCOUNT_REQUESTS, COLLABORATION_STREAM
from facilitair_messaging.adapters.embedded import EmbeddedLog
from facilitair_messaging.ports import TopicPartition
from facilitair_runtime.adapters.wall_clock import wall_clock_ms
from facilitair_testing.eventually import eventually
from facilitair_testing.history.index import Index
from facilitair_testing.history.judging import hold_none
from tests.money.telling import ask, balanced, end_of, entries, faults_of_the_books, settled
from tests.poison.world import PATIENCE_S, World, one_partition_each, running

pytestmark = [pytest.mark.integration, pytest.mark.timeout(400)]

DAY_MS = 86_400_000
COMPRESSED = 14
"""By how much retention is shorter than it is: two days are nearly all of what the requests to an
account are kept, and longer than what the stream is."""


async def test_nothing_starts_unreserved_and_what_runs_is_settled_afterwards(world: World) -> None:
    world.model.hold_at = 0
    before = await ask(world)
    await eventually(lambda: world.model.calls, timeout_s=PATIENCE_S, what="a call that runs")
    await world.stop("accounts")
    during = [await ask(world) for _ in range(3)]
    world.model.gate.set()
    assert (await end_of(world, before))[0] == "collaboration.completed"
    for ident in during:
        await eventually(lambda i=ident: world.events(i), timeout_s=PATIENCE_S, what="accepted")
    assert len(world.model.calls) == 1
    assert [kind for ident in during for kind, _ in world.events(ident)] == [
        "collaboration.accepted"
    ] * len(during)
    await world.start("accounts")
    ends = await asyncio.gather(*(end_of(world, ident) for ident in during))
    assert {kind for kind, _ in ends} == {"collaboration.completed"}
    index = await balanced(world.log)
    assert entries(index)[0].collaboration == before
    assert {entry.collaboration for entry in entries(index)} == {before, *during}


class Clock:
    """The log's clock, which a test moves."""

    def __init__(self) -> None:
        self.ahead_ms = 0

    def __call__(self) -> int:
        return wall_clock_ms() + self.ahead_ms


@asynccontextmanager
async def compressed_world(home: Path, clock: Clock) -> AsyncIterator[World]:
    """A system whose log forgets so much sooner, and looks for what to forget all the time."""
    topics = {
        name: spec
        if spec.retention_ms is None
        else structs.replace(spec, retention_ms=spec.retention_ms // COMPRESSED)
        for name, spec in one_partition_each().items()
    }
    async with (
        EmbeddedLog.open(home / "log.db", topics, clock=clock, clean_every_s=0.05) as log,
        running(log, home) as world,
    ):
        await log.admin().ensure_topics(topics.values())
        world.model.model = "simulated"
        yield world


async def test_r25_the_books_balance_after_two_days_without_accounts(tmp_path: Path) -> None:
    clock = Clock()
    async with compressed_world(tmp_path, clock) as world:
        first = await ask(world)
        assert (await end_of(world, first))[0] == "collaboration.completed"
        await settled(world.log, lambda index: _closed(index, first))
        world.model.hold_at = 0
        before = await ask(world)
        await eventually(lambda: len(world.model.calls) == 2, timeout_s=PATIENCE_S, what="a call")
        await world.stop("accounts")
        world.model.gate.set()
        assert (await end_of(world, before))[0] == "collaboration.completed"
        clock.ahead_ms = 2 * DAY_MS
        during = await ask(world)
        await _forgotten(world, COLLABORATION_STREAM)
        await world.start("accounts")
        assert (await end_of(world, during))[0] == "collaboration.completed"
        index = await settled(
            world.log, lambda index: _closed(index, during) and not _newest(index).open
        )
        assert [e.collaboration for e in entries(index)] == [first, before, during]
        assert (_newest(index).reserved, _newest(index).taken) == ({}, {})
        hold_none(faults_of_the_books(index))
        tp = TopicPartition(ACCOUNT_REQUESTS, 0)
        committed = (await world.log.admin().committed("accounts"))[tp]
        assert (await world.log.admin().beginning_offsets([tp]))[tp] <= committed


def _newest(index: Index) -> AccountState:
    """The account in its newest snapshot."""
    newest = max(index.books.state["local"], key=lambda entry: int(entry.data.applied))
    state: AccountState = newest.data.state
    return state


def _closed(index: Index, ident: str) -> bool:
    return any(
        isinstance(e.data, FundsReleased) and e.data.collaboration == ident and e.data.closed
        for e in index.books.first.get("local", {}).values()
    )


async def _forgotten(world: World, topic: str) -> None:
    """Until the log has dropped what is older than it keeps."""
    tp = TopicPartition(topic, 0)

    async def begun_later() -> bool:
        return (await world.log.admin().beginning_offsets([tp]))[tp] > 0

    await eventually(begun_later, timeout_s=PATIENCE_S, what=f"the end of old records of {topic}")
