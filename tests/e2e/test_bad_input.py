"""Bad input is refused at the edge, in clear words, and leaves nothing behind."""

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import pytest_asyncio

from facilitair_testing.eventually import eventually
from facilitair_testing.fleet import FleetSystem
from facilitair_testing.patient_http import patient
from facilitair_testing.solo import SoloProcess

pytestmark = [pytest.mark.integration, pytest.mark.asyncio(loop_scope="module")]

System = SoloProcess | FleetSystem

HUGE = "x" * (10 * 1024 * 1024)
UNKNOWN_ID = "01900000-0000-7000-8000-000000000000"

BODIES: list[tuple[str, bytes, int]] = [
    ("unknown workflow", b'{"task": "x", "workflow": "cod"}', 422),
    ("empty task", b'{"task": ""}', 422),
    ("blank task", b'{"task": "  \\n"}', 422),
    ("10 MB task", json.dumps({"task": HUGE}).encode(), 413),
    ("malformed JSON", b'{"task": ', 400),
    ("no object", b"[1, 2]", 422),
    ("unknown field", b'{"task": "x", "workflo": "code"}', 422),
    ("wrong types", b'{"task": 1, "inputs": [], "models": {"coder": 2}}', 422),
    ("unknown agent", b'{"task": "x", "models": {"codr": "simulator/simulated"}}', 422),
    ("not UTF-8", b'{"task": "\xff"}', 400),
    ("not finite", b'{"task": "x", "inputs": {"a": NaN}}', 400),
    ("lone surrogate", b'{"task": "\\ud800"}', 400),
]


def problem(response: httpx.Response) -> dict[str, Any]:
    assert response.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = response.json()
    assert {"type", "title", "status", "detail", "error"} <= set(body)
    assert body["status"] == response.status_code
    assert body["error"]["message"]
    assert "Traceback" not in response.text
    return body


@pytest_asyncio.fixture(loop_scope="module")
async def http(shared_system: System) -> AsyncIterator[httpx.AsyncClient]:
    async with patient(shared_system.url) as client:
        yield client


async def topic_sizes(http: httpx.AsyncClient) -> dict[str, int]:
    """How many records were ever appended to each topic; asking appends none."""
    response = await http.get("/v1/admin/topics", params={"limit": 100})
    return {topic["name"]: topic["records"] for topic in response.json()["data"]}


@pytest.mark.parametrize(("body", "status"), [b[1:] for b in BODIES], ids=[b[0] for b in BODIES])
async def test_a_bad_body_is_refused_and_nothing_starts(
    shared_system: System, http: httpx.AsyncClient, body: bytes, status: int
) -> None:
    headers = {"content-type": "application/json"}

    async def nothing_starts() -> bool:
        """Earlier work may still be written, and is over some time."""
        before, asked = await topic_sizes(http), len(shared_system.requests())
        response = await http.post("/v1/collaborations", content=body, headers=headers)
        problem(response)
        refused = response.status_code == status
        after = await topic_sizes(http)
        return refused and (after, len(shared_system.requests())) == (before, asked)

    await eventually(nothing_starts, what="a refusal after which nothing was written")


async def test_a_good_body_makes_the_log_grow(http: httpx.AsyncClient) -> None:
    before = await topic_sizes(http)
    response = await http.post("/v1/collaborations", json={"task": "x", "workflow": "answer"})
    assert response.status_code == 202
    assert (await topic_sizes(http))["collaboration-inbox"] > before["collaboration-inbox"]


async def test_an_unknown_workflow_is_told_what_there_is(http: httpx.AsyncClient) -> None:
    response = await http.post("/v1/collaborations", json={"task": "x", "workflow": "cod"})
    assert "code" in json.dumps(problem(response)["errors"])


@pytest.mark.parametrize(
    ("path", "status"),
    [
        (f"/v1/collaborations/{UNKNOWN_ID}", 404),
        (f"/v1/collaborations/{UNKNOWN_ID}/events", 404),
        (f"/v1/collaborations/{UNKNOWN_ID}/cost", 404),
        (f"/v1/collaborations/{UNKNOWN_ID}/stream", 404),
        ("/v1/collaborations/..%2f..%2fetc", 404),
        ("/v1/collaborations/NOPE", 404),
        ("/v1/nothing", 404),
    ],
)
async def test_an_unknown_thing_is_404(http: httpx.AsyncClient, path: str, status: int) -> None:
    response = await http.get(path)
    assert response.status_code == status
    problem(response)


@pytest.mark.parametrize(
    "cursor", ["nonsense", "0-0", "99-0-0", "0--1-0", "0-999999-0", "x" * 9999]
)
async def test_a_bad_cursor_is_400(http: httpx.AsyncClient, cursor: str) -> None:
    submitted = (
        await http.post("/v1/collaborations", json={"task": "x", "workflow": "answer"})
    ).json()
    response = await http.get(submitted["stream"], params={"cursor": cursor})
    assert response.status_code == 400
    problem(response)


async def test_a_cursor_of_another_collaboration_shows_nothing_of_it(
    http: httpx.AsyncClient,
) -> None:
    ids = []
    for _ in range(2):
        posted = await http.post("/v1/collaborations", json={"task": "x", "workflow": "answer"})
        ids.append(posted.json()["id"])
    other = await http.get(f"/v1/collaborations/{ids[0]}/stream")
    last = next(line[4:] for line in other.text.splitlines() if line.startswith("id: "))
    response = await http.get(
        f"/v1/collaborations/{ids[1]}/stream", headers={"last-event-id": last}
    )
    assert response.status_code == 400
    problem(response)


async def test_i02_the_same_key_gives_the_same_collaboration_and_another_body_a_conflict(
    http: httpx.AsyncClient,
) -> None:
    async def post(task: str) -> httpx.Response:
        body = {"task": task, "workflow": "answer"}
        return await http.post("/v1/collaborations", json=body, headers={"idempotency-key": "k1"})

    async def refused() -> httpx.Response | None:
        """Where the answer comes too late it is 202, queued."""
        answer = await post("y")
        return answer if answer.status_code != 202 else None

    first, again = await post("x"), await post("x")
    other = await eventually(refused, what="an answer that is no 202")
    assert other is not None
    assert (first.status_code, again.status_code, other.status_code) == (202, 202, 409)
    assert first.json()["id"] == again.json()["id"]
    problem(other)


async def test_wrong_methods_and_control_actions_are_refused(http: httpx.AsyncClient) -> None:
    assert (await http.delete("/v1/collaborations")).status_code == 405
    response = await http.post(
        f"/v1/collaborations/{UNKNOWN_ID}/control", json={"action": "explode"}
    )
    assert response.status_code == 422
    problem(response)
    response = await http.post(
        f"/v1/collaborations/{UNKNOWN_ID}/control", json={"action": "cancel"}
    )
    assert response.status_code == 404
