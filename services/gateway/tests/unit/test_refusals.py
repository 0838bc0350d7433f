"""Everything a client can do wrong: a clear 4xx, and no topic grows that need not."""

import json

import httpx
import pytest
from structlog.testing import capture_logs

GROWING = {"collaboration-inbox", "query-replies", "collaboration-state"}
UNKNOWN = "/v1/collaborations/018f0000-0000-7000-8000-000000000000"


WRONG_FIELDS = [
    ({}, "missing_field", "task"),
    ({"task": 7}, "invalid_field", "task"),
    ({"task": None}, "invalid_field", "task"),
    ({"task": ""}, "task_empty", "task"),
    ({"task": "x", "workflow": "nope"}, "unknown_workflow", "workflow"),
    ({"task": "x", "workflow": ["code"]}, "invalid_field", "workflow"),
    ({"task": "x", "workflow": "code@never"}, "unknown_workflow", "workflow"),
    ({"task": "x", "inputs": []}, "invalid_field", "inputs"),
    ({"task": "x", "models": {"coder": 3}}, "invalid_field", "models.coder"),
    ({"task": "x", "models": {"codr": "openai/gpt-4.1"}}, "unknown_agent", "models.codr"),
    ({"task": "x", "models": {"coder": "gpt-4.1"}}, "unknown_model", "models.coder"),
    ({"task": "x", "tenant": "other"}, "unknown_field", "tenant"),
    ([], "body_not_object", None),
    ("task", "body_not_object", None),
]
MALFORMED = (
    b"",
    b"{",
    b"nonsense",
    b'{"task": "x"',
    b'{"task": "\xff"}',
    b"[" * 100_000,
    b'{"a": NaN}',
)
NOT_THERE = [
    ("GET", "/", 404, "not_found"),
    ("GET", "/v1/nothing", 404, "not_found"),
    ("GET", "/v1/collaborations/", 404, "not_found"),
    ("DELETE", "/v1/collaborations", 405, "method_not_allowed"),
    ("PUT", UNKNOWN, 405, "method_not_allowed"),
    ("POST", f"{UNKNOWN}/stream", 405, "method_not_allowed"),
    ("GET", f"{UNKNOWN}/control", 405, "method_not_allowed"),
]
WRONG_CONTROLS = [
    ({}, "action"),
    ({"action": "explode"}, "action"),
    ({"action": "cancel", "reason": "x" * 1001}, "reason"),
    ({"action": "cancel", "client_id": ""}, "client_id"),
    ({"action": "cancel", "client_id": "a\nb"}, "client_id"),
    ({"action": "cancel", "extra": 1}, "extra"),
]


def check_problem(response: httpx.Response, *, status: int) -> dict:
    """The parts that every problem has."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    problem = response.json()
    assert problem["status"] == status
    assert problem["type"] == f"urn:facilitair:problem:{problem['code']}"
    assert problem["title"]
    assert problem["detail"]
    assert problem["instance"] == response.request.url.path
    assert problem["error"]["code"] == problem["code"]
    assert problem["error"]["message"] == problem["detail"]
    assert "Traceback" not in response.text
    return problem


def codes(problem: dict) -> set[tuple[str, str]]:
    return {(fault["code"], fault["field"]) for fault in problem["errors"]}


@pytest.mark.parametrize("inner", [True, False])
async def test_a_request_with_very_many_faults_gets_a_short_answer(http, inner) -> None:
    wrong = {f"{number}{'x' * 400}": 5 for number in range(500)}
    body = {"task": "x", "workflow": "answer"} | ({"models": wrong} if inner else wrong)
    response = await http.post("/v1/collaborations", json=body)
    problem = check_problem(response, status=422)
    assert len(problem["errors"]) == 20
    assert len(response.content) < 50_000


async def test_all_faults_of_a_request_are_told_at_once(http) -> None:
    body = {
        "task": " ",
        "workflow": "coed",
        "project": "No!",
        "priority": "urgent",
        "modells": {},
    }
    headers = {"idempotency-key": "k" * 256}
    response = await http.post("/v1/collaborations", json=body, headers=headers)
    problem = check_problem(response, status=422)
    assert codes(problem) == {
        ("task_empty", "task"),
        ("unknown_workflow", "workflow"),
        ("invalid_field", "project"),
        ("invalid_field", "priority"),
        ("unknown_field", "modells"),
        ("invalid_field", "Idempotency-Key"),
    }
    assert problem["code"] == "request_invalid"
    told = {fault["field"]: fault["message"] for fault in problem["errors"]}
    assert "code" in told["workflow"]
    assert "did you mean 'models'?" in told["modells"]


async def test_a_wrong_field_is_422_and_named(http) -> None:
    for body, code, field in WRONG_FIELDS:
        problem = check_problem(await http.post("/v1/collaborations", json=body), status=422)
        assert codes(problem) == {(code, field)}, body
        assert problem["code"] == code
        assert problem["error"]["param"] == field


async def test_malformed_json_is_400(http) -> None:
    for content in MALFORMED:
        problem = check_problem(await http.post("/v1/collaborations", content=content), status=400)
        assert problem["code"] == "body_malformed", content[:20]


async def test_a_task_of_ten_megabytes_is_413(http) -> None:
    response = await http.post("/v1/collaborations", json={"task": "x" * 10_000_000})
    problem = check_problem(response, status=413)
    assert problem["code"] == "body_too_large"
    assert (await http.get("/v1/workflows")).status_code == 200


async def test_a_body_without_a_length_is_cut_off_at_the_limit(http) -> None:
    sent = 0

    async def endless():
        nonlocal sent
        yield b'{"task": "'
        for _ in range(160):
            sent += 1
            yield b"x" * 65536

    response = await http.post("/v1/collaborations", content=endless())
    assert check_problem(response, status=413)["code"] == "body_too_large"


async def test_a_task_over_its_own_limit_is_413_and_says_the_limit(http) -> None:
    response = await http.post("/v1/collaborations", json={"task": "x" * 1_048_577})
    problem = check_problem(response, status=413)
    assert problem["code"] == "task_too_large"
    assert "1048576" in problem["detail"]


async def test_inputs_over_their_limit_are_413(http) -> None:
    body = {"task": "x", "inputs": {"text": "y" * 70_000}}
    problem = check_problem(await http.post("/v1/collaborations", json=body), status=413)
    assert problem["code"] == "inputs_too_large"


async def test_a_number_that_no_record_can_hold_is_422(http, orchestrator) -> None:
    content = b'{"task": "x", "inputs": {"n": ' + b"9" * 400 + b"}}"
    response = await http.post("/v1/collaborations", content=content)
    assert response.status_code in {202, 422}
    if response.status_code == 422:
        check_problem(response, status=422)


async def test_what_is_not_there_is_a_problem_too(http) -> None:
    for method, path, status, code in NOT_THERE:
        response = await http.request(method, path)
        assert check_problem(response, status=status)["code"] == code, path
        assert (status == 405) == ("allow" in response.headers)


async def test_a_wrong_control_request_is_422(http) -> None:
    for body, field in WRONG_CONTROLS:
        problem = check_problem(await http.post(f"{UNKNOWN}/control", json=body), status=422)
        assert [fault["field"] for fault in problem["errors"]] == [field]


async def test_a_limit_that_is_no_number_is_422(http) -> None:
    for limit in ("0", "-1", "x", "1e3", "9" * 30, "\u0663"):
        response = await http.get("/v1/workflows", params={"limit": limit})
        assert check_problem(response, status=422)["error"]["param"] == "limit"


async def test_bad_input_grows_no_topic(http, stage, orchestrator) -> None:
    before = await stage.sizes()
    bodies = ({}, {"task": ""}, {"task": "x", "workflow": "nope"}, {"task": "x", "a": 1}, [])
    for body in bodies:
        await http.post("/v1/collaborations", json=body)
    await http.post("/v1/collaborations", content=b"{")
    await http.post("/v1/collaborations", json={"task": "x" * 2_000_000})
    await http.get("/v1/collaborations/nonsense/stream")
    assert await stage.sizes() == before
    for path in (UNKNOWN, f"{UNKNOWN}/stream?cursor=1-0-0", f"{UNKNOWN}/events"):
        assert (await http.get(path)).status_code == 404
    await http.post(f"{UNKNOWN}/control", json={"action": "cancel"})
    after = await stage.sizes()
    assert {topic for topic in after if after[topic] != before[topic]} <= GROWING


async def test_an_error_nobody_expected_is_a_500_that_tells_nothing(gateway, http) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("secret")

    gateway.hub.log_end = fail
    with capture_logs() as lines:
        response = await http.post("/v1/collaborations", json={"task": "x"})
    assert [line["event"] for line in lines if line["log_level"] == "error"] == ["request failed"]
    problem = check_problem(response, status=500)
    assert problem["code"] == "internal"
    assert problem["error"]["type"] == "server_error"
    assert "secret" not in json.dumps(problem)
    assert (await http.get("/v1/workflows")).status_code == 200
