"""R26: a worker makes no call that could cost more than was set aside for it."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace

from facilitair_agent_worker.domain import chat_request
from facilitair_events.definitions import Model, Prices
from facilitair_events.keys import task_key
from facilitair_events.requests import AttemptReported, CallReported
from facilitair_events.text import inline
from facilitair_events.topics import AGENT_TASKS_BATCH, COLLABORATION_INBOX, LLM_CALLS
from facilitair_events.work import CallClaimed, CallDone, CallVoided, RunAttempt
from facilitair_testing.desk import Desk, task
from facilitair_testing.eventually import eventually
from facilitair_testing.inbox import agent
from facilitair_testing.scripted_model import ScriptedModel
from facilitair_workflows.bounds import OUTPUT_TOKENS

RunWorker = Callable[..., Any]

PRICES = Prices(input=Decimal(1), output=Decimal(10))
MODEL = Model(name="m", provider="p", max_output_tokens=1000, prices=PRICES)


def priced(model: Model = MODEL, *, limit: int | None = None, **more: Any) -> RunAttempt:
    coder = replace(agent("coder"), models=(model,), max_output_tokens=limit)
    return task(agent=coder, **more)


async def outcome(desk: Desk) -> AttemptReported:
    async def told() -> AttemptReported | None:
        reports = await desk.read(COLLABORATION_INBOX)
        return next((r for r in reports if isinstance(r, AttemptReported)), None)

    found = await eventually(told, what="the end of the attempt")
    assert isinstance(found, AttemptReported)
    return found


async def test_r26_a_call_over_its_reservation_is_claimed_voided_and_answered(
    desk: Desk, run_worker: RunWorker
) -> None:
    model = ScriptedModel("text")
    async with run_worker(model):
        await desk.give(priced(reserved_usd=Decimal("0.01")))
        report = await outcome(desk)
    assert model.requests == []
    assert report.outcome == "failed"
    assert report.fault is not None
    assert (report.fault.code, report.fault.retryable) == ("reservation_short", True)
    assert report.needed_usd is not None
    assert Decimal("0.01") < report.needed_usd < Decimal("0.011")
    assert [type(e) for e in await desk.read(LLM_CALLS)] == [CallClaimed, CallVoided, CallDone]
    assert not [r for r in await desk.read(COLLABORATION_INBOX) if isinstance(r, CallReported)]


async def test_r26_what_it_needs_is_enough(desk: Desk, run_worker: RunWorker) -> None:
    model = ScriptedModel("text")
    async with run_worker(model):
        await desk.give(priced(reserved_usd=Decimal("0.01")))
        needed = (await outcome(desk)).needed_usd
        await desk.give(priced(attempt=2, reserved_usd=needed))
        await eventually(lambda: model.requests, what="the call")


@pytest.mark.parametrize(
    "more",
    [
        {"reserved_usd": None},
        {"model": replace(MODEL, prices=None), "reserved_usd": Decimal(0)},
        {"limit": 1, "reserved_usd": Decimal("0.001")},
    ],
    ids=["no accounts", "no price", "a short answer"],
)
async def test_a_call_within_its_reservation_is_made(
    desk: Desk, run_worker: RunWorker, more: dict[str, Any]
) -> None:
    model = ScriptedModel("text")
    async with run_worker(model):
        await desk.give(priced(**more))
        assert (await outcome(desk)).outcome == "completed"
    assert len(model.requests) == 1


async def test_a_long_prompt_counts(desk: Desk, run_worker: RunWorker) -> None:
    model = ScriptedModel("text")
    async with run_worker(model):
        await desk.give(priced(limit=1, reserved_usd=Decimal("0.001"), task=inline("word " * 4000)))
        report = await outcome(desk)
    assert report.fault is not None
    assert report.fault.code == "reservation_short"
    assert report.needed_usd is not None
    assert report.needed_usd > Decimal("0.005")


async def test_a_prompt_over_the_context_window_costs_no_more_than_the_window(
    desk: Desk, run_worker: RunWorker
) -> None:
    model = ScriptedModel("text")
    small = replace(MODEL, context_window=900)
    async with run_worker(model):
        await desk.give(
            priced(small, limit=1, reserved_usd=Decimal("0.001"), task=inline("word " * 4000))
        )
        await outcome(desk)
    assert len(model.requests) == 1


def _limit_of(wanted: RunAttempt) -> int | None:
    model = wanted.agent.models[0]
    return chat_request(wanted, model, rendered="x", rejected=None).max_output_tokens


def test_r26_a_paid_answer_always_has_a_limit() -> None:
    unlimited = replace(MODEL, max_output_tokens=None)
    assert _limit_of(priced(unlimited, reserved_usd=Decimal(1))) == OUTPUT_TOKENS
    assert _limit_of(priced(unlimited)) is None
    assert _limit_of(priced(unlimited, limit=7, reserved_usd=Decimal(1))) == 7
    assert _limit_of(priced(reserved_usd=Decimal(1))) is None  # the model's own holds it


async def test_a_flood_of_batch_tasks_does_not_hold_up_an_interactive_one(
    desk: Desk, run_worker: RunWorker
) -> None:
    """All of the batch tasks are with the worker, and all but one wait for its only slot."""
    model = ScriptedModel("a", "b")
    model.hold_at = 1
    async with run_worker(model, calls_in_flight=1) as worker:
        for number in range(40):
            flood = task(f"b{number}", priority="batch", input=f"batch {number}")
            key = task_key("local", "c1", flood.path)
            await desk.send(AGENT_TASKS_BATCH, flood, key=key, ident=flood.path)
        await eventually(lambda: len(model.requests) == 1, what="a batch call that hangs")
        await desk.give(task("quick", input="interactive"))
        seen = 'consumed_messages_total{group="agent-worker",topic="agent-tasks"} 1.0'
        await eventually(lambda: seen in worker.metrics.render().decode(), what="the task is read")
        model.gate.set()
        await eventually(
            lambda: any("interactive" in r.messages[1].content for r in model.requests[:12]),
            what="the interactive call among the first",
        )
