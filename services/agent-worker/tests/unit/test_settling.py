"""What an answer used and cost, where its provider says nothing or something odd."""

from decimal import Decimal

import pytest
from msgspec.structs import replace
from prometheus_client import CollectorRegistry

from facilitair_agent_worker.calling import Answer
from facilitair_agent_worker.costs import cost_of
from facilitair_agent_worker.settling import settled
from facilitair_events.definitions import Model, Prices
from facilitair_events.requests import Fault, Usage
from facilitair_llm.calls import ChatMessage, ChatRequest
from facilitair_observability.metrics import Metrics

MODEL = Model(name="gpt-4o", provider="openai", prices=Prices(input=Decimal(2), output=Decimal(8)))
REQUEST = ChatRequest(
    model="gpt-4o", messages=(ChatMessage(role="user", content="What is a quick brown fox?"),)
)
WHOLE = Answer(text="It is an animal of the forest.", fault=None, model="gpt-4o-2024-08-06")


async def test_an_answer_without_usage_is_counted_by_us_and_says_so() -> None:
    usage = await settled(WHOLE, request=REQUEST, model=MODEL)
    assert usage is not None
    assert usage.estimated
    assert usage.input_tokens in range(5, 10)
    assert usage.output_tokens in range(6, 11)
    metrics = Metrics(CollectorRegistry())
    cost = cost_of(replace(WHOLE, usage=usage), MODEL, wall_ms=lambda: 0, metrics=metrics)
    assert cost is not None
    assert cost > 0


async def test_what_the_provider_says_is_kept() -> None:
    told = Usage(input_tokens=3, output_tokens=4)
    answer = replace(WHOLE, usage=told)
    assert await settled(answer, request=REQUEST, model=MODEL) == told


@pytest.mark.parametrize("trouble", ["truncated", "timeout", "stopped", "deadline"])
async def test_what_a_cut_answer_used_is_unknown_and_never_zero(trouble: str) -> None:
    fault = Fault(code=trouble, message="")
    answer = Answer(text="It is", fault=fault, trouble=trouble)
    assert await settled(answer, request=REQUEST, model=MODEL) is None
    metrics = Metrics(CollectorRegistry())
    assert cost_of(answer, MODEL, wall_ms=lambda: 0, metrics=metrics) is None
    assert b'reason="usage"' in metrics.render()


async def test_a_call_that_was_declined_used_nothing() -> None:
    answer = Answer(text="", fault=Fault(code="x", message=""), free=True, trouble="overloaded")
    assert await settled(answer, request=REQUEST, model=MODEL) is None
    metrics = Metrics(CollectorRegistry())
    assert cost_of(answer, MODEL, wall_ms=lambda: 0, metrics=metrics) == 0


def test_a_price_that_an_operator_set_is_for_whatever_answers_to_the_name() -> None:
    """A deployment has a name of its own, and answers with that of its model."""
    prices = replace(MODEL.prices, version="openai.yaml 0123456789ab")
    own = replace(MODEL, name="our-deployment", prices=prices)
    answer = replace(WHOLE, usage=Usage(input_tokens=1_000_000))
    metrics = Metrics(CollectorRegistry())
    assert cost_of(answer, own, wall_ms=lambda: 0, metrics=metrics) == Decimal(2)


@pytest.mark.parametrize(("answered", "known"), [("gpt-4o-2024-08-06", True), ("gpt-4", False)])
def test_the_price_of_one_model_is_not_that_of_another(answered: str, *, known: bool) -> None:
    answer = replace(WHOLE, model=answered, usage=Usage(input_tokens=1_000_000))
    metrics = Metrics(CollectorRegistry())
    cost = cost_of(answer, MODEL, wall_ms=lambda: 0, metrics=metrics)
    assert cost == (Decimal(2) if known else None)
    assert (b'reason="other_model"' in metrics.render()) is not known
