import json
from decimal import Decimal

import httpx
import pytest

from clients.python.tests.scripted_gateway import Gateway, problem
from facilitair_client import (
    ApiError,
    ConnectionLostError,
    Facilitair,
    Patience,
    ProtocolError,
)

QUICK = Patience(give_up_after_s=0.5, first_s=0.001, longest_s=0.002)
ID = "01900000-0000-7000-8000-000000000000"


def client_of(gateway, **more):
    return Facilitair("http://x/", transport=gateway, request_patience=QUICK, **more)


def answer(body, status=200):
    return httpx.Response(status, json=body)


ACCEPTED = {"id": ID, "status": "accepted", "stream": "/s", "cursor": "3-1-0", "later": 1}


async def test_a_submit_sends_what_was_asked_and_a_key():
    gateway = Gateway(answer(ACCEPTED, 202))
    async with client_of(gateway, api_key="k") as client:
        submitted = await client.submit("do", workflow="code", inputs={"a": 1}, models={"b": "m"})
    assert (submitted.id, submitted.cursor) == (ID, "3-1-0")
    request, body = gateway.requests[0]
    assert (request.method, request.url.path) == ("POST", "/v1/collaborations")
    assert json.loads(body) == {
        "task": "do",
        "workflow": "code",
        "inputs": {"a": 1},
        "models": {"b": "m"},
    }
    assert request.headers["authorization"] == "Bearer k"
    assert len(request.headers["idempotency-key"]) >= 16


@pytest.mark.parametrize(
    "failure", [httpx.ConnectError("x"), httpx.ReadTimeout("x"), problem(503, "not_confirmed")]
)
async def test_a_submit_whose_answer_was_lost_is_sent_again_with_the_same_key(failure):
    gateway = Gateway(failure, answer(ACCEPTED, 202))
    async with client_of(gateway) as client:
        assert (await client.submit("do", workflow="code")).id == ID
    keys = [request.headers["idempotency-key"] for request, _ in gateway.requests]
    assert len(keys) == 2
    assert keys[0] == keys[1]


async def test_two_submits_have_two_keys_unless_the_caller_has_one():
    gateway = Gateway(*(answer(ACCEPTED, 202) for _ in range(3)))
    async with client_of(gateway) as client:
        await client.submit("do", workflow="code")
        await client.submit("do", workflow="code")
        await client.submit("do", workflow="code", idempotency_key="mine")
    keys = [request.headers["idempotency-key"] for request, _ in gateway.requests]
    assert len(set(keys)) == 3
    assert keys[2] == "mine"


async def test_a_refusal_is_typed_and_not_repeated():
    errors = [{"code": "unknown_workflow", "message": "no such", "field": "workflow"}]
    gateway = Gateway(problem(422, "unknown_workflow", errors=errors))
    async with client_of(gateway) as client:
        with pytest.raises(ApiError) as caught:
            await client.submit("do", workflow="nope")
    error = caught.value
    assert (error.status, error.code, error.detail) == (
        422,
        "unknown_workflow",
        "it is unknown_workflow",
    )
    assert error.problem["errors"] == errors
    assert len(gateway.requests) == 1


async def test_a_server_that_stays_busy_is_told_as_its_answer():
    async with client_of(Gateway(*(problem(503, "not_ready") for _ in range(2000)))) as client:
        with pytest.raises(ApiError, match="not_ready"):
            await client.get(ID)


async def test_a_server_that_is_not_there_is_told():
    async with client_of(Gateway()) as client:
        with pytest.raises(ConnectionLostError, match="http://x"):
            await client.get(ID)


async def test_an_error_that_is_not_from_us_is_told_too():
    gateway = Gateway(httpx.Response(418, content=b"<html>teapot</html>"))
    async with client_of(gateway) as client:
        with pytest.raises(ApiError, match="teapot") as caught:
            await client.get(ID)
    assert caught.value.code == "http_error"


async def test_a_collaboration_is_typed():
    text = {"size": 2, "text": {"k": None, "v": "do"}, "artifact": None}
    totals = {"usage": {"input_tokens": 3}, "calls": 1, "cost_usd": "0.10", "simulated": True}
    step = {"path": "coder", "step": "coder", "status": "running", "totals": totals}
    body = {
        "id": ID,
        "status": "running",
        "workflow": "code",
        "workflow_version": "abc",
        "project": "default",
        "actor": "local",
        "task": text,
        "created_at": "2026-01-01T00:00:00Z",
        "updated_at": "2026-01-01T00:00:01Z",
        "steps": [step],
        "totals": totals,
        "last_seq": 4,
    }
    async with client_of(Gateway(answer(body))) as client:
        found = await client.get(ID)
    assert found.task.inline == "do"
    assert found.totals.cost_usd == Decimal("0.10")
    assert found.steps[0].path == "coder"
    assert not found.ended


async def test_an_answer_of_another_shape_is_told():
    async with client_of(Gateway(answer({"id": 1}))) as client:
        with pytest.raises(ProtocolError):
            await client.get(ID)


async def test_all_pages_are_read():
    gateway = Gateway(
        answer({"data": [{"name": "a", "version": "1"}], "has_more": True, "next_cursor": "a"}),
        answer({"data": [{"name": "b", "version": "2", "x": 1}], "has_more": False}),
    )
    async with client_of(gateway) as client:
        assert [workflow.name for workflow in await client.workflows()] == ["a", "b"]
    assert [dict(request.url.params) for request, _ in gateway.requests] == [{}, {"cursor": "a"}]


async def test_a_row_of_another_shape_is_told():
    async with client_of(Gateway(answer({"data": [{"nam": "a"}]}))) as client:
        with pytest.raises(ProtocolError):
            await client.agents()


async def test_events_are_those_of_the_stream():
    row = {"id": "3-1-1", "kind": "step.scheduled", "data": {"seq": 1}}
    async with client_of(Gateway(answer({"data": [row]}))) as client:
        (event,) = await client.events(ID)
    assert (event.id, event.kind, event.seq) == ("3-1-1", "step.scheduled", 1)


async def test_a_repeated_cancel_is_one_wish():
    gateway = Gateway(httpx.ReadError("x"), answer({"status": "cancelling"}, 202))
    async with client_of(gateway) as client:
        await client.cancel(ID, "enough")
    bodies = [json.loads(body) for _, body in gateway.requests]
    assert bodies[0] == bodies[1]
    assert (bodies[0]["action"], bodies[0]["reason"]) == ("cancel", "enough")


async def test_an_id_is_only_ever_one_part_of_a_path():
    gateway = Gateway(problem(404, "not_found"))
    async with client_of(gateway) as client:
        with pytest.raises(ApiError):
            await client.get("../admin?x=1")
    assert gateway.requests[0][0].url.raw_path == b"/v1/collaborations/..%2Fadmin%3Fx%3D1"
