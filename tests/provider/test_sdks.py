"""The real SDKs of OpenAI and Anthropic understand the scripted provider: it speaks properly.

They live in an environment of their own, from a lock with hashes, and never in ours.
"""

import asyncio
import json
import re
from collections import deque
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import pytest
import pytest_asyncio

from facilitair_events.requests import Usage
from facilitair_testing.locked_environment import locked_python
from facilitair_testing.provider.answers import SIXTY, Answer, Call
from facilitair_testing.provider.scripts import Script
from facilitair_testing.provider.server import scripted_provider

pytestmark = [pytest.mark.integration, pytest.mark.asyncio(loop_scope="module")]

SDK: Final = Path(__file__).parent / "sdk"
ROOT: Final = SDK.parents[2]
DIALECTS: Final = ("openai", "anthropic")

TOOLS: Final = Answer(
    tokens=("Let me look. ",),
    calls=(
        Call(id="call_a", name="find", parts=('{"query": "', "grüße", '"}')),
        Call(id="call_b", name="count", parts=('{"numbers": [1, ', "2]}")),
    ),
    finish="tool_calls",
)
SCRIPTS: Final = {
    "good": Script(),
    "thoughts": Script(answer=Answer(thoughts=("hm, ", "so"), tokens=("Yes",))),
    "tools": Script(answer=TOOLS),
    "mixed": Script(answer=TOOLS, mixed_calls=True),
    "length": Script(answer=Answer(tokens=("cut",), finish="length")),
    "refusal": Script(answer=Answer(tokens=("No.",), finish="refusal")),
    "letters": Script(answer=Answer(tokens=("ü🙂", "é", "\u2028")), drip_s=0),
    "kinds": Script(
        answer=Answer(
            tokens=("x",),
            usage=Usage(
                input_tokens=30, cached_input_tokens=20, output_tokens=9, reasoning_tokens=4
            ),
        )
    ),
    "other": Script(model="other-model"),
    "never": Script(usage="never"),
    "limited": Script(status=429, retry_after="seconds"),
    "unauthorised": Script(status=401),
    "bad": Script(status=400),
    "broken": Script(status=500),
    "overloaded": Script(status=529),
    "error": Script(broken="error"),
    "cut": Script(broken="cut"),
    "half": Script(broken="half"),
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def heard(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[dict[str, Any]]:
    """What both SDKs made of every script."""
    python = await asyncio.to_thread(locked_python, SDK / "sdk.lock", kind="sdk")
    async with scripted_provider(tmp_path_factory.mktemp("sdk") / "provider.jsonl") as provider:
        for model, script in SCRIPTS.items():
            provider.by_model[model] = deque([script] * len(DIALECTS))
        process = await asyncio.create_subprocess_exec(
            *(python, str(SDK / "speaking.py"), provider.url, *SCRIPTS),
            env={"PATH": "", "NO_PROXY": "*"},
            stdout=asyncio.subprocess.PIPE,
        )
        printed, _ = await process.communicate()
        assert process.returncode == 0
        yield json.loads(printed)


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_text_usage_model_and_end(heard: dict[str, Any], dialect: str) -> None:
    seen = heard[dialect]["good"]
    assert seen["text"] == "".join(SIXTY.tokens)
    assert seen["usage"][:2] == [11, 60]
    assert (seen["model"], "error" in seen) == (SIXTY.model, False)
    assert seen["finish"] == {"openai": "stop", "anthropic": "end_turn"}[dialect]
    assert heard[dialect]["other"]["model"] == "other-model"
    assert heard[dialect]["letters"]["text"] == "ü🙂é\u2028"


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_thoughts_and_kinds_of_tokens(heard: dict[str, Any], dialect: str) -> None:
    seen = heard[dialect]["thoughts"]
    assert (seen["thoughts"], seen["text"]) == ("hm, so", "Yes")
    assert heard[dialect]["kinds"]["usage"] == [30, 9, 20, 4]


@pytest.mark.parametrize("name", ["tools", "mixed"])
@pytest.mark.parametrize("dialect", DIALECTS)
async def test_tool_calls_in_pieces_and_out_of_order(
    heard: dict[str, Any], dialect: str, name: str
) -> None:
    seen = heard[dialect][name]
    assert [(call[0], call[1]) for call in seen["calls"]] == [
        ("call_a", "find"), ("call_b", "count"),
    ]  # fmt: skip
    assert [json.loads(call[2]) for call in seen["calls"]] == [
        {"query": "grüße"}, {"numbers": [1, 2]},
    ]  # fmt: skip
    assert seen["finish"] == {"openai": "tool_calls", "anthropic": "tool_use"}[dialect]


async def test_other_ends(heard: dict[str, Any]) -> None:
    assert heard["openai"]["length"]["finish"] == "length"
    assert heard["anthropic"]["length"]["finish"] == "max_tokens"
    assert heard["anthropic"]["refusal"]["finish"] == "refusal"
    assert heard["openai"]["never"]["usage"] is None


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_errors_are_those_that_the_sdk_knows(heard: dict[str, Any], dialect: str) -> None:
    errors = {name: seen["error"] for name, seen in heard[dialect].items() if "error" in seen}
    assert errors["limited"] == ["RateLimitError", 429, "7"]
    assert errors["unauthorised"][:2] == ["AuthenticationError", 401]
    assert errors["bad"][:2] == ["BadRequestError", 400]
    assert errors["broken"][:2] == ["InternalServerError", 500]
    overloaded = {"openai": "InternalServerError", "anthropic": "OverloadedError"}[dialect]
    assert errors["overloaded"][:2] == [overloaded, 529]
    assert errors["error"][0] in {"APIError", "InternalServerError", "APIStatusError"}


async def test_the_lock_has_hashes_and_no_address_and_is_not_ours() -> None:
    text = (SDK / "sdk.lock").read_text()
    assert "://" not in text
    entries = re.split(r"^(?=[a-z0-9])", text, flags=re.MULTILINE)[1:]
    assert all("--hash=sha256:" in entry for entry in entries)
    ours = (ROOT / "requirements.lock").read_text()
    assert not re.search(r"^(openai|anthropic)==", ours, re.MULTILINE)
