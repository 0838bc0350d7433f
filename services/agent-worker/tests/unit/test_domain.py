"""What is asked, and how answers are judged."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from facilitair_agent_worker.domain import (
    chat_request,
    check_output,
    fault_of,
    request_digest,
    unfenced,
)
from facilitair_events.definitions import Model, Output
from facilitair_events.text import personal
from facilitair_llm.errors import ProviderError
from facilitair_testing.desk import task
from facilitair_testing.inbox import MODEL, VERDICT, agent

JSON = Output(kind="json", json_schema=VERDICT)


def digest(*, prompt: str = "p", model: Model = MODEL, **more: object) -> str:
    wanted = task(agent=replace(agent("coder"), **more))
    return request_digest(chat_request(wanted, model, rendered=prompt, rejected=None))


def test_r22_the_digest_covers_prompt_model_and_parameters() -> None:
    same = digest()
    assert digest() == same
    assert digest(prompt="q") != same
    assert digest(model=replace(MODEL, name="n")) != same
    assert digest(temperature=0.5) != same
    assert digest(max_output_tokens=9) != same
    assert digest(prompt_name="other name") == same


@pytest.mark.parametrize(
    ("ours", "theirs", "limit"), [(None, None, None), (9, None, 9), (9, 5, 5), (None, 5, None)]
)
def test_the_smaller_output_limit_counts(
    ours: int | None, theirs: int | None, limit: int | None
) -> None:
    wanted = task(agent=replace(agent("coder"), max_output_tokens=ours))
    model = replace(MODEL, max_output_tokens=theirs)
    request = chat_request(wanted, model, rendered="p", rejected=None)
    assert request.max_output_tokens == limit


@pytest.mark.parametrize("text", ["", "  \n"])
def test_an_empty_text_is_no_answer(text: str) -> None:
    _, fault = check_output(text, Output())
    assert fault is not None
    assert fault.code == "output_invalid"


@pytest.mark.parametrize("text", ["", "{", "nope", '{"approved": 1}', "{}", "[" * 5000])
def test_json_that_is_not_as_declared_is_refused(text: str) -> None:
    value, fault = check_output(text, JSON)
    assert value is None
    assert fault is not None
    assert fault.code == "output_invalid"


def test_json_as_declared_is_taken_with_or_without_a_fence() -> None:
    for text in ('{"approved": true}', '```json\n{"approved": true}\n```', ' {"approved":true}\n'):
        assert check_output(text, JSON) == ({"approved": True}, None)


@given(st.text())
def test_unfenced_leaves_other_text_alone(text: str) -> None:
    if "```" not in text:
        assert unfenced(text) == text.strip()


def test_a_provider_error_keeps_its_kind_and_its_wish() -> None:
    fault = fault_of(ProviderError(kind="overloaded", message="busy", retry_after_s=3))
    assert (fault.code, fault.retryable, fault.retry_after_s) == ("overloaded", True, 3)
    assert "busy" not in fault.message
    assert fault.quote == personal("busy")
    assert not fault_of(ProviderError(kind="authentication", message="no")).retryable


SLUG = Output(kind="json", json_schema={"type": "string", "pattern": "^(a+)+$"})


@pytest.mark.timeout(120)
def test_an_answer_cannot_make_the_check_of_its_pattern_slow():
    value, fault = check_output(f'"{"a" * 100_000}"', SLUG)
    assert (len(value), fault) == (100_000, None)
    value, fault = check_output(f'"{"a" * 100_000}!"', SLUG)
    assert value is None
    assert fault.code == "output_invalid"
    assert "'pattern'" in fault.message
    assert len(fault.quote.v) <= 400


def test_a_pattern_from_before_that_cannot_be_matched_is_a_fault_and_no_crash():
    output = Output(kind="json", json_schema={"pattern": "(?=x)"})
    value, fault = check_output('"x"', output)
    assert value is None
    assert "look-around" in fault.quote.v
    assert check_output("1", output) == (1, None)
