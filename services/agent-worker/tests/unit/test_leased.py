"""Several workers on one log: leases, renewals, ticks, and who may declare whom (R20)."""

import itertools
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from functools import partial
from typing import Any

import pytest

from facilitair_agent_worker.app import AgentWorker
from facilitair_agent_worker.leased import LeasedSilence
from facilitair_agent_worker.silence import Means
from facilitair_events.ids import call_id
from facilitair_events.keys import LedgerKind, call_key, task_key
from facilitair_events.topics import AGENT_TASKS, COLLABORATION_INBOX, LLM_CALLS
from facilitair_events.work import (
    AttemptRef,
    CallClaimed,
    CallDone,
    CallRenewed,
    CallVoided,
    LedgerTicked,
    StopAttempts,
)
from facilitair_messaging.messages import read
from facilitair_messaging.ports import Log
from facilitair_testing.desk import Desk, task
from facilitair_testing.eventually import eventually
from facilitair_testing.scripted_model import ScriptedModel

LEASE_S = 0.3
SILENT = {"member": "agent-worker-0", "lease_s": 3600.0, "renew_s": 1800.0}
"""A claimant that never renews, as if it were stopped."""
RENEWING = {"member": "agent-worker-0", "lease_s": 3600.0, "renew_s": LEASE_S / 4}
HEIR = {"member": "agent-worker-1", "lease_s": LEASE_S}
"""It declares fast; its own claims would be too old for their requests on a busy machine."""
CALLER = {"member": "agent-worker-1", "lease_s": 30.0}

RunLeased = Callable[..., AbstractAsyncContextManager[AgentWorker]]


@pytest.fixture
def run_leased(run_worker: Callable[..., Any]) -> RunLeased:
    return partial(run_worker, silence=LeasedSilence)


@pytest.fixture
def path(log: Log) -> str:
    """A path whose tasks are the second of two workers'."""
    half = 6
    names = (f"s{number}" for number in itertools.count())
    return next(n for n in names if log.partition_for(AGENT_TASKS, key(n).encode()) >= half)


def key(path: str) -> str:
    return task_key("local", "c1", path)


async def entries(desk: Desk, kind: type[Any]) -> list[Any]:
    return [entry for entry in await desk.read(LLM_CALLS) if isinstance(entry, kind)]


def held(*texts: str) -> ScriptedModel:
    model = ScriptedModel(*texts)
    model.hold_at = 0
    return model


async def put(desk: Desk, path: str, entry: Any, *, kind: LedgerKind) -> None:
    record_key = call_key(key(path), entry.call_id, kind, entry.nonce)
    await desk.send(LLM_CALLS, entry, key=record_key, ident=f"{kind}/{entry.nonce}")


def claimed(path: str, index: int = 0) -> CallClaimed:
    ident = call_id("local", "c1", path, 1, index)
    return CallClaimed(
        call_id=ident, nonce=f"n{index}", incarnation="dead", path=path, attempt=1, index=index
    )


async def test_r20_a_silent_claimant_is_unknown_and_its_call_is_never_repeated(
    desk: Desk, run_leased: RunLeased, path: str
) -> None:
    stopped, heir = held("late"), ScriptedModel("again")
    async with run_leased(stopped, **SILENT):
        await desk.give(task(path))
        await eventually(lambda: stopped.requests, what="the call")
        async with run_leased(heir, **HEIR) as worker:
            [report] = await desk.wait_for(COLLABORATION_INBOX, 1)
            [done] = await eventually(lambda: entries(desk, CallDone), what="done")
            assert (report.outcome, report.index) == ("unknown", 0)
            [claim, fence] = await entries(desk, CallClaimed)
            assert (fence.fence, fence.index, done.call_id) == (True, 1, fence.call_id)
            assert done.last
            assert b'facilitair_attempts_declared_total{outcome="unknown"} 1.0' in (
                worker.metrics.render()
            )
            # It goes on: its result is told, for the money.
            stopped.gate.set()
            _, call, attempt = await desk.wait_for(COLLABORATION_INBOX, 3)
    assert (call.call_id, call.outcome) == (claim.call_id, "completed")
    assert attempt.outcome == "completed"
    assert (len(stopped.requests), heir.requests) == (1, [])


async def test_r20_who_renews_is_never_declared(
    desk: Desk, run_leased: RunLeased, path: str
) -> None:
    model = held("x")
    long = 5 * LEASE_S  # what a busy machine is late by is less
    async with run_leased(model, **RENEWING):
        await desk.give(task(path))
        await eventually(lambda: model.requests, what="the call")
        async with run_leased(ScriptedModel("again"), **HEIR | {"lease_s": long}):

            async def watched_for_longer_than_a_lease() -> bool:
                records = [read(record) for record in await desk.records(LLM_CALLS)]
                at = [r.record.timestamp_ms for r in records if isinstance(r.data, LedgerTicked)]
                return bool(at) and max(at) - min(at) > 1500 * long

            await eventually(watched_for_longer_than_a_lease, what="ticks of more than a lease")
            model.gate.set()
            call, attempt = await desk.wait_for(COLLABORATION_INBOX, 2)
    assert (call.outcome, attempt.outcome) == ("completed", "completed")
    assert [c.fence for c in await entries(desk, CallClaimed)] == [False]
    assert len(await entries(desk, CallRenewed)) > 3


async def test_r20_renewals_end_with_the_attempt(
    desk: Desk, run_leased: RunLeased, path: str
) -> None:
    model = held("x")
    async with run_leased(model, **RENEWING):
        await desk.give(task(path))
        await eventually(lambda: entries(desk, CallRenewed), what="a renewal")
        model.gate.set()
        await eventually(lambda: entries(desk, CallDone), what="done")
        model.gate.clear()
        await desk.give(task("other"))

        async def renewed_the_other() -> bool:
            renewals = await entries(desk, CallRenewed)
            return sum(r.path == "other" for r in renewals) > 3

        await eventually(renewed_the_other, what="renewals of the other")
        model.gate.set()
        await desk.wait_for(COLLABORATION_INBOX, 4)
    records = [
        read(r) for r in await desk.records(LLM_CALLS) if key(path).encode() in (r.key or b"")
    ]
    last = max(r.record.offset for r in records if isinstance(r.data, CallDone))
    assert all(r.record.offset <= last for r in records)


async def test_r20_an_owner_does_not_tick_for_its_own_calls(
    desk: Desk, run_leased: RunLeased
) -> None:
    model = held("x")
    # It ticks every half second and renews ten times as often.
    async with run_leased(model, lease_s=1.5, renew_s=0.05):
        await desk.give(task())

        async def renewed() -> bool:
            return len(await entries(desk, CallRenewed)) > 12

        await eventually(renewed, what="renewals for longer than the time of a tick")
        assert await entries(desk, LedgerTicked) == []
        model.gate.set()
        _, attempt = await desk.wait_for(COLLABORATION_INBOX, 2)
    assert attempt.outcome == "completed"


async def test_r20_only_the_owner_of_the_partition_watches(
    desk: Desk, run_leased: RunLeased, path: str, log: Log
) -> None:
    names = (f"s{number}" for number in itertools.count())
    foreign = next(n for n in names if log.partition_for(AGENT_TASKS, key(n).encode()) < 6)
    slow = {"member": "agent-worker-0", "lease_s": 3600.0}
    async with run_leased(ScriptedModel("x"), **slow), run_leased(ScriptedModel("x"), **HEIR):
        await put(desk, foreign, claimed(foreign), kind="claim")
        await put(desk, path, claimed(path), kind="claim")
        [report] = await desk.wait_for(COLLABORATION_INBOX, 1)
        await eventually(lambda: entries(desk, CallDone), what="done")
    assert report.path == path
    ticks = [r for r in await desk.records(LLM_CALLS) if b"|tick|" in (r.key or b"")]
    assert {record.partition for record in ticks} == {
        log.partition_for(LLM_CALLS, key(path).encode())
    }


async def test_r20_a_voided_claim_whose_void_is_missing_in_the_inbox_is_void(
    desk: Desk, run_leased: RunLeased
) -> None:
    claim = claimed("a")
    await put(desk, "a", claim, kind="claim")
    void = CallVoided(call_id=claim.call_id, nonce=claim.nonce, path="a", attempt=1)
    await put(desk, "a", void, kind="void")
    async with run_leased(ScriptedModel("x"), **HEIR):
        [report] = await desk.wait_for(COLLABORATION_INBOX, 1)
        [done] = await eventually(lambda: entries(desk, CallDone), what="done")
    assert (report.call_id, report.outcome, done.outcome) == (claim.call_id, "void", "void")


async def test_r20_a_death_between_two_calls_is_void_at_the_next_index(
    desk: Desk, run_leased: RunLeased
) -> None:
    claim = claimed("a")
    await put(desk, "a", claim, kind="claim")
    done = CallDone(
        call_id=claim.call_id, nonce=claim.nonce, path="a", attempt=1, outcome="completed",
        last=False,
    )  # fmt: skip
    await put(desk, "a", done, kind="done")
    async with run_leased(ScriptedModel("x"), **HEIR):
        [report] = await desk.wait_for(COLLABORATION_INBOX, 1)
        await eventually(lambda: len_of(desk, CallDone, 2), what="done")
    assert (report.outcome, report.index) == ("void", 1)


async def len_of(desk: Desk, kind: type[Any], count: int) -> bool:
    return len(await entries(desk, kind)) == count


async def test_r20_a_fence_that_its_owner_left_behind_is_taken_up_by_the_next(
    desk: Desk, run_leased: RunLeased
) -> None:
    claim = claimed("a")
    await put(desk, "a", claim, kind="claim")
    await put(desk, "a", CallClaimed(
        call_id=call_id("local", "c1", "a", 1, 1), nonce="f", incarnation="dead-too", path="a",
        attempt=1, index=1, fence=True,
    ), kind="claim")  # fmt: skip
    async with run_leased(ScriptedModel("x"), **HEIR):
        [report] = await desk.wait_for(COLLABORATION_INBOX, 1)
        await eventually(lambda: entries(desk, CallDone), what="done")
    assert (report.outcome, report.call_id) == ("unknown", claim.call_id)


async def test_r20_two_watchers_declare_once(desk: Desk, run_leased: RunLeased) -> None:
    """A paused owner that goes on may judge beside the new one; the log lets one speak."""
    await put(desk, "a", claimed("a"), kind="claim")
    silences: list[LeasedSilence] = []

    def build(means: Means) -> LeasedSilence:
        silences.append(LeasedSilence(means))
        return silences[-1]

    one = run_leased(ScriptedModel("x"), silence=build, **(HEIR | {"member": "agent-worker-0"}))
    two = run_leased(ScriptedModel("x"), silence=build, **HEIR)
    async with one, two:
        for silence in silences:
            for partition in range(12):
                silence.watch(partition)
        await desk.wait_for(COLLABORATION_INBOX, 1)
        await eventually(lambda: entries(desk, CallDone), what="done")
    assert [r.outcome for r in await desk.read(COLLABORATION_INBOX)] == ["unknown"]


async def test_r21_a_call_outlives_the_loss_of_its_partition(
    desk: Desk, run_leased: RunLeased, path: str
) -> None:
    model, heir = held("x"), ScriptedModel("y")
    async with run_leased(model, **RENEWING):
        await desk.give(task(path))
        await eventually(lambda: model.requests, what="the call")
        async with run_leased(heir, **CALLER):
            # A redelivery: its attempt has a claim, so it is skipped.
            await desk.give(task(path))
            await desk.give(task(path, attempt=2))
            await eventually(lambda: heir.requests, what="the next attempt")
            model.gate.set()
            reports = await desk.wait_for(COLLABORATION_INBOX, 4)
    assert {(r.attempt, r.outcome) for r in reports} == {(1, "completed"), (2, "completed")}
    assert (len(model.requests), len(heir.requests)) == (1, 1)


async def test_what_cannot_be_read_in_ledger_or_stops_does_not_stop_a_worker(
    desk: Desk, run_leased: RunLeased
) -> None:
    entry = claimed("a")
    await desk.send(LLM_CALLS, entry, key="nonsense")
    await desk.send("worker-control", task_stop(), key="a:b:c:d")
    async with run_leased(ScriptedModel("x"), **CALLER) as worker:
        await desk.give(task())
        await desk.wait_for(COLLABORATION_INBOX, 2)
        assert b'facilitair_view_poison_total{topic="llm-calls"} 1.0' in worker.metrics.render()
        assert b'facilitair_view_poison_total{topic="worker-control"} 1.0' in (
            worker.metrics.render()
        )


def task_stop() -> Any:
    return StopAttempts(collaboration="c1", attempts=(AttemptRef("a", 1),), reason="r")
