from decimal import Decimal

import httpx
import msgspec
import pytest

from facilitair_events.collaboration import Totals
from facilitair_events.definitions import Definition, Step
from facilitair_events.envelope import instant
from facilitair_events.replies import CallView, CollaborationView, RequestAnswered
from facilitair_events.text import inline
from facilitair_gateway.costs import cost_body
from facilitair_gateway.errors import ConflictError, RequestFaultsError
from facilitair_gateway.principal import Principal
from facilitair_gateway.submission import Submission, body_digest, check_answer, requested
from facilitair_runtime.artifacts import DirectoryArtifacts

WHO = Principal(tenant="local", actor="me")


def definition(size: int) -> Definition:
    step = Step(id="a", agent="a", input="x" * size)
    return Definition(
        workflow="w", version="1", digest="d", description="", steps=(step,), agents={}, output="a"
    )


async def record(tmp_path, *, size: int):
    submission = Submission(
        collaboration="c-1", task="do", inputs={}, project="p", priority="batch", body_digest="b"
    )
    return await requested(
        submission,
        principal=WHO,
        definition=definition(size),
        logic=3,
        stream_start=7,
        artifacts=DirectoryArtifacts(tmp_path),
        policy={"reserve": "off"},
    )


async def test_r10_a_definition_travels_inline_up_to_64_kib(tmp_path) -> None:
    built = await record(tmp_path, size=60_000)
    assert built.definition == definition(60_000)
    assert built.definition_artifact is None
    assert (built.logic, built.stream_start, built.actor) == (3, 7, "me")


async def test_r10_a_larger_definition_travels_as_an_artifact(tmp_path) -> None:
    built = await record(tmp_path, size=70_000)
    assert built.definition is None
    content = await DirectoryArtifacts(tmp_path).get(built.definition_artifact)
    assert msgspec.json.decode(content, type=Definition) == definition(70_000)


def test_r15_the_digest_is_of_the_content_not_of_its_spelling() -> None:
    assert body_digest({"a": 1, "b": {"c": 2, "d": 3}}) == body_digest(
        {"b": {"d": 3, "c": 2}, "a": 1}
    )
    assert body_digest({"a": 1}) != body_digest({"a": "1"})
    assert body_digest({"a": [1, 2]}) != body_digest({"a": [2, 1]})


def test_only_a_yes_is_a_yes() -> None:
    def answer(outcome: str) -> RequestAnswered:
        return RequestAnswered(correlation="r", collaboration="c", outcome=outcome)

    check_answer(answer("accepted"))
    check_answer(answer("duplicate"))
    with pytest.raises(ConflictError):
        check_answer(answer("conflict"))
    with pytest.raises(RequestFaultsError):
        check_answer(answer("refused"))


def test_one_unknown_price_makes_the_sum_unknown_and_no_other() -> None:
    def call(agent: str, cost: str | None) -> CallView:
        amount = None if cost is None else Decimal(cost)
        totals = Totals(calls=1, cost_usd=amount, simulated=cost == "0.20")
        return CallView(
            call_id=agent, path=agent, attempt=1, outcome="completed", totals=totals, agent=agent,
            model="m",
        )  # fmt: skip

    view = CollaborationView(
        id="c", status="running", workflow="w", workflow_version="1", project="p", actor="a",
        task=inline("t"), created_at=instant(0), updated_at=instant(0),
        calls=(call("x", "0.10"), call("x", "0.20"), call("y", None)),
    )  # fmt: skip
    body = cost_body(view)
    agents = {row["agent"]: row for row in body["agents"]}
    assert (agents["x"]["cost_usd"], agents["x"]["calls"]) == ("0.30", 2)
    assert agents["x"]["simulated"] is True
    assert agents["y"]["cost_usd"] is None
    assert body["models"][0]["cost_usd"] is None


async def test_the_limits_of_a_request_are_settings(start, tmp_path, act) -> None:
    async with (
        act(),
        start(tmp_path, max_task_bytes=10, max_body_bytes=1024) as gateway,
        httpx.AsyncClient(base_url=gateway.url, timeout=60) as http,
    ):

        async def submit(size: int) -> tuple[int, str]:
            response = await http.post("/v1/collaborations", json={"task": "x" * size})
            return response.status_code, response.json().get("code", "")

        assert await submit(10) == (202, "")
        assert await submit(11) == (413, "task_too_large")
        assert await submit(1024) == (413, "body_too_large")
