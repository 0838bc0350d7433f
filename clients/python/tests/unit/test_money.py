"""Budgets, usage, entries and estimates as the API tells them."""

import json
from datetime import UTC, date, datetime
from decimal import Decimal

import httpx
import pytest

from facilitair_client import (
    ApiError,
    Budget,
    ConnectionLostError,
    Event,
    Facilitair,
    Limit,
    Patience,
    ProtocolError,
    Transcript,
)

GONE = httpx.RemoteProtocolError("peer closed connection")
QUICK = Patience(give_up_after_s=5, first_s=0.001, longest_s=0.002)
ACCOUNT = {
    "tenant": "local",
    "currency": "USD",
    "budget": {
        "timezone": "UTC", "slots": {"interactive": 3, "batch": 2}, "unpriced": "allow",
        "limits": [{"scope": "tenant", "window": "day", "usd": "5", "name": "*", "kind": "hard"}],
    },
    "spent_usd": "1.50",
    "reserved_usd": "0",
}  # fmt: skip


class Scripted:
    """Answers in turn, and keeps what was asked."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.requests = []

    async def __call__(self, request):
        self.requests.append(request)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def client_of(script, *, patience=QUICK):
    transport = httpx.MockTransport(script)
    return Facilitair("http://gateway", request_patience=patience, transport=transport)


class Broken(httpx.AsyncByteStream):
    """Some bytes, and then the connection is gone."""

    def __init__(self, content):
        self._content = content

    async def __aiter__(self):
        yield self._content
        raise GONE


def line(number):
    return json.dumps({"cursor": f"0-{number}-{number}", "seq": number}).encode() + b"\n"


async def test_an_account_has_the_tag_of_its_budget():
    script = Scripted(httpx.Response(200, json=ACCOUNT, headers={"etag": '"t"'}))
    async with client_of(script) as client:
        account = await client.money.account()
    assert (account.etag, account.spent_usd) == ('"t"', Decimal("1.50"))
    assert account.budget.limits == (Limit(scope="tenant", window="day", usd=Decimal(5)),)


async def test_a_budget_is_set_whole_with_its_tag_and_one_key_for_all_tries():
    script = Scripted(
        httpx.ConnectError("gone"), httpx.Response(503, json={}), httpx.Response(200, json=ACCOUNT)
    )
    wanted = Budget(limits=(Limit(scope="tenant", window="month", usd=Decimal("0.10")),))
    async with client_of(script) as client:
        await client.money.set_budget(wanted, etag='"t"', tenant="acme")
    first, _, last = script.requests
    assert first.url.path == "/v1/admin/tenants/acme/budget"
    assert first.headers["if-match"] == '"t"'
    assert first.headers["idempotency-key"] == last.headers["idempotency-key"]
    body = json.loads(last.content)
    assert body["limits"][0]["usd"] == "0.10"
    assert set(body) == {"timezone", "limits", "slots", "unpriced"}


async def test_calls_are_reconciled_exactly():
    script = Scripted(httpx.Response(200, json=ACCOUNT))
    async with client_of(script) as client:
        await client.money.reconcile({"c": Decimal("1E-7")}, reason="r", idempotency_key="k")
    (request,) = script.requests
    assert request.headers["idempotency-key"] == "k"
    corrections = [{"call_id": "c", "cost_usd": "0.0000001"}]
    assert json.loads(request.content) == {
        "corrections": corrections, "reason": "r", "source": "hand",
    }  # fmt: skip


async def test_usage_is_asked_for_by_what_and_when():
    row = {"day": "2026-01-01", "agent": "coder", "charged_usd": "0.1", "calls": 2, "usage": {}}
    report = {"data": [row], "totals": row, "by": ["day", "agent"]}
    script = Scripted(httpx.Response(200, json=report))
    async with client_of(script) as client:
        found = await client.money.usage(("day", "agent"), since=date(2026, 1, 1))
    assert dict(script.requests[0].url.params) == {"by": "day,agent", "since": "2026-01-01"}
    assert (found.data[0].agent, found.data[0].model) == ("coder", None)


async def test_entries_go_on_behind_the_last_whole_line():
    broken = httpx.Response(200, stream=Broken(line(1) + line(2)[:8]))
    away = httpx.Response(503, json={"code": "too_many_exports", "detail": "wait"})
    script = Scripted(broken, away, httpx.Response(200, content=line(2) + line(3)))
    async with client_of(script) as client:
        since = datetime(2026, 1, 1, tzinfo=UTC)
        found = [entry["seq"] async for entry in client.money.entries(since=since)]
    assert found == [1, 2, 3]
    asked = [dict(request.url.params) for request in script.requests]
    assert [one.get("cursor") for one in asked] == [None, "0-1-1", "0-1-1"]
    assert {one["since"] for one in asked} == {"2026-01-01T00:00:00+00:00"}


async def test_the_heading_of_csv_has_no_cursor():
    script = Scripted(httpx.Response(200, content=b"cursor,seq\r\n0-1-1,1\r\n"))
    async with client_of(script) as client:
        lines = [one async for one in client.money.entry_lines("csv")]
    assert [(one.content, one.cursor) for one in lines] == [
        (b"cursor,seq\r\n", None), (b"0-1-1,1\r\n", "0-1-1"),
    ]  # fmt: skip


async def test_entries_that_cannot_be_had_are_told():
    refused = httpx.Response(422, json={"code": "invalid_field", "detail": "'since'"})
    async with client_of(Scripted(refused)) as client:
        with pytest.raises(ApiError, match="since"):
            await anext(client.money.entries())
    impatient = Patience(give_up_after_s=0)
    gone = Scripted(httpx.Response(200, stream=Broken(line(1))))
    async with client_of(gone, patience=impatient) as client:
        entries = client.money.entries()
        assert (await anext(entries))["seq"] == 1
        with pytest.raises(ConnectionLostError) as caught:
            await anext(entries)
    assert caught.value.cursor == "0-1-1"
    async with client_of(Scripted(httpx.Response(200, content=b"{]\n"))) as client:
        with pytest.raises(ProtocolError):
            await anext(client.money.entries())


async def test_a_budget_goes_with_a_submit_and_a_resume():
    submitted = {"id": "c", "status": "accepted", "stream": "/s", "cursor": "start"}
    script = Scripted(httpx.Response(202, json=submitted), httpx.Response(202, json={}))
    async with client_of(script) as client:
        await client.submit("t", workflow="answer", budget=Decimal("2.50"))
        await client.resume("c", "3", client_id="k")
    first, second = (json.loads(request.content) for request in script.requests)
    assert first["budget"] == "2.50"
    assert second == {"action": "resume", "client_id": "k", "budget": "3"}


async def test_an_estimate_is_read_with_its_unknown_cost():
    some = {"low": 1, "likely": 2, "high": 3}
    told = {"workflow": "w", "version": "1", "steps": [], "calls": some, "input_tokens": some}
    script = Scripted(httpx.Response(200, json=told | {"output_tokens": some, "usd": None}))
    async with client_of(script) as client:
        found = await client.estimate("t", workflow="w", models={"a": "p/m"})
    assert (found.usd, found.calls.likely) == (None, 2)
    assert json.loads(script.requests[0].content)["models"] == {"a": "p/m"}


def test_a_paused_transcript_has_not_ended():
    transcript = Transcript()
    fault = {"code": "budget_exceeded", "message": "m"}
    transcript.apply(Event(None, "collaboration.paused", {"seq": 1, "fault": fault}))
    assert (transcript.status, transcript.ended) == ("paused", False)
    refusal = {"code": "limit_reached", "message": "m", "left_usd": "0.1"}
    data = {"seq": 2, "refusal": refusal, "policy": "finish"}
    transcript.apply(Event(None, "budget.refused", data))
    assert transcript.refusal.left_usd == Decimal("0.1")
    transcript.apply(Event(None, "collaboration.failed", {"seq": 3, "fault": fault}))
    assert transcript.ended
