"""Attempts that a worker declines for a breaker or a rate limit (R24), on a real log."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from facilitair_agent_worker.breaker import BreakerRules
from facilitair_agent_worker.call_endings import ended_of
from facilitair_agent_worker.calling import Answer
from facilitair_agent_worker.settings import AgentWorkerSettings
from facilitair_events.definitions import RateLimits
from facilitair_events.requests import AttemptReported, Fault, Usage
from facilitair_events.topics import COLLABORATION_INBOX, LLM_CALLS
from facilitair_events.work import CallClaimed, CallDone, CallVoided
from facilitair_llm.errors import ProviderError, ProviderErrorKind
from facilitair_runtime.errors import SettingsError
from facilitair_runtime.settings import load
from facilitair_testing.desk import Desk, task
from facilitair_testing.eventually import eventually
from facilitair_testing.inbox import agent
from facilitair_testing.scripted_model import ScriptedModel

RunWorker = Callable[..., Any]

OVERLOADED = ProviderError(kind="overloaded", message="later", status=529)


async def give(desk: Desk, count: int, *, begin: int = 0, **more: Any) -> list[AttemptReported]:
    """Hand out tasks one after the other; what became of each attempt."""
    for number in range(begin, begin + count):
        await desk.give(task(f"s{number}", **more))
        path = f"s{number}"

        async def told(path: str = path) -> AttemptReported | None:
            reports = await desk.read(COLLABORATION_INBOX)
            attempts = (r for r in reports if isinstance(r, AttemptReported))
            return next((r for r in attempts if r.path == path), None)

        await eventually(told, what=f"the end of {path}")
    found = [r for r in await desk.read(COLLABORATION_INBOX) if isinstance(r, AttemptReported)]
    return [r for r in sorted(found, key=lambda r: int(r.path[1:])) if int(r.path[1:]) >= begin]


async def test_r24_with_an_open_breaker_an_attempt_is_claimed_voided_and_answered(
    desk: Desk, run_worker: RunWorker
) -> None:
    model = ScriptedModel(error=OVERLOADED)
    async with run_worker(model, breaker={"failures": 3, "open_s": 3600}) as worker:
        reports = await give(desk, 5)
        assert len(model.requests) == 3
        shown = worker.metrics.render().decode()
    assert [report.fault.code for report in reports] == ["overloaded"] * 3 + ["unavailable"] * 2
    assert reports[3].fault.retryable
    assert 3500 < reports[3].fault.retry_after_s <= 3600
    assert 'facilitair_provider_breaker{model="m",provider="p"} 2.0' in shown
    ledger = [e for e in await desk.read(LLM_CALLS) if getattr(e, "path", None) == "s4"]
    assert [type(entry) for entry in ledger] == [CallClaimed, CallVoided, CallDone]


async def test_r24_streams_that_break_after_content_open_the_breaker_too(
    desk: Desk, run_worker: RunWorker
) -> None:
    """The judgement is at the end of the stream; its beginning looked well each time."""
    model = ScriptedModel("some ", "text", error=ProviderError(kind="truncated", message="cut"))
    async with run_worker(model, breaker={"failures": 5, "open_s": 3600}):
        reports = await give(desk, 7)
    assert len(model.requests) == 5
    assert [report.fault.code for report in reports[5:]] == ["unavailable"] * 2


async def test_one_model_that_fails_closes_no_other(desk: Desk, run_worker: RunWorker) -> None:
    model = ScriptedModel(error=OVERLOADED)
    async with run_worker(model, breaker={"failures": 1, "open_s": 3600}):
        await give(desk, 2)
        assert len(model.requests) == 1
        coder = agent("coder")
        other = replace(coder, models=(replace(coder.models[0], name="other"),))
        await give(desk, 1, begin=2, agent=other)
    assert len(model.requests) == 2


async def test_a_cancelled_call_counts_for_nothing(desk: Desk, run_worker: RunWorker) -> None:
    model = ScriptedModel("one", "two")
    model.hold_at = 1
    async with run_worker(model, breaker={"failures": 1, "open_s": 3600}):
        await desk.give(task("s0"))
        await eventually(lambda: model.requests, what="the call")
        await desk.stop("s0")
        await desk.wait_for(COLLABORATION_INBOX, 2)
        model.gate.set()
        [report] = (await give(desk, 1, begin=1))[-1:]
    assert report.outcome == "completed"


@pytest.mark.parametrize("finish", ["length", "refusal", "content_filter", "other"])
async def test_an_answer_that_ended_by_itself_counts_as_one(
    desk: Desk, run_worker: RunWorker, finish: Any
) -> None:
    model = ScriptedModel("x")
    model.finish = finish
    async with run_worker(model, breaker={"failures": 1, "open_s": 3600}):
        await give(desk, 3)
    assert len(model.requests) == 3


async def test_r24_a_rate_limit_declines_what_would_wait_long(
    desk: Desk, run_worker: RunWorker
) -> None:
    model = ScriptedModel("x")
    rates = {"limits": {"p/m": {"requests_per_minute": 2}}, "wait_s": 1}
    async with run_worker(model, rates=rates):
        reports = await give(desk, 4)
    assert len(model.requests) == 2
    assert [r.outcome for r in reports] == ["completed", "completed", "failed", "failed"]
    fault = reports[2].fault
    assert (fault.code, fault.retryable) == ("rate_limited", True)
    assert 20 < fault.retry_after_s <= 30


@pytest.mark.parametrize(
    ("kind", "ending"),
    [
        ("unavailable", "failed"), ("overloaded", "failed"), ("timeout", "failed"),
        ("truncated", "failed"), ("malformed", "failed"), ("quota", "failed"),
        ("authentication", "barred"), ("rate_limited", "undecided"),
        ("invalid_request", "undecided"), ("context_length", "undecided"),
        ("content_filter", "undecided"), ("refused_by_provider", "undecided"),
        ("address_refused", "undecided"), ("stopped", "undecided"), ("too_long", "undecided"),
    ],
)  # fmt: skip
def test_what_an_error_says_of_a_provider(kind: ProviderErrorKind, ending: str) -> None:
    fault = Fault(code=kind, message="", retry_after_s=4)
    ended = ended_of(Answer(text="", fault=fault, trouble=kind), timeout_s=60)
    assert (ended.ending, ended.reason, ended.retry_after_s) == (ending, kind, 4)
    assert ended.limited == (kind == "rate_limited")


@pytest.mark.parametrize(
    ("text", "timeout_s", "ending"),
    [("", 10.0, "failed"), ("", 9.9, "undecided"), ("some", 600.0, "undecided")],
)
def test_a_deadline_of_our_own_counts_only_after_a_long_silence(
    text: str, timeout_s: float, ending: str
) -> None:
    answer = Answer(text=text, fault=Fault(code="timeout", message=""), trouble="deadline")
    assert ended_of(answer, timeout_s=timeout_s).ending == ending


def test_an_answer_tells_its_tokens() -> None:
    answer = Answer(text="x", fault=None, usage=Usage(input_tokens=3, output_tokens=4))
    assert ended_of(answer, timeout_s=1).tokens == 7


def test_every_setting_of_admission_reaches_it(tmp_path: Path) -> None:
    rules = AgentWorkerSettings(
        home=tmp_path, lease_s=20, calls_in_flight=10,
        breaker={"failures": 2, "open_s": 3, "growth": 4, "longest_s": 5, "barred_s": 6},
        rates={"limits": {"p": {"tokens_per_minute": 7}}, "share": 0.5},
    ).admission  # type: ignore[arg-type]  # fmt: skip
    assert rules.breaker == BreakerRules(failures=2, open_s=3, growth=4, longest_s=5, barred_s=6)
    assert (rules.wait_s, rules.waiting, rules.share) == (2.0, 5, 0.5)
    assert rules.limits == {"p": RateLimits(tokens_per_minute=7)}
    waits = AgentWorkerSettings(home=tmp_path, rates={"wait_s": 0.25})  # type: ignore[arg-type]
    assert waits.admission.wait_s == 0.25


def test_limits_come_from_the_environment_too(monkeypatch: pytest.MonkeyPatch) -> None:
    name = "FACILITAIR_AGENT_WORKER_RATES__LIMITS"
    monkeypatch.setenv(name, '{"groq/llama": {"requests_per_minute": 30}}')
    limits = load(AgentWorkerSettings).admission.limits
    assert limits == {"groq/llama": RateLimits(requests_per_minute=30)}
    monkeypatch.setenv(name, '{"groq/llama": {"requests_per_minute": 0}}')
    with pytest.raises(SettingsError, match="requests_per_minute"):
        load(AgentWorkerSettings)
