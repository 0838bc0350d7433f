"""Each time that a provider may stand still is a setting, and ends a call."""

import socket
from collections import deque
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest

from facilitair_events.topics import COLLABORATION_INBOX
from facilitair_llm.endpoints import Endpoint, Endpoints
from facilitair_testing.desk import Desk, task
from facilitair_testing.provider.scripts import Script
from facilitair_testing.provider.server import scripted_provider

PATIENT = {"connect_s": 3600, "first_byte_s": 3600, "idle_s": 3600}


def endpoints(url: str) -> Endpoints:
    endpoint = Endpoint(provider="p", base_url=f"{url}/v1")
    return Endpoints(by_provider={"p": endpoint}, default_provider="p")


@pytest.fixture
def nobody() -> Iterator[str]:
    """A place where nobody takes a connection and nobody refuses one: its queue is full."""
    with ExitStack() as stack:
        server = stack.enter_context(closing(socket.socket()))
        server.bind(("127.0.0.1", 0))
        server.listen(0)
        for _ in range(4):
            waiting = stack.enter_context(closing(socket.socket()))
            waiting.setblocking(False)
            waiting.connect_ex(server.getsockname())
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


@pytest.mark.parametrize(
    ("script", "setting"),
    [
        (Script(hang="headers"), "first_byte_s"),
        (Script(hang="body"), "first_byte_s"),
        (Script(drip_s=0.05), "first_byte_s"),
        (Script(hang="stream", after=3), "idle_s"),
    ],
)
async def test_a_provider_that_stands_still_is_left_after_the_time_that_is_set(
    desk: Desk, run_worker: Any, tmp_path: Path, script: Script, setting: str
) -> None:
    async with scripted_provider(tmp_path / "provider.jsonl") as provider:
        provider.by_model["m"] = deque([script])
        timeouts = PATIENT | {setting: 0.5}
        where = endpoints(provider.url)
        async with run_worker(None, endpoints=where, timeouts=timeouts):
            await desk.give(task(timeout_s=3000.0))
            call, _ = await desk.wait_for(COLLABORATION_INBOX, 2)
    assert (call.fault.code, call.fault.retryable) == ("timeout", True)
    assert "no event of the answer" in str(call.fault.quote) or script.hang == "headers"
    assert call.cost_usd is None


async def test_a_connection_that_nobody_takes_is_given_up_after_the_time_that_is_set(
    desk: Desk, run_worker: Any, nobody: str
) -> None:
    timeouts = PATIENT | {"connect_s": 0.5}
    async with run_worker(None, endpoints=endpoints(nobody), timeouts=timeouts):
        await desk.give(task(timeout_s=3000.0))
        call, _ = await desk.wait_for(COLLABORATION_INBOX, 2)
    assert call.fault.code == "timeout"
    assert call.cost_usd == 0, "nothing was sent"


async def test_the_deadline_of_an_attempt_ends_it_while_words_still_come(
    desk: Desk, run_worker: Any, tmp_path: Path
) -> None:
    async with scripted_provider(tmp_path / "provider.jsonl") as provider:
        provider.by_model["m"] = deque([Script(pace_s=0.3)])
        async with run_worker(None, endpoints=endpoints(provider.url), timeouts=PATIENT):
            await desk.give(task(timeout_s=1.0))
            call, attempt = await desk.wait_for(COLLABORATION_INBOX, 2)
    assert call.fault.code == "timeout"
    assert "no answer within 1 s" in call.fault.message
    assert attempt.outcome == "failed"
