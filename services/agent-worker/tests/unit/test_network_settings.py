"""Where a worker calls its models: the settings, and that each of them is held to."""

from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from facilitair_agent_worker.app import build_app
from facilitair_agent_worker.settings import AgentWorkerSettings
from facilitair_llm.calls import ChatMessage, ChatRequest
from facilitair_llm.endpoints import Endpoint, Endpoints
from facilitair_llm.errors import ProviderError
from facilitair_runtime.errors import SettingsError
from facilitair_runtime.settings import load
from facilitair_testing.provider.answers import Answer
from facilitair_testing.provider.scripts import Script
from facilitair_testing.provider.server import ScriptedProvider, scripted_provider

NETWORK = "FACILITAIR_AGENT_WORKER_NETWORK__"
RESPONSES = "FACILITAIR_AGENT_WORKER_RESPONSES__"
REQUEST = ChatRequest(model="m", messages=(ChatMessage(role="user", content="x"),))


@pytest.fixture
async def provider(tmp_path: Path) -> AsyncIterator[ScriptedProvider]:
    async with scripted_provider(tmp_path / "provider.jsonl") as scripted:
        scripted.default = Script(answer=Answer(tokens=("fine",)))
        yield scripted


@pytest.fixture
def ask(log, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Call a base URL as a worker of these variables does; the fault's kind, or ``fine``."""

    async def call(base_url: str, **variables: str) -> str:
        with monkeypatch.context() as patch:
            patch.setenv("FACILITAIR_HOME", str(tmp_path))
            for name, value in variables.items():
                patch.setenv(name, value)
            settings = load(AgentWorkerSettings)
        endpoint = Endpoint(provider="p", base_url=base_url)
        endpoints = Endpoints(by_provider={"p": endpoint}, default_provider="p")
        async with build_app(settings, log, endpoints=endpoints) as worker:
            stream = worker.models["p"].stream(REQUEST, call_id="c", tenant="t")
            try:
                async with aclosing(stream) as chunks:
                    return "".join([getattr(chunk, "text", "") async for chunk in chunks])
            except ProviderError as error:
                return f"{error.kind}: {error.message}"

    return call


def url_of(provider: ScriptedProvider) -> str:
    return f"{provider.url}/v1"


def mapped(provider: ScriptedProvider) -> str:
    """The provider's URL by an address of this machine that the URL does not show as one."""
    return url_of(provider).replace("127.0.0.1", "[::ffff:127.0.0.1]")


async def test_a_url_of_this_machine_needs_no_setting(provider, ask) -> None:
    assert await ask(url_of(provider)) == "fine"
    assert await ask(url_of(provider), FACILITAIR_LOCAL_ONLY="true") == "fine"


async def test_this_machine_in_disguise_is_refused_unless_it_is_allowed(provider, ask) -> None:
    assert (await ask(mapped(provider))).startswith("address_refused: ")
    assert len(provider.received) == 0
    assert await ask(mapped(provider), **{f"{NETWORK}ALLOWED": '["127.0.0.0/8"]'}) == "fine"


@pytest.mark.parametrize(
    ("variables", "allowed"),
    [
        ({}, False),
        ({"FACILITAIR_LOCAL_ONLY": "true"}, False),
        ({f"{NETWORK}ALLOW_PRIVATE": "true"}, True),
        ({f"{NETWORK}ALLOWED": '["192.168.255.0/24", "fd00::/8"]'}, True),
        ({f"{NETWORK}ALLOWED": '["10.0.0.0/8"]'}, False),
        ({f"{NETWORK}ALLOW_PRIVATE": "true", "FACILITAIR_LOCAL_ONLY": "true"}, False),
    ],
)
async def test_a_private_network_needs_a_setting(ask, variables, allowed) -> None:
    timeout = {"FACILITAIR_AGENT_WORKER_TIMEOUTS__CONNECT_S": "0.05"}
    told = await ask("http://192.168.255.254:9/v1", **variables, **timeout)
    assert told.startswith("address_refused") != allowed


async def test_what_will_be_refused_is_told_at_the_start(ask) -> None:
    timeout = {"FACILITAIR_AGENT_WORKER_TIMEOUTS__CONNECT_S": "0.05"}
    for variables, told in (({}, True), ({f"{NETWORK}ALLOW_PRIVATE": "true"}, False)):
        with capture_logs() as logs:
            await ask("http://192.168.255.254:9/v1", **variables, **timeout)
        warned = [line for line in logs if line["event"] == "calls of a provider will be refused"]
        assert [line["provider"] for line in warned] == (["p"] if told else [])
        assert all(f"{NETWORK}ALLOW_PRIVATE" in line["reason"] for line in warned)


def test_a_network_that_is_none_is_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"{NETWORK}ALLOWED", '["10.0.0.0/8", "home"]')
    with pytest.raises(SettingsError, match="home"):
        load(AgentWorkerSettings)


@pytest.mark.parametrize(
    ("name", "limit", "told"),
    [
        ("MAX_BYTES", "1024", "malformed: the answer has more than 1024 bytes"),
        ("MAX_EVENT_BYTES", "1024", "malformed: an event has more than 1024 bytes"),
    ],
)
async def test_limits_of_responses_are_held_to(provider, ask, name, limit, told) -> None:
    text = "x" * 2000
    provider.default = Script(answer=Answer(tokens=(text,)))
    assert await ask(url_of(provider)) == text
    assert await ask(url_of(provider), **{f"{RESPONSES}{name}": limit}) == told


async def test_a_giant_line_fails_its_call_and_the_next_one_is_answered(provider, ask) -> None:
    provider.scripts.append(Script(broken="giant", after=1))
    assert (await ask(url_of(provider))).startswith("malformed: an event has more than ")
    assert await ask(url_of(provider)) == "fine"


async def test_limits_of_headers_and_errors_reach_every_call(tmp_path: Path) -> None:
    found = AgentWorkerSettings(
        home=tmp_path, responses={"max_header_bytes": 2048, "max_error_bytes": 0}
    ).response_limits()
    assert (found.max_header_bytes, found.max_error_bytes) == (2048, 0)
