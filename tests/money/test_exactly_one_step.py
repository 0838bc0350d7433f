"""A budget of exactly one step: the first runs, the second never leaves the machine."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from facilitair_events.layout import topics_dir
from facilitair_events.registry import Registry
from facilitair_messaging.adapters.embedded import EmbeddedLog
from facilitair_testing.chaos.preparing import write_definitions
from facilitair_testing.history import judge, read_history
from facilitair_testing.history.judging import hold_none
from facilitair_testing.solo import SoloProcess
from tests.money.telling import set_budget, tenant_limit

pytestmark = pytest.mark.integration

TASK = "Write a function that counts the vowels of a word, with tests"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    write_definitions(tmp_path / "home" / "definitions")
    return tmp_path / "home"


@pytest.fixture
async def solo(home: Path) -> AsyncIterator[SoloProcess]:
    variables = {"FACILITAIR_GATEWAY_DEFINITIONS": str(home / "definitions")}
    process = SoloProcess(home, variables=variables)
    await process.start()
    yield process
    await process.stop()


async def run(http: httpx.AsyncClient, **body: Any) -> list[dict[str, Any]]:
    """Ask for a collaboration; its public events to the end."""
    asked = await http.post("/v1/collaborations", json={"task": TASK, "workflow": "trio", **body})
    assert asked.status_code == 202, asked.text
    path = f"/v1/collaborations/{asked.json()['id']}/stream"
    text = (await http.get(path)).text
    blocks = [dict(line.split(": ", 1) for line in b.split("\n") if ": " in line)
              for b in text.split("\n\n") if b.startswith("id: ")]  # fmt: skip
    return [{"kind": b["event"]} | json.loads(b["data"]) for b in blocks]


def the(events: list[dict[str, Any]], kind: str) -> dict[str, Any]:
    (found,) = [event for event in events if event["kind"] == kind]
    return found


async def judged(solo: SoloProcess, home: Path) -> None:
    """No rule is broken by what is left behind."""
    await solo.stop()
    registry = Registry.load(topics_dir())
    async with EmbeddedLog.open(home / "log" / "log.db", registry.topics) as log:
        history = await read_history(
            log, registry=registry, provider_journal=home / "journal.jsonl",
            artifacts=home / "artifacts",
        )  # fmt: skip
    hold_none(judge(history, lease_ms=0, healed_ms=0))


async def test_r26_the_second_is_refused_before_a_request_leaves(
    solo: SoloProcess, home: Path
) -> None:
    async with httpx.AsyncClient(base_url=solo.url, timeout=60) as http:
        await set_budget(http, limits=tenant_limit("0.000001"))
        refused = the(await run(http), "budget.refused")["refusal"]
        assert (refused["code"], refused["left_usd"]) == ("limit_reached", "0.000001")
        assert solo.requests() == []

        await set_budget(http, limits=tenant_limit(refused["asked_usd"]))
        events = await run(http)
        assert the(events, "step.completed")["step"] == "architect"
        assert the(events, "budget.refused")["step"] == "coder"
        assert the(events, "collaboration.failed")["fault"]["code"] == "budget_exceeded"
        (request,) = solo.requests()

        again = await run(http)
        assert the(again, "budget.refused")["step"] == "architect"
        assert the(again, "collaboration.failed")["fault"]["code"] == "budget_exceeded"
        assert solo.requests() == [request]
    await judged(solo, home)


async def test_r26_the_budget_of_a_request_ends_where_its_first_step_does(
    solo: SoloProcess, home: Path
) -> None:
    async with httpx.AsyncClient(base_url=solo.url, timeout=60) as http:
        short = the(await run(http, budget="0.000001"), "budget.refused")["refusal"]
        assert solo.requests() == []
        events = await run(http, budget=short["asked_usd"])
        assert [e["step"] for e in events if e["kind"] == "step.completed"] == ["architect"]
        assert the(events, "collaboration.failed")["fault"]["code"] == "budget_exceeded"
        assert len(solo.requests()) == 1
    await judged(solo, home)
