import pytest
from prometheus_client import CollectorRegistry

from facilitair_agent_worker.estimates import Estimates
from facilitair_events.definitions import Model
from facilitair_events.requests import Usage
from facilitair_llm.calls import ChatMessage, ChatRequest
from facilitair_observability.metrics import Metrics

MODEL = Model(name="m", provider="p")
TEXT = "Say what a partition is, and what it is good for. " * 200
REQUEST = ChatRequest(model="m", messages=(ChatMessage(role="user", content=TEXT),))
LIMITED = ChatRequest(model="m", messages=REQUEST.messages, max_output_tokens=7)


def observed(metrics):
    lines = metrics.render().decode().splitlines()
    return [
        line.rpartition(" ")[2]
        for line in lines
        if line.startswith("facilitair_token_estimate_error_count")
    ]


def test_a_prompt_is_estimated_from_its_size_and_the_limit_of_the_answer_counts():
    estimates = Estimates()
    assert estimates.tokens(LIMITED, model=MODEL) == pytest.approx(2200, rel=0.2)
    assert estimates.tokens(REQUEST, model=MODEL) == estimates.tokens(LIMITED, model=MODEL) + 505


@pytest.mark.parametrize("ratio", [0.8, 1.5])
def test_what_a_provider_counts_is_learnt_for_its_model(ratio):
    estimates, metrics = Estimates(), Metrics(CollectorRegistry())
    before = estimates.tokens(LIMITED, model=MODEL) - 7
    usage = Usage(input_tokens=round(before * ratio), output_tokens=1)
    for _ in range(20):
        estimates.learn(LIMITED, model=MODEL, usage=usage, metrics=metrics)
    assert estimates.tokens(LIMITED, model=MODEL) - 7 == pytest.approx(before * ratio, rel=0.05)
    other = Model(name="n", provider="p")
    assert estimates.tokens(LIMITED, model=other) - 7 == before
    assert observed(metrics) == ["20.0"]


@pytest.mark.parametrize(
    "usage", [None, Usage(), Usage(input_tokens=9, output_tokens=9, estimated=True)]
)
def test_a_usage_that_the_provider_did_not_tell_teaches_nothing(usage):
    estimates, metrics = Estimates(), Metrics(CollectorRegistry())
    before = estimates.tokens(REQUEST, model=MODEL)
    estimates.learn(REQUEST, model=MODEL, usage=usage, metrics=metrics)
    assert estimates.tokens(REQUEST, model=MODEL) == before
    assert observed(metrics) == []
