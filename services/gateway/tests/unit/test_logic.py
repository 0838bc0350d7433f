"""R9: requests are stamped with the active version of the reducer, which only ever rises."""

import asyncio

import httpx
import pytest

from facilitair_events.topics import CATALOG
from facilitair_gateway import app
from facilitair_gateway.settings import PolicyGroup
from facilitair_messaging.adapters.embedded.appends import EmbeddedProducer

PATH = "/v1/admin/logic"


@pytest.fixture
def newer(monkeypatch) -> None:
    """A gateway that knows version 3."""
    monkeypatch.setattr(app, "KNOWN_LOGIC", 3)


@pytest.fixture
async def older(start, tmp_path, monkeypatch) -> None:
    """A catalog of the time when version 1 was the newest."""
    with monkeypatch.context() as then:
        then.setattr(app, "KNOWN_LOGIC", 1)
        async with start(tmp_path):
            pass


@pytest.fixture
async def upgraded(older, newer, start, tmp_path):
    async with (
        start(tmp_path, request_timeout_s=2.5, policy=PolicyGroup(reserve="required")) as gateway,
        httpx.AsyncClient(base_url=gateway.url, timeout=60) as client,
    ):
        yield client


async def stamped(http: httpx.AsyncClient, stage) -> int:
    answer = await http.post("/v1/collaborations", json={"task": "Do it."})
    assert answer.status_code == 202
    [request] = [r for r in await stage.inbox() if r.collaboration == answer.json()["id"]]
    logic: int = request.logic
    return logic


async def test_r9_a_request_is_stamped_with_the_active_version(upgraded, stage) -> None:
    assert (await upgraded.get(PATH)).json() == {"active": 1, "known": 3}
    assert await stamped(upgraded, stage) == 1
    raised = await upgraded.put(PATH, json={"version": 3})
    assert (raised.status_code, raised.json()) == (200, {"active": 3, "known": 3})
    assert await stamped(upgraded, stage) == 3


async def test_r9_it_is_never_lowered(upgraded) -> None:
    await upgraded.put(PATH, json={"version": 2})
    refused = await upgraded.put(PATH, json={"version": 1})
    assert refused.status_code == 409
    assert refused.json()["code"] == "logic_lowered"
    assert "never lowered" in refused.json()["detail"]
    assert (await upgraded.get(PATH)).json()["active"] == 2


async def test_r9_nor_raised_over_what_the_gateway_knows(upgraded, stage) -> None:
    refused = await upgraded.put(PATH, json={"version": 4})
    assert refused.status_code == 409
    assert refused.json()["code"] == "logic_unknown"
    assert "upgrade every orchestrator" in refused.json()["detail"]
    assert await stamped(upgraded, stage) == 1


async def test_r9_the_active_version_again_writes_nothing(upgraded, stage) -> None:
    before = len(await stage.records(CATALOG))
    assert (await upgraded.put(PATH, json={"version": 1})).json()["active"] == 1
    assert len(await stage.records(CATALOG)) == before


async def test_r9_a_fresh_system_starts_at_the_newest_version(
    newer, start, tmp_path, stage
) -> None:
    async with (
        start(tmp_path, request_timeout_s=2.5) as first,
        httpx.AsyncClient(base_url=first.url, timeout=60) as http,
    ):
        assert (await http.get(PATH)).json() == {"active": 3, "known": 3}
        assert await stamped(http, stage) == 3


async def test_r9_the_version_is_kept_by_the_log_and_by_gateways_that_start_later(
    older, newer, start, tmp_path
) -> None:
    async with (
        start(tmp_path, request_timeout_s=2.5) as first,
        httpx.AsyncClient(base_url=first.url, timeout=60) as http,
    ):
        assert (await http.put(PATH, json={"version": 2})).status_code == 200
    async with (
        start(tmp_path) as second,
        httpx.AsyncClient(base_url=second.url, timeout=60) as http,
    ):
        assert (await http.get(PATH)).json() == {"active": 2, "known": 3}


@pytest.mark.parametrize("body", [{}, {"version": 0}, {"version": "2"}, {"version": 1, "x": 1}, 1])
async def test_what_is_no_version_is_refused(upgraded, body) -> None:
    assert (await upgraded.put(PATH, json=body)).status_code == 422


async def test_a_version_that_the_log_does_not_confirm_is_not_told_as_active(
    upgraded, monkeypatch
) -> None:
    never = asyncio.Event()
    monkeypatch.setattr(EmbeddedProducer, "send", lambda *_args: never.wait())
    answer = await upgraded.put(PATH, json={"version": 2})
    assert answer.status_code == 503
    assert (await upgraded.get(PATH)).json()["active"] == 1


async def test_whoever_sets_a_budget_that_an_old_logic_does_not_keep_is_told(
    upgraded, accountant
) -> None:
    wanted = {"limits": [{"scope": "tenant", "window": "day", "usd": 1}]}
    for answer in (
        await upgraded.put("/v1/budget", json=wanted),
        await upgraded.get("/v1/budget"),
    ):
        assert answer.status_code == 200, answer.text
        (warning,) = answer.json()["warnings"]
        assert warning["code"] == "logic_without_money"
        assert warning["message"].endswith(": facilitair logic activate 3")
    await upgraded.put(PATH, json={"version": 3})
    assert (await upgraded.get("/v1/budget")).json()["warnings"] == []


async def test_a_request_is_refused_whose_budget_an_old_logic_would_not_keep(
    upgraded, accountant
) -> None:
    wanted = {"task": "Do it.", "budget": 1}
    refused = await upgraded.post("/v1/collaborations", json=wanted)
    assert (refused.status_code, refused.json()["code"]) == (409, "logic_without_money")
    await upgraded.put(PATH, json={"version": 3})
    taken = await upgraded.post("/v1/collaborations", json=wanted)
    assert taken.status_code == 202, taken.text
