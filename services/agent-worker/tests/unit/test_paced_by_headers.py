"""Limits that nobody configured are learnt from the headers of real answers, over HTTP."""

from collections import deque
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from facilitair_agent_worker.admission import Asked
from facilitair_agent_worker.estimates import Estimates
from facilitair_events.definitions import Model
from facilitair_events.requests import AttemptReported
from facilitair_events.topics import COLLABORATION_INBOX
from facilitair_llm.calls import ChatMessage, ChatRequest
from facilitair_llm.endpoints import Endpoint, Endpoints
from facilitair_testing.desk import Desk, task
from facilitair_testing.provider.scripts import Script
from facilitair_testing.provider.server import ScriptedProvider, scripted_provider

ENDPOINTS = {
    "openai": ("openai-chat", "/v1"),
    "anthropic": ("anthropic-messages", ""),
    "ollama": ("ollama-chat", ""),
}
USED_UP = {
    "openai": {
        "x-ratelimit-limit-requests": "1", "x-ratelimit-remaining-requests": "0",
        "x-ratelimit-reset-requests": "1m0s",
    },
    "anthropic": {
        "anthropic-ratelimit-requests-limit": "1", "anthropic-ratelimit-requests-remaining": "0",
        "anthropic-ratelimit-requests-reset": "2099-01-01T00:00:00Z",
    },
    "ollama": {"x-ratelimit-limit-requests": "1", "x-ratelimit-remaining-requests": "0"},
}  # fmt: skip


@pytest.fixture
async def provider(tmp_path: Path) -> AsyncIterator[ScriptedProvider]:
    async with scripted_provider(tmp_path / "provider.jsonl") as scripted:
        yield scripted


@pytest.mark.parametrize("status", [None, 429])
@pytest.mark.parametrize("name", ENDPOINTS)
async def test_headers_of_answers_and_of_errors_pace_the_next_call(
    desk: Desk, run_worker: Any, provider: ScriptedProvider, name: str, status: int | None
) -> None:
    dialect, base = ENDPOINTS[name]
    provider.by_model["m"] = deque([Script(status=status, rates=USED_UP[name])])
    endpoint = Endpoint(provider="p", base_url=f"{provider.url}{base}", dialect=dialect)
    endpoints = Endpoints(by_provider={"p": endpoint}, default_provider="p")
    async with run_worker(None, endpoints=endpoints):
        for number in range(2):
            await desk.give(task(f"s{number}"))
            reports = await desk.wait_for(COLLABORATION_INBOX, 2 * number + 2 - number)
    attempts = [r for r in reports if isinstance(r, AttemptReported)]
    assert attempts[-1].fault is not None
    assert attempts[-1].fault.code == "rate_limited"
    assert attempts[-1].fault.retry_after_s is not None
    assert attempts[-1].fault.retry_after_s > 20
    assert len(provider.received) == 1


def test_an_estimate_is_of_the_prompt_and_of_the_longest_answer() -> None:
    words = ChatMessage(role="user", content="word " * 400)
    request = ChatRequest(model="m", messages=(words,), max_output_tokens=100)
    model, estimates = Model(name="m", provider="p"), Estimates()
    assert estimates.tokens(request, model=model) in range(400, 700)
    assert estimates.tokens(replace(request, max_output_tokens=None), model=model) > 700
    asked = Asked.of(request, model=model, tenant="t", estimates=estimates)
    assert asked.tokens == estimates.tokens(request, model=model)
