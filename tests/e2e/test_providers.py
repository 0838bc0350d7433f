"""Whole collaborations on a provider of each dialect, set up as a user would."""

from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import orjson
import pytest

from facilitair_client.client import Facilitair
from facilitair_client.transcript import Transcript
from facilitair_events.requests import Usage
from facilitair_testing.provider.answers import Answer, counted
from facilitair_testing.provider.scripts import Script
from facilitair_testing.provider.server import ScriptedProvider, scripted_provider
from facilitair_testing.solo import SoloProcess

pytestmark = [pytest.mark.integration, pytest.mark.timeout(400)]

SAID = Answer(tokens=counted(12), usage=Usage(input_tokens=40, output_tokens=12))
KEY = "sk-test-0123456789"


@pytest.fixture
async def provider(tmp_path: Path) -> AsyncIterator[ScriptedProvider]:
    async with scripted_provider(tmp_path / "provider.jsonl") as scripted:
        scripted.default = Script(answer=SAID)
        yield scripted


async def run(home: Path, variables: Mapping[str, str]) -> Transcript:
    """Run one collaboration of one step from the first start to the end."""
    solo = SoloProcess(home, variables=variables)
    await solo.start()
    try:
        async with Facilitair(solo.url) as client:
            submitted = await client.submit("What is a fox?", workflow="answer")
            seen = Transcript()
            async for event in client.stream(submitted.id):
                seen.apply(event)
            return seen
    finally:
        await solo.stop()


async def test_a_key_of_anthropic_is_all_that_a_run_needs(
    provider: ScriptedProvider, tmp_path: Path
) -> None:
    """The first answer is cut, the second one whole; the key is in nothing that is left behind."""
    provider.scripts.append(Script(answer=SAID, broken="cut", after=7))
    (tmp_path / "key").write_text(KEY)
    variables = {
        "FACILITAIR_PROVIDER": "anthropic",
        "ANTHROPIC_BASE_URL": provider.url,
        "ANTHROPIC_API_KEY_FILE": str(tmp_path / "key"),
    }
    seen = await run(tmp_path / "home", variables)
    assert seen.status == "completed"
    assert seen.steps["assistant"].text == "".join(SAID.tokens)
    assert seen.steps["assistant"].attempt == 2
    assert seen.totals is not None
    assert (seen.totals.usage.input_tokens, seen.totals.usage.output_tokens) == (40, 12)
    assert (seen.totals.calls, seen.totals.simulated) == (2, False)
    assert seen.totals.cost_usd is None, "a price that nobody told is unknown"
    for received in provider.received:
        assert received.headers["x-api-key"] == KEY
        assert "fox" in str(orjson.loads(received.body)["messages"])
    assert [received.dialect for received in provider.received] == ["anthropic-messages"] * 2
    left = [path.read_bytes() for path in (tmp_path / "home").rglob("*") if path.is_file()]
    assert any(b"What is a fox?" in content for content in left), "the search finds what is there"
    assert not any(KEY.encode() in content for content in left)
