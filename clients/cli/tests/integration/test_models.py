"""``facilitair models check`` by real processes: providers that answer, refuse and are away."""

import asyncio
import json
import sys
from decimal import Decimal

import pytest

from facilitair_events.requests import Usage
from facilitair_testing.provider.answers import Answer, counted
from facilitair_testing.provider.scripts import Script
from facilitair_testing.provider.server import scripted_provider

pytestmark = [pytest.mark.integration, pytest.mark.timeout(400)]

SAID = Answer(tokens=counted(2), usage=Usage(input_tokens=1_000_000, output_tokens=0))
KEY = "sk-test-0123456789"
NOBODY = "http://127.0.0.1:9/v1"
"""The discard port: nobody listens there."""


async def test_every_provider_that_is_set_up_is_asked_once_and_what_is_wrong_is_told(
    machine, tmp_path
):
    async with (
        scripted_provider(tmp_path / "good.jsonl") as good,
        scripted_provider(tmp_path / "bad.jsonl") as bad,
    ):
        good.default = Script(answer=SAID, model="claude-sonnet-4-6")
        bad.default = Script(status=401)
        env = {
            "ANTHROPIC_BASE_URL": good.url,
            "ANTHROPIC_API_KEY": KEY,
            "GROQ_BASE_URL": f"{bad.url}/v1",
            "GROQ_API_KEY": KEY,
            "GEMINI_BASE_URL": NOBODY,
            "FACILITAIR_PROVIDER": "anthropic",
        }
        done = await asyncio.to_thread(machine.run, "models", "check", "--json", env=env)
        asked = [len(good.received), len(bad.received)]
    assert done.returncode == 1, done.stderr
    found = {one["model"]: one for one in json.loads(done.stdout)}
    answered = found.pop("anthropic/claude-sonnet-4-6")
    assert answered["ok"], answered
    assert answered["first_token_ms"] <= answered["total_ms"]
    assert Decimal(answered["cost_usd"]) == 3, "a million tokens of input at the price of the seed"
    refused = found.pop("groq/openai/gpt-oss-120b")
    assert (refused["ok"], refused["fault"]) == (False, "authentication")
    assert refused["told"].startswith("the key is refused")
    away = found.pop("gemini/gemini-2.5-flash")
    assert (away["ok"], away["fault"]) == (False, "unavailable")
    assert away["told"].startswith("not reachable")
    assert not found
    assert asked == [1, 1]
    assert KEY not in done.stdout + done.stderr
    assert machine.pids() == {}


async def test_without_any_provider_the_simulator_is_checked_and_says_what_it_is(machine):
    done = await asyncio.to_thread(machine.run, "models", "check")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("ok    simulator/simulated")
    assert "(simulated)" in done.stdout


REMOTE = {"OPENAI_API_KEY": KEY, "FACILITAIR_LOCAL_ONLY": "true"}


async def test_local_only_starts_nothing_that_would_call_elsewhere(machine):
    done = await asyncio.to_thread(machine.run, "run", "x", "--workflow", "answer", env=REMOTE)
    assert done.returncode != 0
    told = "FACILITAIR_LOCAL_ONLY: openai at https://api.openai.com/v1 is not on this machine"
    assert told in done.stderr
    for service in ("facilitair_agent_worker", "facilitair_gateway"):
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", service, env=machine.env | REMOTE, stderr=asyncio.subprocess.PIPE
        )
        _, said = await process.communicate()
        assert process.returncode == 2
        assert told in said.decode()
        assert KEY not in said.decode()


async def test_a_model_without_a_required_tag_is_refused_before_anything_runs(machine):
    env = {"FACILITAIR_GATEWAY_MODELS__REQUIRED_TAGS": '["residency:eu"]'}
    done = await asyncio.to_thread(machine.run, "run", "x", "--workflow", "answer", env=env)
    assert done.returncode == 3
    assert "simulator/simulated lacks the required tags residency:eu" in done.stderr
