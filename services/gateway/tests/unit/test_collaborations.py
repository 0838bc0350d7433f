import asyncio
import json
from decimal import Decimal

import pytest

from facilitair_events.envelope import from_headers
from facilitair_events.ids import collaboration_id
from facilitair_events.requests import CollaborationRequested
from facilitair_events.topics import COLLABORATION_INBOX
from facilitair_testing.eventually import eventually
from facilitair_workflows.decide import KNOWN_LOGIC

JOB = {"task": "Write a prime checker."}


async def test_a_submit_is_accepted_with_an_id_and_a_cursor_from_before_its_first_event(
    http, orchestrator
) -> None:
    response = await http.post("/v1/collaborations", json=JOB)
    assert response.status_code == 202
    body = response.json()
    assert body["status"] == "running"
    assert body["stream"] == f"/v1/collaborations/{body['id']}/stream"
    assert response.headers["location"] == f"/v1/collaborations/{body['id']}"
    assert body["cursor"].endswith("-0-0")
    assert body["id"][14] == "7"


async def test_i1_what_was_accepted_is_in_the_log_with_its_whole_definition(
    http, orchestrator, stage
) -> None:
    body = JOB | {"project": "p1", "priority": "batch"}
    ident = (await http.post("/v1/collaborations", json=body)).json()["id"]
    (request,) = await stage.inbox()
    assert isinstance(request, CollaborationRequested)
    assert (request.collaboration, request.project, request.priority) == (ident, "p1", "batch")
    assert request.task.text.v == JOB["task"]
    assert request.logic == KNOWN_LOGIC
    assert request.stream_start == 0
    assert request.definition.workflow == "code"
    assert set(request.definition.agents) >= {"architect", "coder", "reviewer", "documenter"}
    models = request.definition.agents["coder"].models
    assert [(model.provider, model.name) for model in models] == [("simulator", "simulated")]


async def test_i2_the_same_key_and_body_is_the_same_collaboration(http, orchestrator) -> None:
    headers = {"idempotency-key": "k-1"}
    first = await http.post("/v1/collaborations", json=JOB, headers=headers)
    reordered = json.dumps({"workflow": "code", **JOB}, indent=3)
    other = await http.post("/v1/collaborations", content=reordered, headers=headers)
    again = await http.post(
        "/v1/collaborations", content=json.dumps(JOB, indent=9), headers=headers
    )
    assert first.status_code == again.status_code == 202
    assert first.json() == again.json()
    assert first.json()["id"] == collaboration_id("local", "k-1")
    # The digest is of what the client wrote: spelling out a default is another body.
    assert other.status_code == 409


async def test_i2_the_same_key_with_another_body_is_a_conflict(http, orchestrator) -> None:
    headers = {"idempotency-key": "k-1"}
    await http.post("/v1/collaborations", json=JOB, headers=headers)
    response = await http.post("/v1/collaborations", json={"task": "Else"}, headers=headers)
    assert response.status_code == 409
    problem = response.json()
    assert problem["code"] == "idempotency_conflict"
    assert "new key" in problem["detail"]


async def test_i2_concurrent_submits_with_one_key_make_one_collaboration(
    http, orchestrator
) -> None:
    headers = {"idempotency-key": "k-2"}
    answers = await asyncio.gather(
        *(http.post("/v1/collaborations", json=JOB, headers=headers) for _ in range(10))
    )
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.text for answer in answers}) == 1
    assert len(orchestrator.states) == 1


@pytest.mark.usefixtures("unanswered")
async def test_r15_without_an_orchestrator_the_request_is_queued_and_not_lost(
    http, stage, act
) -> None:
    response = await http.post("/v1/collaborations", json=JOB)
    assert response.status_code == 202
    queued = response.json()
    assert (queued["status"], queued["cursor"]) == ("queued", "start")
    assert (await http.get(f"/v1/collaborations/{queued['id']}")).status_code == 503
    assert len(await stage.inbox()) == 2
    path = f"/v1/collaborations/{queued['id']}"

    async def runs() -> bool:
        answer = await http.get(path)
        return answer.status_code == 200 and answer.json()["status"] == "running"

    async with act():
        await eventually(runs, what="the queued collaboration to run")


async def test_a_long_task_is_inline_and_stored_and_a_very_long_one_only_stored(
    submit, stage, tmp_path
) -> None:
    for size in (20_000, 200_000):
        await submit("x" * size)
    middle, long = await stage.inbox()
    if middle.task.size > long.task.size:
        middle, long = long, middle
    assert middle.task.text.v == "x" * 20_000
    assert long.task.text is None
    for text in (middle.task, long.task):
        stored = tmp_path / "artifacts" / text.artifact.uri.removeprefix("artifact:")
        assert stored.read_bytes() == b"x" * text.size


async def test_describe_shows_every_field_also_those_that_are_unknown(submit, http) -> None:
    ident = (await submit())["id"]
    body = (await http.get(f"/v1/collaborations/{ident}")).json()
    assert body["status"] == "running"
    assert body["workflow"] == "code"
    assert body["task"] == {"size": 6, "text": {"k": None, "v": "Do it."}, "artifact": None}
    assert body["totals"]["calls"] == 0
    assert body["fault"] is None
    assert body["last_seq"] >= 1
    assert body["steps"][0]["step"] == "architect"
    assert body["steps"][0]["status"] == "running"
    assert "calls" not in body


async def test_cost_is_shown_by_step_agent_model_and_call(submit, http, stage) -> None:
    ident = (await submit())["id"]
    await stage.report(ident, "architect", "plan", cost_usd=Decimal("0.0125"), simulated=True)

    async def settled() -> dict[str, object] | None:
        body = (await http.get(f"/v1/collaborations/{ident}/cost")).json()
        return body if body["totals"]["calls"] else None

    body = await eventually(settled, what="the call to count")
    assert body["currency"] == "USD"
    assert body["totals"]["cost_usd"] == "0.0125"
    assert body["totals"]["usage"]["input_tokens"] == 10
    assert body["totals"]["simulated"] is True
    assert [step["step"] for step in body["steps"]] == ["architect"]
    assert [(row["agent"], row["cost_usd"]) for row in body["agents"]] == [("architect", "0.0125")]
    assert [(row["model"], row["calls"]) for row in body["models"]] == [("simulated", 1)]
    (call,) = body["calls"]
    assert (call["outcome"], call["cost_usd"]) == ("completed", "0.0125")


async def test_a_cost_without_a_known_price_is_null_and_never_zero(submit, http, stage) -> None:
    ident = (await submit())["id"]
    await stage.report(ident, "architect", "plan")

    async def settled() -> dict[str, object] | None:
        body = (await http.get(f"/v1/collaborations/{ident}/cost")).json()
        return body if body["totals"]["calls"] else None

    body = await eventually(settled, what="the call to count")
    assert body["totals"]["cost_usd"] is None
    assert body["models"][0]["cost_usd"] is None


@pytest.mark.usefixtures("unanswered")
async def test_the_trace_of_a_request_goes_on_in_its_record(http, stage) -> None:
    trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    for sent in (trace, "garbage"):
        await http.post("/v1/collaborations", json=JOB, headers={"traceparent": sent})
    records = await stage.records(COLLABORATION_INBOX)
    assert sorted(from_headers(r.headers).traceparent or "" for r in records) == ["", trace]


async def test_cancel_is_accepted_once_and_ends_the_collaboration(submit, http) -> None:
    ident = (await submit())["id"]
    path = f"/v1/collaborations/{ident}/control"
    wish = {"action": "cancel", "reason": "enough", "client_id": "c-1"}
    first = await http.post(path, json=wish)
    assert first.status_code == 202
    assert first.json()["client_id"] == "c-1"
    assert first.json()["status"] in {"cancelling", "cancelled"}
    again = await http.post(path, json=wish)
    assert again.status_code == 202
    other = await http.post(path, json={"action": "cancel"})
    assert other.status_code == 409
    assert other.json()["code"] == "already_ending"


@pytest.mark.usefixtures("unanswered")
async def test_r15_a_cancel_that_nobody_answers_is_queued(http) -> None:
    path = "/v1/collaborations/018f0000-0000-7000-8000-000000000000/control"
    response = await http.post(path, json={"action": "cancel"})
    assert (response.status_code, response.json()["status"]) == (202, "queued")


@pytest.mark.parametrize("what", ["", "/events", "/cost", "/stream"])
async def test_an_unknown_id_is_404(http, orchestrator, what: str) -> None:
    response = await http.get(f"/v1/collaborations/018f0000-0000-7000-8000-000000000000{what}")
    assert response.status_code == 404
    assert response.json()["error"]["type"] == "not_found_error"


async def test_an_unknown_id_cannot_be_cancelled(http, orchestrator) -> None:
    path = "/v1/collaborations/018f0000-0000-7000-8000-000000000000/control"
    assert (await http.post(path, json={"action": "cancel"})).status_code == 404


@pytest.mark.parametrize("ident", ["x", "..", "local:c", "018F0000-0000-7000-8000-000000000000"])
@pytest.mark.parametrize("what", ["", "/stream"])
async def test_a_malformed_id_is_404_and_reaches_no_topic(
    http, stage, ident: str, what: str
) -> None:
    before = await stage.sizes()
    assert (await http.get(f"/v1/collaborations/{ident}{what}")).status_code == 404
    assert await stage.sizes() == before
