"""Budgets and policies of collaborations, resuming them, and what they are charged."""

from decimal import Decimal

import pytest

from facilitair_events.accounts import UsageCell
from facilitair_events.collaboration import Totals
from facilitair_events.envelope import instant
from facilitair_events.replies import CallView, CollaborationView, StepView
from facilitair_events.requests import CollaborationRequested, ResumeRequested, Usage
from facilitair_events.text import inline
from facilitair_gateway.costs import cost_body
from facilitair_gateway.routes.estimates import past_usage
from facilitair_gateway.settings import GatewaySettings
from facilitair_workflows.estimating import PastUsage

PATH = "/v1/collaborations"
NOBODY = "018f0000-0000-7000-8000-000000000000"


def test_money_is_reserved_unless_an_operator_says_otherwise() -> None:
    policy = GatewaySettings.model_fields["policy"].default
    assert policy.model_dump() == {"reserve": "required"}


@pytest.mark.parametrize("given", [2.5, "2.50"])
async def test_a_budget_and_the_policy_are_in_the_record(
    http, accountant, orchestrator, stage, given
) -> None:
    answer = await http.post(PATH, json={"task": "t", "budget": given})
    assert answer.status_code == 202, answer.text
    (request,) = [r for r in await stage.inbox() if isinstance(r, CollaborationRequested)]
    assert request.budget_usd == Decimal("2.50")
    assert request.policy == {"reserve": "required"}


async def test_without_accounts_the_policy_is_off(submit, stage) -> None:
    await submit()
    (request,) = [r for r in await stage.inbox() if isinstance(r, CollaborationRequested)]
    assert request.policy == {"reserve": "off"}
    assert request.budget_usd is None


async def test_a_budget_is_refused_where_nothing_is_reserved(http, stage) -> None:
    answer = await http.post(PATH, json={"task": "t", "budget": 1})
    assert (answer.status_code, answer.json()["code"]) == (409, "reserve_off")
    assert "FACILITAIR_GATEWAY_POLICY__RESERVE=required" in answer.json()["detail"]
    assert await stage.inbox() == []


@pytest.mark.parametrize(
    "wrong",
    [0, "0.00", -1, "-1", "1e3", "NaN", "", "1,5", True, [], 1e300, 0.12345678901234567, "1_0"],
)
async def test_what_is_no_budget_is_refused_with_everything_else(http, orchestrator, wrong) -> None:
    answer = await http.post(PATH, json={"task": " ", "budget": wrong})
    assert answer.status_code == 422
    fields = {fault["field"]: fault["message"] for fault in answer.json()["errors"]}
    assert fields.keys() == {"task", "budget"}
    assert "amount of USD" in fields["budget"]


async def test_r15_a_resume_is_a_record_also_when_nobody_answers(http, stage, silence) -> None:
    wish = {"action": "resume", "budget": "3", "client_id": "c-1"}
    answer = await http.post(f"{PATH}/{NOBODY}/control", json=wish)
    assert (answer.status_code, answer.json()["status"]) == (202, "queued")
    (request,) = await stage.inbox()
    assert isinstance(request, ResumeRequested)
    assert (request.budget_usd, request.client_id, request.actor) == (Decimal(3), "c-1", "local")


async def test_what_is_not_paused_cannot_be_resumed(submit, http) -> None:
    ident = (await submit())["id"]
    answer = await http.post(f"{PATH}/{ident}/control", json={"action": "resume"})
    assert (answer.status_code, answer.json()["code"]) == (409, "not_paused")
    answer = await http.post(f"{PATH}/{NOBODY}/control", json={"action": "resume"})
    assert answer.status_code == 404


async def test_a_field_of_another_action_is_a_fault(http) -> None:
    path = f"{PATH}/{NOBODY}/control"
    answer = await http.post(path, json={"action": "cancel", "budget": "1"})
    assert answer.json()["errors"][0]["field"] == "budget"
    answer = await http.post(path, json={"action": "resume", "reason": "r"})
    assert answer.json()["errors"][0]["field"] == "reason"


def call(ident: str, *, outcome: str = "completed", cost=None, charged=None) -> CallView:
    unknown = outcome == "unknown"
    totals = Totals(calls=1, cost_usd=cost and Decimal(cost), unknown_calls=int(unknown))
    return CallView(
        call_id=ident, path="coder", attempt=1, outcome=outcome, totals=totals, agent="coder",
        model="m", charged_usd=charged and Decimal(charged),
    )  # fmt: skip


def view(*calls: CallView, **more) -> CollaborationView:
    steps = (
        StepView(path="coder", step="coder", status="running", agent="coder",
                 reserved_usd=Decimal("0.5"), totals=Totals(calls=len(calls))),
        StepView(path="next", step="next", status="waiting", agent="tester", funding="first"),
        StepView(path="later", step="later", status="waiting", agent="tester"),
    )  # fmt: skip
    return CollaborationView(
        id="c", status="running", workflow="w", workflow_version="1", project="p", actor="a",
        task=inline("t"), created_at=instant(0), updated_at=instant(0), steps=steps, calls=calls,
        **more,
    )  # fmt: skip


def test_what_is_charged_reserved_unknown_and_unpriced_is_told_apart() -> None:
    body = cost_body(
        view(
            call("a", cost="0.10", charged="0.10"),
            call("b", outcome="unknown", charged="0.30"),
            call("c", charged="0"),
            call("d", outcome="void"),
            budget_usd=Decimal(2),
            reserved_usd=Decimal("0.75"),
            slots=2,
        )
    )
    assert (body["budget_usd"], body["reserved_usd"], body["slots"]) == ("2", "0.75", 2)
    for sums in (body["totals"], *body["agents"], *body["models"], body["steps"][0]):
        assert (sums["charged_usd"], sums["unknown_usd"]) == ("0.40", "0.30")
        assert sums["unpriced_calls"] == 1
    found = {row["call_id"]: row for row in body["calls"]}
    assert (found["b"]["charged_usd"], found["b"]["unknown_usd"]) == ("0.30", "0.30")
    assert (found["c"]["cost_usd"], found["c"]["unpriced_calls"]) == (None, 1)
    assert [(row["path"], row["waits_for_funds"]) for row in body["steps"]] == [
        ("coder", False), ("next", True),
    ]  # fmt: skip
    assert body["steps"][0]["reserved_usd"] == "0.5"


def test_where_nobody_keeps_accounts_nothing_is_charged() -> None:
    totals = cost_body(view(call("a", cost="0.10")))["totals"]
    assert (totals["charged_usd"], totals["unknown_usd"]) == (None, None)


async def test_an_estimate_is_of_the_workflow_that_would_run(http, accountant) -> None:
    answer = await http.post("/v1/estimates", json={"task": "Write a rate limiter"})
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert (body["workflow"], body["currency"], body["history"]) == ("code", "USD", "known")
    assert {"architect", "coder", "documenter"} <= {step["agent"] for step in body["steps"]}
    for figures in (body, *body["steps"]):
        for name in ("calls", "input_tokens", "output_tokens"):
            assert figures[name]["low"] <= figures[name]["likely"] <= figures[name]["high"]
    assert Decimal(body["usd"]["low"]) <= Decimal(body["usd"]["high"])
    longer = await http.post("/v1/estimates", json={"task": "Write a rate limiter. " * 500})
    assert longer.json()["input_tokens"]["low"] > body["input_tokens"]["low"]


async def test_an_estimate_tells_what_is_wrong_as_a_submit_does(http, accountant) -> None:
    wrong = {"workflow": "nothing", "budget": 1, "models": {"coder": "no/such"}}
    answer = await http.post("/v1/estimates", json=wrong)
    assert answer.status_code == 422
    fields = {fault["field"] for fault in answer.json()["errors"]}
    assert {"task", "budget", "workflow"} <= fields


async def test_an_estimate_says_that_it_knows_no_history(http) -> None:
    answer = await http.post("/v1/estimates", json={"task": "t", "workflow": "answer"})
    assert answer.json()["history"] == "none"


async def test_an_estimate_does_without_accounts_that_is_away(http, accountant, silence) -> None:
    answer = await http.post("/v1/estimates", json={"task": "t", "workflow": "answer"})
    assert (answer.status_code, answer.json()["history"]) == (200, "away")


def test_past_usage_counts_what_was_answered() -> None:
    def cell(agent: str, *, calls: int, unknown: int = 0) -> UsageCell:
        return UsageCell(
            day="2026-01-01", agent=agent, model="m", workflow="w", calls=calls,
            unknown_calls=unknown, usage=Usage(output_tokens=100), charged_usd=Decimal(0),
        )  # fmt: skip

    cells = [cell("a", calls=3, unknown=1), cell("a", calls=1), cell("b", calls=1, unknown=1)]
    found = past_usage(cells)
    assert found == {"a": PastUsage(calls=3, output_tokens=200)}
