from datetime import UTC, datetime
from decimal import Decimal

import pytest
from msgspec.structs import replace
from prometheus_client import CollectorRegistry

from facilitair_agent_worker.calling import Answer
from facilitair_agent_worker.costs import cost_of
from facilitair_agent_worker.domain import chat_request
from facilitair_events.definitions import Model, Prices
from facilitair_events.requests import Usage
from facilitair_observability.metrics import Metrics
from facilitair_testing.desk import task
from facilitair_testing.inbox import agent

YEAR_END = datetime(2027, 1, 1, tzinfo=UTC)
PRICED = Model(name="m", provider="p", prices=Prices(input=Decimal(2), until=YEAR_END))
USED = Answer(text="", fault=None, usage=Usage(input_tokens=500_000))


def cost(answer, model, *, at=datetime(2026, 12, 31, tzinfo=UTC)):
    metrics = Metrics(CollectorRegistry())
    found = cost_of(answer, model, wall_ms=lambda: round(at.timestamp() * 1000), metrics=metrics)
    counted = [line for line in metrics.render().decode().splitlines() if "_total{" in line]
    return found, counted


def unknown(reason):
    return [f'facilitair_call_cost_unknown_total{{provider="p",reason="{reason}"}} 1.0']


@pytest.mark.parametrize(
    ("answer", "model", "expected", "counted"),
    [
        (USED, PRICED, Decimal(1), []),
        (USED, Model(name="m", provider="p"), None, unknown("price")),
        (Answer(text="x", fault=None), PRICED, None, unknown("usage")),
        (
            Answer(text="x", fault=None, cost_usd=Decimal("0.07")),
            Model(name="m", provider="p"),
            Decimal("0.07"),
            [],
        ),
        (Answer(text="", fault=None, free=True), Model(name="m", provider="p"), Decimal(0), []),
    ],
)
def test_a_cost_that_nobody_knows_is_null_and_counted(answer, model, expected, counted):
    assert cost(answer, model) == (expected, counted)


def test_prices_that_have_ended_are_not_used():
    assert cost(USED, PRICED, at=YEAR_END) == (None, unknown("price"))


@pytest.mark.parametrize(("omit", "told"), [((), 0.2), (("temperature",), None)])
def test_a_model_is_not_told_what_its_provider_refuses_for_it(omit, told):
    model = Model(name="m", provider="p", omit=omit)
    warm = replace(agent("coder"), models=(model,), temperature=0.2)
    request = chat_request(task(agent=warm), model, rendered="i", rejected=None)
    assert request.temperature == told
