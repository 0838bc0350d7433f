"""Budgets over HTTP, kept by accounts that are nothing but ``decide``."""

from decimal import Decimal

import pytest

from facilitair_events.accounts import CallCharged
from facilitair_events.topics import ACCOUNT_REQUESTS
from facilitair_messaging.messages import message
from facilitair_testing.eventually import eventually
from services.gateway.tests.accounting import envelope
from services.gateway.tests.unit.conftest import bearer

MONTH = {"scope": "tenant", "window": "month", "usd": "100"}


def charge(call: str, *, n: int, outcome: str = "unknown", usd: str = "0.05") -> CallCharged:
    return CallCharged(
        collaboration="c-1", n=n, asked_ms=1_800_000_000_000, project="default", actor="local",
        workflow="code", call_id=call, path="coder", attempt=n, agent="coder", outcome=outcome,
        charged_usd=Decimal(usd), model="m", provider="openai",
    )  # fmt: skip


@pytest.fixture
def ask_account(stage):
    """Append requests to an account, as an orchestrator would."""

    async def ask(*requests, tenant: str = "local") -> None:
        await stage.write(
            *(
                message(
                    topic=ACCOUNT_REQUESTS,
                    key=tenant,
                    data=data,
                    envelope=envelope(data, tenant=tenant, subject=tenant, ident=f"r{data.n}"),
                )
                for data in requests
            )
        )

    return ask


async def test_a_tenant_begins_without_limits(http, accountant) -> None:
    body = (await http.get("/v1/budget")).json()
    assert body["budget"] == {
        "timezone": "UTC",
        "limits": [],
        "slots": {"interactive": 32, "batch": 8},
        "unpriced": "refuse",
    }
    assert (body["tenant"], body["currency"], body["spent_usd"]) == ("local", "USD", "0")


async def test_what_is_put_is_what_is_shown(http, accountant) -> None:
    wanted = {
        "timezone": "Europe/Berlin",
        "limits": [
            {**MONTH, "name": "*", "kind": "hard"},
            {"scope": "agent", "name": "coder", "window": "day", "usd": "0.1", "kind": "warning"},
        ],
        "slots": {"interactive": 16, "batch": 4},
        "unpriced": "allow",
    }
    answer = await http.put("/v1/budget", json=wanted)
    assert answer.status_code == 200, answer.text
    for shown in (answer, await http.get("/v1/budget")):
        assert shown.json()["budget"] == wanted
    (limit, _) = shown.json()["limits"]
    assert (limit["usd"], limit["left_usd"], limit["spent_usd"]) == ("100", "100", "0")
    assert limit["since"] < limit["until"]


async def test_days_begin_at_midnight_of_the_zone(http, accountant) -> None:
    wanted = {"timezone": "Asia/Kolkata", "limits": [{**MONTH, "window": "day"}]}
    (limit,) = (await http.put("/v1/budget", json=wanted)).json()["limits"]
    assert limit["until"].endswith("T18:30:00.000Z")


@pytest.mark.parametrize("number", [0.1, "0.1", "0.10", 3, "3"])
async def test_an_amount_is_exact_however_it_is_written(http, accountant, number) -> None:
    answer = await http.put("/v1/budget", json={"limits": [{**MONTH, "usd": number}]})
    (limit,) = answer.json()["budget"]["limits"]
    assert Decimal(limit["usd"]) == Decimal(str(number))


async def test_all_faults_of_a_budget_are_told_at_once(http, accountant) -> None:
    wrong = {
        "limits": [
            {"scope": "tenants", "window": "month", "usd": -1, "colour": "red"},
            {"scope": "agent", "window": "day", "usd": True},
        ],
        "slots": {"interactive": 0},
        "unpriced": "maybe",
        "offsets": [],
    }
    answer = await http.put("/v1/budget", json=wrong)
    assert answer.status_code == 422
    fields = {fault["field"] for fault in answer.json()["errors"]}
    assert fields == {
        "limits.0.scope", "limits.0.usd", "limits.0.colour", "limits.1.usd", "slots.interactive",
        "unpriced", "offsets",
    }  # fmt: skip


async def test_what_only_accounts_knows_to_be_wrong_is_told_too(http, accountant) -> None:
    wrong = {
        "timezone": "Mars/Olympus",
        "limits": [MONTH, MONTH, {"scope": "collaboration", "window": "day", "usd": 1}],
    }
    answer = await http.put("/v1/budget", json=wrong)
    assert answer.status_code == 422, answer.text
    told = answer.text
    assert "Mars/Olympus" in told
    assert "collaboration has no day" in told
    assert "keep one" in told
    assert {fault["field"] for fault in answer.json()["errors"]} == {
        "limits.0", "limits.1", "limits.2.window", "timezone",
    }  # fmt: skip
    assert (await http.get("/v1/budget")).json()["budget"]["limits"] == []


async def test_a_change_of_what_was_read_is_refused_when_another_came_between(
    http, accountant
) -> None:
    read = await http.get("/v1/budget")
    mine = {"if-match": read.headers["etag"]}
    theirs = await http.put("/v1/budget", json={"unpriced": "allow"})
    assert theirs.headers["etag"] != read.headers["etag"]
    answer = await http.put("/v1/budget", json={"limits": [MONTH]}, headers=mine)
    assert (answer.status_code, answer.json()["code"]) == (412, "budget_changed")
    assert (await http.get("/v1/budget")).json()["budget"]["unpriced"] == "allow"
    again = await http.put(
        "/v1/budget", json={"limits": [MONTH]}, headers={"if-match": theirs.headers["etag"]}
    )
    assert again.status_code == 200


async def test_a_change_that_is_sent_again_counts_once_and_is_answered(http, accountant) -> None:
    headers = {
        "if-match": (await http.get("/v1/budget")).headers["etag"],
        "idempotency-key": "k-1",
    }
    answers = [
        await http.put("/v1/budget", json={"limits": [MONTH]}, headers=headers) for _ in range(2)
    ]
    assert [answer.status_code for answer in answers] == [200, 200]
    assert accountant.states["local"].seq == 1


async def test_the_same_key_with_another_budget_is_another_change(http, accountant) -> None:
    headers = {"idempotency-key": "k-1"}
    await http.put("/v1/budget", json={"limits": [MONTH]}, headers=headers)
    answer = await http.put("/v1/budget", json={"unpriced": "allow"}, headers=headers)
    assert answer.json()["budget"]["unpriced"] == "allow"


async def test_who_is_bound_by_a_limit_cannot_raise_it(http, keyring, accountant) -> None:
    await keyring.begin()
    writer = bearer(await keyring.tenant("acme"))
    for method, path in (("PUT", "/v1/budget"), ("POST", "/v1/budget/reconciliations")):
        answer = await http.request(method, path, json={}, headers=writer)
        assert (answer.status_code, answer.json()["code"]) == (403, "scope_missing")
    assert (await http.get("/v1/budget", headers=writer)).json()["tenant"] == "acme"


async def test_an_administrator_sets_the_budget_of_a_tenant(http, keyring, accountant) -> None:
    await keyring.begin()
    theirs = bearer(await keyring.tenant("acme"))
    path, admin = "/v1/admin/tenants/acme/budget", bearer(keyring.admin)
    assert (await http.put(path, json={"limits": [MONTH]}, headers=admin)).status_code == 200
    assert (await http.get(path, headers=admin)).json()["tenant"] == "acme"
    seen = (await http.get("/v1/budget", headers=theirs)).json()
    assert [limit["usd"] for limit in seen["budget"]["limits"]] == ["100"]
    mine = (await http.get("/v1/budget", headers=admin)).json()
    assert mine["budget"]["limits"] == []
    assert (await http.get("/v1/admin/tenants/nobody/budget", headers=admin)).status_code == 404


async def test_calls_of_unknown_outcome_are_settled_by_hand(http, accountant, ask_account) -> None:
    await ask_account(charge("call-1", n=1), charge("call-2", n=2))

    async def shown() -> dict | None:
        body = (await http.get("/v1/budget")).json()
        return body if body["unknown_calls"] == 2 else None

    body = await eventually(shown, what="two unknown calls")
    assert body["spent_usd"] == "0.10"
    assert [call["call_id"] for call in body["unknown"]] == ["call-1", "call-2"]
    correction = {"call_id": "call-1", "cost_usd": "0.01"}
    wish = {"corrections": [correction], "reason": "asked the provider"}
    path, key = "/v1/budget/reconciliations", {"idempotency-key": "r-1"}
    for _ in range(2):
        answer = await http.post(path, json=wish, headers=key)
        assert answer.status_code == 200, answer.text
        assert (answer.json()["settled"], answer.json()["unknown_calls"]) == (1, 1)
        assert answer.json()["spent_usd"] == "0.06"
    rows = (await http.get("/v1/usage/entries")).text.splitlines()
    assert len(rows) == 3
    assert '"reason":"asked the provider"' in rows[-1]


async def test_a_call_that_cannot_be_settled_settles_none(http, accountant, ask_account) -> None:
    await ask_account(charge("call-1", n=1))
    wish = {
        "corrections": [
            {"call_id": "call-1", "cost_usd": "0"},
            {"call_id": "call-9", "cost_usd": 0.5},
        ],
        "reason": "r",
        "source": "export",
    }
    answer = await http.post("/v1/budget/reconciliations", json=wish)
    assert answer.status_code == 422
    assert answer.json()["code"] == "call_not_unknown"
    assert (await http.get("/v1/budget")).json()["unknown_calls"] == 1


async def test_a_call_that_is_named_twice_and_no_reason_are_faults(http, accountant) -> None:
    one = {"call_id": "a", "cost_usd": "1"}
    path = "/v1/budget/reconciliations"
    twice = await http.post(path, json={"corrections": [one, one], "reason": "r"})
    assert twice.json()["errors"][0]["field"] == "corrections.1.call_id"
    empty = await http.post(path, json={"corrections": [], "reason": ""})
    assert {fault["field"] for fault in empty.json()["errors"]} == {"corrections", "reason"}


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/v1/budget", None),
        ("PUT", "/v1/budget", {}),
        ("GET", "/v1/usage", None),
        (
            "POST",
            "/v1/budget/reconciliations",
            {"corrections": [{"call_id": "a", "cost_usd": 1}], "reason": "r"},
        ),
    ],
)
async def test_accounts_that_is_away_is_told(http, silence, method, path, body) -> None:
    answer = await http.request(method, path, json=body)
    assert (answer.status_code, answer.json()["code"]) == (503, "accounts_away")
    assert answer.headers["retry-after"] == "1"
    assert "accounts did not answer" in answer.json()["detail"]
    assert ("recorded" in answer.json()["detail"]) == (method != "GET")
