"""Attempts from the task to the report, on a real log with a scripted model."""

import asyncio
import shutil
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from facilitair_events.definitions import Model, Output, Prices
from facilitair_events.requests import AttemptReported, CallReported, Fault
from facilitair_events.stream import AttemptReset, AttemptStarted, Token
from facilitair_events.text import inline, personal
from facilitair_events.topics import (
    AGENT_TASKS,
    COLLABORATION_INBOX,
    COLLABORATION_STREAM,
    LLM_CALLS,
)
from facilitair_events.work import (
    CallClaimed,
    CallDone,
    CallVoided,
    Correction,
    FinishedCall,
    StepOutput,
)
from facilitair_llm.errors import ProviderError
from facilitair_testing.desk import Desk, task
from facilitair_testing.eventually import eventually
from facilitair_testing.inbox import VERDICT, agent
from facilitair_testing.scripted_model import ScriptedModel

RunWorker = Callable[..., Any]


async def test_a_task_is_claimed_called_streamed_and_reported(
    desk: Desk, run_worker: RunWorker
) -> None:
    model = ScriptedModel("def ", "add", "(): ...")
    async with run_worker(model):
        await desk.give(task())
        call, attempt = await desk.wait_for(COLLABORATION_INBOX, 2)
        await desk.wait_for(LLM_CALLS, 2)
    assert isinstance(call, CallReported)
    assert (call.outcome, call.model, call.finish_reason) == ("completed", "scripted-1", "stop")
    assert call.usage is not None
    assert call.usage.output_tokens == 3
    assert isinstance(attempt, AttemptReported)
    assert (attempt.outcome, attempt.output) == ("completed", inline("def add(): ..."))
    claim, done = await desk.read(LLM_CALLS)
    assert isinstance(claim, CallClaimed)
    assert isinstance(done, CallDone)
    assert (done.call_id, done.outcome, done.last) == (claim.call_id, "completed", True)
    assert model.calls == [f"local/{call.call_id}"]
    [request] = model.requests
    assert [(m.role, m.content) for m in request.messages] == [
        ("system", "You are."), ("user", "Task: add"),
    ]  # fmt: skip


async def test_r07_the_opening_comes_first_and_the_tokens_are_the_text(
    desk: Desk, run_worker: RunWorker
) -> None:
    async with run_worker(ScriptedModel("one ", "two ", "three")):
        await desk.give(task())
        await desk.wait_for(COLLABORATION_INBOX, 2)
    opening, *tokens = await desk.read(COLLABORATION_STREAM)
    assert isinstance(opening, AttemptStarted)
    assert [token.index for token in tokens] == list(range(len(tokens)))
    assert all(isinstance(token, Token) for token in tokens)
    assert "".join(token.text for token in tokens) == "one two three"


async def test_r31_tokens_carry_step_attempt_and_index_in_their_headers(
    desk: Desk, run_worker: RunWorker
) -> None:
    async with run_worker(ScriptedModel("x")):
        await desk.give(task("g.2.a"))
        await desk.wait_for(COLLABORATION_INBOX, 2)
    record = (await desk.records(COLLABORATION_STREAM))[-1]
    assert dict(record.headers) == {
        "ce_type": b"facilitair.token.v1", "step": b"g.2.a", "attempt": b"1", "index": b"0",
    }  # fmt: skip
    assert record.key == b"local:c1"


async def test_a_later_attempt_begins_with_a_reset(desk: Desk, run_worker: RunWorker) -> None:
    async with run_worker(ScriptedModel("x")):
        await desk.give(task(attempt=2))
        await desk.wait_for(COLLABORATION_INBOX, 2)
    assert isinstance((await desk.read(COLLABORATION_STREAM))[0], AttemptReset)


async def test_r19_a_task_that_was_ever_claimed_is_not_called_again(
    desk: Desk, run_worker: RunWorker
) -> None:
    model = ScriptedModel("x")
    async with run_worker(model):
        await desk.give(task())
        await desk.wait_for(COLLABORATION_INBOX, 2)
        await desk.give(task())
        await desk.give(task("b"))
        await desk.wait_for(COLLABORATION_INBOX, 4)
    assert len(model.requests) == 2


async def test_r19_a_task_that_this_process_holds_is_not_started_twice(
    desk: Desk, run_worker: RunWorker
) -> None:
    model = ScriptedModel("x")
    model.hold_at = 0
    async with run_worker(model):
        await desk.give(task())
        await eventually(lambda: model.requests, what="the call")
        await desk.give(task())
        await desk.give(task("b"))
        await eventually(lambda: len(model.requests) == 2, what="the call of the other task")
        model.gate.set()
        await desk.wait_for(COLLABORATION_INBOX, 4)
    assert len(model.requests) == 2


async def test_r21_the_offset_is_committed_while_the_call_runs(
    desk: Desk, run_worker: RunWorker
) -> None:
    model = ScriptedModel("x")
    model.hold_at = 0
    async with run_worker(model):
        await desk.give(task())
        await eventually(lambda: model.requests, what="the call")

        async def committed() -> bool:
            offsets = await desk.log.admin().committed("agent-worker")
            return any(tp.topic == AGENT_TASKS and at == 1 for tp, at in offsets.items())

        await eventually(committed, what="the task's offset")
        model.gate.set()


async def test_r23_a_stop_ends_the_call_within_a_chunk(desk: Desk, run_worker: RunWorker) -> None:
    model = ScriptedModel("one", "two")
    model.hold_at = 1
    async with run_worker(model):
        await desk.give(task())
        await desk.wait_for(COLLABORATION_STREAM, 2)
        await desk.stop()
        call, attempt = await desk.wait_for(COLLABORATION_INBOX, 2)
        assert model.closed == 1
    assert (call.outcome, call.fault.code) == ("failed", "stopped")
    assert (attempt.outcome, attempt.fault.code, attempt.fault.retryable) == (
        "failed", "stopped", False,
    )  # fmt: skip
    assert attempt.output == inline("one")


async def test_r23_a_task_that_was_stopped_before_is_answered_without_a_call(
    desk: Desk, run_worker: RunWorker
) -> None:
    model = ScriptedModel("x")
    await desk.stop()
    async with run_worker(model):
        await desk.give(task())
        [attempt] = await desk.wait_for(COLLABORATION_INBOX, 1)
    assert attempt.fault.code == "stopped"
    assert model.requests == []
    assert await desk.read(LLM_CALLS) == []


async def test_r22_an_equal_request_reuses_the_finished_call(
    desk: Desk, run_worker: RunWorker
) -> None:
    model = ScriptedModel("paid once")
    async with run_worker(model):
        await desk.give(task())
        call, _ = await desk.wait_for(COLLABORATION_INBOX, 2)
        finished = FinishedCall(
            call_id=call.call_id, request_digest=call.request_digest, output=call.output, model="m"
        )
        await desk.give(task(attempt=2, finished=(finished,)))
        *_, attempt = await desk.wait_for(COLLABORATION_INBOX, 3)
        assert (attempt.attempt, attempt.output) == (2, inline("paid once"))
        changed = task(attempt=3, input="Other: {{ task }}", finished=(finished,))
        await desk.give(changed)
        await desk.wait_for(COLLABORATION_INBOX, 5)
    assert len(model.requests) == 2
    values = await desk.read(COLLABORATION_STREAM)
    assert [v.text for v in values if isinstance(v, Token) and v.attempt == 2] == ["paid once"]


async def test_r20_the_open_call_of_a_dead_incarnation_is_unknown_and_never_repeated(
    desk: Desk, run_worker: RunWorker
) -> None:
    dead = ScriptedModel("x")
    dead.hold_at = 0
    # The worker is stopped in mid-call with no time to wait: its call stays open in the ledger.
    async with run_worker(dead, process={"grace_s": 3.0, "reserve_s": 3.0}):
        await desk.give(task())
        await eventually(lambda: dead.requests, what="the call")
    assert await desk.read(COLLABORATION_INBOX) == []
    heir = ScriptedModel("y")
    async with run_worker(heir):
        [report] = await desk.wait_for(COLLABORATION_INBOX, 1)
        await desk.wait_for(LLM_CALLS, 3)
    assert (report.outcome, report.call_id) == ("unknown", dead.calls[0].split("/")[1])
    assert heir.requests == []
    fence = (await desk.read(LLM_CALLS))[1]
    assert (fence.fence, fence.index) == (True, 1)
    async with run_worker(heir):
        pass
    assert len(await desk.read(COLLABORATION_INBOX)) == 1


async def test_r19_a_claim_that_got_old_is_voided_instead_of_used(
    desk: Desk, run_worker: RunWorker
) -> None:
    model = ScriptedModel("x")
    async with run_worker(model, lease_s=1e-9):
        await desk.give(task())
        [report] = await desk.wait_for(COLLABORATION_INBOX, 1)
        await desk.wait_for(LLM_CALLS, 3)
    assert report.outcome == "void"
    assert model.requests == []


async def test_calls_in_flight_bounds_the_calls_and_not_the_polling(
    desk: Desk, run_worker: RunWorker
) -> None:
    model = ScriptedModel("x")
    model.hold_at = 0
    async with run_worker(model, calls_in_flight=2) as worker:
        for number in range(5):
            await desk.give(task(f"s{number}"))
        await eventually(lambda: len(model.requests) == 2, what="two calls")
        assert worker.ready()
        model.gate.set()
        await desk.wait_for(COLLABORATION_INBOX, 10)
    assert len(model.requests) == 5


@pytest.mark.parametrize(
    ("finish", "code"),
    [("length", "length"), ("content_filter", "content_filter"), ("refusal", "refusal")],
)
async def test_an_unnatural_end_is_never_a_success(
    desk: Desk, run_worker: RunWorker, finish: str, code: str
) -> None:
    model = ScriptedModel("x")
    model.finish = finish
    async with run_worker(model):
        await desk.give(task())
        _, attempt = await desk.wait_for(COLLABORATION_INBOX, 2)
    assert (attempt.outcome, attempt.fault.code) == ("failed", code)


async def test_a_provider_error_after_content_fails_the_attempt_with_its_reason(
    desk: Desk, run_worker: RunWorker
) -> None:
    error = ProviderError(kind="rate_limited", message="slow down", status=429, retry_after_s=7)
    async with run_worker(ScriptedModel("some", error=error)):
        await desk.give(task())
        call, attempt = await desk.wait_for(COLLABORATION_INBOX, 2)
    assert call.outcome == "failed"
    assert (attempt.fault.code, attempt.fault.retry_after_s) == ("rate_limited", 7)
    assert attempt.fault.quote == personal("slow down")


@pytest.mark.parametrize(
    ("written", "error", "cost"),
    [
        ((), ProviderError(kind="rate_limited", message="later", status=429), Decimal(0)),
        ((), ProviderError(kind="authentication", message="who?", status=401), Decimal(0)),
        ((), ProviderError(kind="unavailable", message="nobody there", sent=False), Decimal(0)),
        ((), ProviderError(kind="unavailable", message="broken", status=500), None),
        ((), ProviderError(kind="timeout", message="no answer in time"), None),
        (("some",), ProviderError(kind="rate_limited", message="enough", status=429), None),
    ],
)
async def test_r17_a_request_that_was_declined_costs_nothing_and_any_other_is_unknown(
    desk: Desk,
    run_worker: RunWorker,
    written: tuple[str, ...],
    error: ProviderError,
    cost: Decimal | None,
) -> None:
    async with run_worker(ScriptedModel(*written, error=error)):
        await desk.give(task())
        call, _ = await desk.wait_for(COLLABORATION_INBOX, 2)
    assert (call.outcome, call.cost_usd, call.usage) == ("failed", cost, None)


async def test_a_cost_is_computed_from_prices_and_usage(desk: Desk, run_worker: RunWorker) -> None:
    prices = Prices(input=Decimal(1_000_000), output=Decimal(2_000_000))
    priced = replace(agent("coder"), models=(Model(name="m", provider="p", prices=prices),))
    model = ScriptedModel("x", "y")
    model.model = "m"
    async with run_worker(model):
        await desk.give(task(agent=priced))
        await desk.give(task("b"))
        reports = await desk.wait_for(COLLABORATION_INBOX, 4)
    costs = {r.path: r.cost_usd for r in reports if isinstance(r, CallReported)}
    assert costs == {"a": Decimal(7), "b": None}


async def test_json_output_is_decoded_and_checked(desk: Desk, run_worker: RunWorker) -> None:
    wanted = Output(kind="json", json_schema=VERDICT)
    async with run_worker(ScriptedModel('```json\n{"approved": true}\n```')) as worker:
        await desk.give(task(output=wanted))
        _, good = await desk.wait_for(COLLABORATION_INBOX, 2)
        worker.models["p"] = ScriptedModel('{"approved": "secret words"}')
        await desk.give(task("b", output=wanted))
        reports = await desk.wait_for(COLLABORATION_INBOX, 4)
    [bad] = [r for r in reports if r.path == "b" and isinstance(r, AttemptReported)]
    assert good.value == {"approved": True}
    assert bad.fault.code == "output_invalid"
    assert "approved" in bad.fault.message
    assert "secret words" not in bad.fault.message
    assert "secret words" in bad.fault.quote.v


async def test_a_correction_tells_the_model_what_was_wrong(
    desk: Desk, run_worker: RunWorker
) -> None:
    model = ScriptedModel("better")
    fault = Fault(code="output_invalid", message="the answer is empty")
    async with run_worker(model):
        await desk.give(task(attempt=2, correction=Correction(output=inline("bad"), fault=fault)))
        await desk.wait_for(COLLABORATION_INBOX, 2)
    roles = [(m.role, m.content) for m in model.requests[0].messages[2:]]
    assert roles[0] == ("assistant", "bad")
    assert "the answer is empty" in roles[1][1]


async def test_outputs_of_earlier_steps_reach_the_prompt(desk: Desk, run_worker: RunWorker) -> None:
    model = ScriptedModel("x")
    outputs = {
        "coder": StepOutput(text=inline("code")),
        "verdict": StepOutput(text=inline('{"n": 3}'), json=True, value={"n": 3}),
    }
    template = "{{ outputs.coder }} {{ outputs.verdict.n }} {{ inputs.k }} {{ iteration }}"
    async with run_worker(model):
        await desk.give(task(input=template, outputs=outputs, inputs={"k": "v"}, iteration=2))
        await desk.wait_for(COLLABORATION_INBOX, 2)
    assert model.requests[0].messages[1].content == "code 3 v 2"


async def test_an_input_that_cannot_be_rendered_fails_without_a_call(
    desk: Desk, run_worker: RunWorker
) -> None:
    model = ScriptedModel("x")
    async with run_worker(model):
        await desk.give(task(input="{{ outputs.nobody }}"))
        [attempt] = await desk.wait_for(COLLABORATION_INBOX, 1)
    assert (attempt.fault.code, model.requests) == ("input_invalid", [])


async def test_r24_an_unknown_provider_is_claimed_voided_and_answered(
    desk: Desk, run_worker: RunWorker
) -> None:
    stranger = replace(agent("coder"), models=(Model(name="m", provider="q"),))
    model = ScriptedModel("x")
    async with run_worker(model) as worker:
        await desk.give(task(agent=stranger))
        [attempt] = await desk.wait_for(COLLABORATION_INBOX, 1)
        claim, void, done = await desk.wait_for(LLM_CALLS, 3)
        # A worker that has the provider gets the task again: the attempt is closed.
        worker.models["q"] = model
        await desk.give(task(agent=stranger))
        await desk.give(task("b"))
        await desk.wait_for(COLLABORATION_INBOX, 3)
    assert attempt.fault.code == "provider_unknown"
    assert isinstance(claim, CallClaimed)
    assert isinstance(void, CallVoided)
    assert (done.outcome, done.last) == ("void", True)
    assert len(model.requests) == 1


async def test_an_answer_over_the_limit_is_cut_and_fails(desk: Desk, run_worker: RunWorker) -> None:
    model = ScriptedModel("x" * 800, "y" * 800)
    async with run_worker(model, max_output_bytes=1024):
        await desk.give(task())
        _, attempt = await desk.wait_for(COLLABORATION_INBOX, 2)
    assert attempt.fault.code == "output_too_large"
    assert attempt.output == inline("x" * 800)
    assert model.closed == 1


async def test_a_call_that_takes_too_long_times_out(desk: Desk, run_worker: RunWorker) -> None:
    model = ScriptedModel("x")
    model.hold_at = 0
    async with run_worker(model):
        await desk.give(task(timeout_s=0.05))
        _, attempt = await desk.wait_for(COLLABORATION_INBOX, 2)
    assert (attempt.fault.code, attempt.fault.retryable) == ("timeout", True)


async def test_a_long_answer_is_stored_before_it_is_reported(
    desk: Desk, run_worker: RunWorker
) -> None:
    async with run_worker(ScriptedModel("z" * 9000)):
        await desk.give(task())
        _, attempt = await desk.wait_for(COLLABORATION_INBOX, 2)
    assert attempt.output.artifact is not None
    assert attempt.output.text.v == "z" * 9000


async def test_running_calls_finish_after_a_stop(desk: Desk, run_worker: RunWorker) -> None:
    model = ScriptedModel("x")
    model.hold_at = 0
    async with run_worker(model):
        await desk.give(task())
        await eventually(lambda: model.requests, what="the call")
        asyncio.get_running_loop().call_later(0.05, model.gate.set)
    _, attempt = await desk.read(COLLABORATION_INBOX)
    assert attempt.outcome == "completed"


async def test_calls_and_chunks_are_counted(desk: Desk, run_worker: RunWorker) -> None:
    model = ScriptedModel("x", "y")
    model.hold_at = 1
    async with run_worker(model) as worker:
        await desk.give(task())
        await desk.wait_for(COLLABORATION_STREAM, 2)
        assert b"facilitair_calls_in_flight 1.0" in worker.metrics.render()
        model.gate.set()
        await desk.wait_for(LLM_CALLS, 2)
        await eventually(
            lambda: b"facilitair_calls_in_flight 0.0" in worker.metrics.render(), what="its end"
        )
        assert b"facilitair_stream_chunks_total 3.0" in worker.metrics.render()
        duration = b'gen_ai_client_operation_duration_seconds_count{outcome="completed"} 1.0'
        assert duration in worker.metrics.render()


async def test_r22_a_finished_call_whose_text_is_gone_fails_the_attempt(
    desk: Desk, run_worker: RunWorker, tmp_path: Path
) -> None:
    model = ScriptedModel("z" * 70_000)
    async with run_worker(model):
        await desk.give(task())
        call, _ = await desk.wait_for(COLLABORATION_INBOX, 2)
        shutil.rmtree(tmp_path / "artifacts")
        finished = FinishedCall(
            call_id=call.call_id, request_digest=call.request_digest, output=call.output, model="m"
        )
        await desk.give(task(attempt=2, finished=(finished,)))
        *_, attempt = await desk.wait_for(COLLABORATION_INBOX, 3)
    assert (attempt.attempt, attempt.fault.code) == (2, "text_missing")
    assert len(model.requests) == 1
