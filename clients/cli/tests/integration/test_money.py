"""Budgets against a real solo: refused before anything is asked, paused, resumed, exported."""

import json
import shutil
from decimal import Decimal

import pytest

from facilitair_events.layout import checkout_root
from facilitair_testing.eventually import eventually

pytestmark = pytest.mark.integration

SHORT = """\
agent: brief
role: assistant
description: Answers in few words.
prompt: assistant
models: [default]
max_output_tokens: 64
"""
FRUGAL = """\
workflow: frugal
description: A short answer, and a long one that may be too dear.
timeout: 30m
budget: {usd: 0.01, on_exceeded: pause}
output: long
steps:
  - id: short
    agent: brief
    input: "{{ task }}"
    timeout: 10m
  - id: long
    agent: assistant
    needs: [short]
    input: "{{ task }}"
    timeout: 10m
"""


def json_of(done):
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def kinds(done):
    return [json.loads(line)["kind"] for line in done.stdout.splitlines()]


@pytest.fixture
def up(machine):
    """A solo that stays."""

    def start(**variables):
        started = machine.run("up", "--detach", env=variables)
        assert started.returncode == 0, started.stderr
        return machine

    yield start
    machine.run("down")


async def test_a_run_over_the_limit_is_refused_before_anything_is_asked(up, tmp_path):
    machine = up()
    limit = "tenant/month=0.0001"
    document = json_of(machine.run("budget", "set", "--limit", limit, "--json"))
    assert [one["what"] for one in document["changed"]] == ["limit tenant/month"]
    refused = machine.run("run", "--workflow", "answer", "--", "What is a keyed log?")
    assert refused.returncode == 3, refused.stdout
    assert "money refused" in refused.stdout
    assert "facilitair budget set --limit tenant/month=USD" in refused.stdout
    assert not (machine.home / "simulator.jsonl").exists() or machine.started() == []

    json_of(machine.run("budget", "set", "--limit", "tenant/month=5", "--json"))
    done = machine.run("run", "--workflow", "answer", "--json", "--", "What is a keyed log?")
    assert done.returncode == 0, done.stdout
    assert "budget.reserved" in kinds(done)
    summary = json.loads(done.stdout.splitlines()[-1])["data"]
    assert summary["agents"]["assistant"]["simulated"] is True

    def account():
        found = json_of(machine.run("budget", "show", "--json"))
        settled = Decimal(found["reserved_usd"]) == 0 and Decimal(found["spent_usd"]) > 0
        return found if settled else None

    found = await eventually(account, timeout_s=180, what="the account to have settled")
    assert found["spent_usd"] == summary["cost_usd"]
    (limit,) = found["limits"]
    assert Decimal(limit["left_usd"]) == 5 - Decimal(found["spent_usd"])

    usage = json_of(machine.run("usage", "--by", "agent,model", "--json"))
    assert [(row["agent"], row["calls"]) for row in usage["data"]] == [("assistant", 1)]
    cost = json_of(machine.run("show", summary["id"], "--json"))["cost"]
    assert cost["totals"]["charged_usd"] == summary["cost_usd"]

    out = tmp_path / "entries.jsonl"
    told = json_of(machine.run("usage", "export", "--out", str(out), "--json"))
    (entry,) = map(json.loads, out.read_text().splitlines())
    assert told["entries"] == 1
    assert entry["call_id"] in machine.started()
    assert entry["charged_usd"] == summary["cost_usd"]


async def test_a_run_with_a_budget_of_its_own_is_refused_beyond_it(up):
    machine = up()
    task = ["--workflow", "answer", "--", "What is a keyed log?"]
    assert machine.run("run", "--budget", "0.00001", *task).returncode == 3
    assert machine.run("run", "--budget", "0.50", *task).returncode == 0


async def test_what_money_paused_goes_on_when_it_is_resumed_with_more(up, tmp_path):
    root = tmp_path / "definitions"
    for folder in ("agents", "prompts", "models", "workflows"):
        shutil.copytree(checkout_root() / folder, root / folder)
    (root / "agents" / "brief.yaml").write_text(SHORT)
    (root / "workflows" / "frugal.yaml").write_text(FRUGAL)
    machine = up(FACILITAIR_GATEWAY_DEFINITIONS=str(root))
    submitted = machine.run("run", "--workflow", "frugal", "--detach", "--json", "--", "Say it.")
    ident = json_of(submitted)["id"]

    def shown(status):
        found = json_of(machine.run("show", ident, "--json"))
        return found if found["status"] == status else None

    paused = await eventually(lambda: shown("paused"), timeout_s=180, what="the pause")
    assert [step["status"] for step in paused["steps"]] == ["completed", "waiting"]
    assert Decimal(paused["cost"]["reserved_usd"]) == 0
    assert Decimal(paused["cost"]["totals"]["charged_usd"]) > 0
    assert "facilitair resume" in machine.run("show", ident).stdout

    resumed = machine.run("resume", ident, "--budget", "1", "--json")
    assert json_of(resumed) == {"id": ident, "action": "resume"}
    watched = machine.run("watch", ident, "--json")
    assert watched.returncode == 0, watched.stdout
    told = [kind for kind in kinds(watched) if kind.startswith(("budget.refused", "collaboration"))]
    assert told == [
        "collaboration.accepted", "budget.refused", "collaboration.paused",
        "collaboration.resumed", "collaboration.completed",
    ]  # fmt: skip
    again = machine.run("resume", ident)
    assert again.returncode == 3
    assert "not paused" in again.stderr
    assert json_of(machine.run("show", ident, "--json"))["cost"]["budget_usd"] == "1"
