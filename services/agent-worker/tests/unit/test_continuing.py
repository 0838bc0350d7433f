"""Attempts that go on from earlier text, ask a further model or a larger answer (logic 2)."""

from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace

from facilitair_agent_worker.domain import EMPTY_ANSWER, chat_request
from facilitair_agent_worker.domain import request_digest as digest_of
from facilitair_events.definitions import Output
from facilitair_events.requests import Fault
from facilitair_events.stream import AttemptReset, Token
from facilitair_events.text import inline
from facilitair_events.topics import COLLABORATION_INBOX, COLLABORATION_STREAM
from facilitair_events.work import Correction, FinishedCall, RunAttempt
from facilitair_llm.continuing import GO_ON
from facilitair_llm.errors import ProviderError
from facilitair_testing.desk import Desk, task
from facilitair_testing.inbox import CHAIN, VERDICT, agent
from facilitair_testing.scripted_model import ScriptedModel

RunWorker = Callable[..., Any]
JSON = Output(kind="json", json_schema=VERDICT)


def going_on(text: str = "one ", **more: Any) -> RunAttempt:
    return task(attempt=2, continued=inline(text), **more)


async def test_the_model_is_shown_the_text_so_far_and_asked_to_go_on(
    desk: Desk, run_worker: RunWorker
) -> None:
    model = ScriptedModel("two ", "three")
    async with run_worker(model):
        await desk.give(going_on())
        call, attempt = await desk.wait_for(COLLABORATION_INBOX, 2)
    [request] = model.requests
    assert [(m.role, m.content) for m in request.messages[1:]] == [
        ("user", "Task: add"), ("assistant", "one "), ("user", GO_ON),
    ]  # fmt: skip
    assert (attempt.outcome, attempt.output) == ("completed", inline("one two three"))
    assert call.output == inline("two three")


async def test_a_viewer_gets_the_earlier_text_first_and_then_what_comes(
    desk: Desk, run_worker: RunWorker
) -> None:
    async with run_worker(ScriptedModel("two ", "three")):
        await desk.give(going_on())
        await desk.wait_for(COLLABORATION_INBOX, 2)
    opening, *tokens = await desk.read(COLLABORATION_STREAM)
    assert isinstance(opening, AttemptReset)
    assert all(isinstance(token, Token) for token in tokens)
    assert "".join(token.text for token in tokens) == "one two three"
    assert tokens[0].text.startswith("one ")


@pytest.mark.parametrize(("written", "so_far"), [((), "one "), (("two ",), "one two ")])
async def test_what_fails_tells_how_far_it_came(
    desk: Desk, run_worker: RunWorker, written: tuple[str, ...], so_far: str
) -> None:
    error = ProviderError(kind="unavailable", message="gone")
    async with run_worker(ScriptedModel(*written, error=error)):
        await desk.give(going_on())
        _, attempt = await desk.wait_for(COLLABORATION_INBOX, 2)
    assert (attempt.fault.code, attempt.output) == ("unavailable", inline(so_far))


async def test_json_is_checked_when_it_is_joined(desk: Desk, run_worker: RunWorker) -> None:
    model = ScriptedModel("true}")
    async with run_worker(model):
        await desk.give(going_on('{"approved": ', output=JSON))
        _, attempt = await desk.wait_for(COLLABORATION_INBOX, 2)
    assert (attempt.outcome, attempt.value) == ("completed", {"approved": True})
    assert model.requests[0].response_schema is None


async def test_an_answer_is_not_longer_for_being_continued(
    desk: Desk, run_worker: RunWorker
) -> None:
    async with run_worker(ScriptedModel("y" * 600), max_output_bytes=1024):
        await desk.give(going_on("x" * 500))
        _, attempt = await desk.wait_for(COLLABORATION_INBOX, 2)
    assert attempt.fault.code == "output_too_large"


async def test_r22_a_finished_continuation_is_reused_with_its_beginning(
    desk: Desk, run_worker: RunWorker
) -> None:
    model = ScriptedModel("two")
    async with run_worker(model):
        await desk.give(going_on())
        call, _ = await desk.wait_for(COLLABORATION_INBOX, 2)
        finished = FinishedCall(
            call_id=call.call_id, request_digest=call.request_digest, output=call.output, model="m"
        )
        again = replace(going_on(), attempt=3, finished=(finished,))
        await desk.give(again)
        *_, attempt = await desk.wait_for(COLLABORATION_INBOX, 3)
    assert (attempt.attempt, attempt.output) == (3, inline("one two"))
    assert len(model.requests) == 1
    values = await desk.read(COLLABORATION_STREAM)
    told = [v.text for v in values if isinstance(v, Token) and v.attempt == 3]
    assert "".join(told) == "one two"


async def test_a_blank_beginning_is_none(desk: Desk, run_worker: RunWorker) -> None:
    model = ScriptedModel("all of it")
    async with run_worker(model):
        await desk.give(going_on(" \n"))
        _, attempt = await desk.wait_for(COLLABORATION_INBOX, 2)
    assert [m.role for m in model.requests[0].messages] == ["system", "user"]
    assert attempt.output == inline("all of it")


async def test_the_model_of_the_chain_is_asked_that_the_task_names(
    desk: Desk, run_worker: RunWorker
) -> None:
    model = ScriptedModel("x")
    chain = tuple(replace(one, provider="p") for one in CHAIN)
    async with run_worker(model):
        wanted = task(agent=replace(agent("coder"), models=chain), attempt=2, model_index=1)
        await desk.give(wanted)
        await desk.wait_for(COLLABORATION_INBOX, 2)
    assert model.requests[0].model == "n"
    opening, *_ = await desk.read(COLLABORATION_STREAM)
    assert opening.model == "n"


async def test_one_that_nobody_can_call_here_is_declined_by_its_provider(
    desk: Desk, run_worker: RunWorker
) -> None:
    model = ScriptedModel("x")
    async with run_worker(model):
        wanted = task(agent=replace(agent("coder"), models=CHAIN), attempt=2, model_index=1)
        await desk.give(wanted)
        [attempt] = await desk.wait_for(COLLABORATION_INBOX, 1)
    assert attempt.fault.code == "provider_unknown"
    assert attempt.output is None
    assert model.requests == []


async def test_a_model_that_its_agent_does_not_have_is_told(
    desk: Desk, run_worker: RunWorker
) -> None:
    async with run_worker(ScriptedModel("x")):
        await desk.give(task(model_index=1))
        [attempt] = await desk.wait_for(COLLABORATION_INBOX, 1)
    assert attempt.fault.code == "input_invalid"
    assert "names model 2 of an agent that has 1" in attempt.fault.message


@pytest.mark.parametrize(
    ("wanted", "of_agent", "of_model", "limit"),
    [(600, 300, 1000, 600), (2000, 300, 1000, 1000), (600, None, None, 600), (None, 300, 9, 9)],
)
def test_a_larger_limit_stands_in_for_that_of_the_agent(
    wanted: int | None, of_agent: int | None, of_model: int | None, limit: int
) -> None:
    asked = task(
        agent=replace(agent("coder"), max_output_tokens=of_agent), max_output_tokens=wanted
    )
    model = replace(CHAIN[1], max_output_tokens=of_model)
    assert chat_request(asked, model, rendered="p", rejected=None).max_output_tokens == limit


def test_r22_the_digest_covers_the_beginning_and_the_limit() -> None:
    def digest(earlier: str = "", **more: Any) -> str:
        request = chat_request(task(**more), CHAIN[0], rendered="p", rejected=None, earlier=earlier)
        return digest_of(request)

    assert len({digest(), digest("one"), digest("one "), digest(max_output_tokens=9)}) == 4


def test_a_correction_that_is_continued_keeps_both() -> None:
    fault = Fault(code="output_invalid", message="no JSON", retryable=True)
    corrected = task(correction=Correction(output=inline("nope"), fault=fault))
    request = chat_request(corrected, CHAIN[0], rendered="p", rejected="nope", earlier="{")
    assert [message.role for message in request.messages] == [
        "system", "user", "assistant", "user", "assistant", "user",
    ]  # fmt: skip
    assert request.messages[-2].content == "{"


def test_an_empty_answer_is_shown_as_one() -> None:
    fault = Fault(code="output_invalid", message="the answer is empty", retryable=True)
    corrected = task(correction=Correction(output=inline(""), fault=fault))
    request = chat_request(corrected, CHAIN[0], rendered="p", rejected=" ")
    assert request.messages[2].content == EMPTY_ANSWER
