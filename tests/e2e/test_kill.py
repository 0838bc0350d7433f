"""kill -9 of solo, and of all services of a fleet, at the moments that hurt.

Nothing is lost, and nothing paid is paid again.
"""

import asyncio
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from facilitair_client.client import Facilitair
from facilitair_client.events import Event
from facilitair_client.transcript import Transcript
from facilitair_testing.eventually import eventually
from facilitair_testing.fleet import FleetSystem
from facilitair_testing.promises import promised
from facilitair_testing.solo import SoloProcess

pytestmark = pytest.mark.integration

System = SoloProcess | FleetSystem
MakeSystem = Callable[..., System]
TASK = "Write a function that counts the vowels of a word, with tests"
ONCE = "every viewer sees each event once, in order"
HELD_AT_FIRST = "[[simulator:hang=headers;times=1]]"


class Viewer:
    """A client that resumes by itself and writes down every event that reaches its user."""

    def __init__(self, client: Facilitair, collaboration: str) -> None:
        self.events: list[Event] = []
        self.transcript = Transcript()
        self._client = client
        self._collaboration = collaboration

    async def run(self) -> None:
        async for event in self._client.stream(self._collaboration):
            self.events.append(event)
            self.transcript.apply(event)

    def saw(self, kind: str, *, step: str | None = None) -> bool:
        return any(
            event.kind == kind and (step is None or event.data["step"] == step)
            for event in self.events
        )

    def chunks(self, step: str, attempt: int) -> list[Event]:
        return [
            event
            for event in self.events
            if event.kind == "token"
            and (event.data["step"], event.data["attempt"]) == (step, attempt)
        ]


def journal_shows_a_request(system: System, _viewer: Viewer) -> bool:
    return len(system.requests()) >= 1


MOMENTS: dict[str, Callable[[System, Viewer], bool]] = {
    "after accept": lambda _solo, viewer: viewer.saw("collaboration.accepted"),
    "after claim": journal_shows_a_request,
    "after first token": lambda _solo, viewer: viewer.saw("token", step="coder"),
    "after result": lambda _solo, viewer: viewer.saw("attempt.completed", step="coder"),
}


@pytest.mark.parametrize("moment", MOMENTS)
async def test_it_goes_on_after_kill_9(moment: str, make_system: MakeSystem) -> None:
    system = make_system(ttft_ms=150, tokens_per_s=1500)
    port = int((await system.start()).rsplit(":", 1)[1])
    async with Facilitair(system.url) as client:
        submitted = await client.submit(TASK, workflow="code")
        viewer = Viewer(client, submitted.id)
        viewing = asyncio.create_task(viewer.run())
        await eventually(lambda: MOMENTS[moment](system, viewer), what=moment)
        await system.kill()
        await system.start(port=port)
        async with asyncio.timeout(180):
            await viewing
    assert viewer.transcript.status == "completed"
    check_final_texts(viewer)
    check_journal(system, viewer)


def check_final_texts(viewer: Viewer) -> None:
    """Every token of a final attempt once, in order, equal to the result."""
    for step in viewer.transcript.steps.values():
        if step.output is None or step.output.inline is None:
            continue
        chunks = viewer.chunks(step.path, step.attempt)
        text = "".join(chunk.data["text"] for chunk in chunks)
        with promised(ONCE):
            assert [chunk.data["index"] for chunk in chunks] == list(range(len(chunks)))
            assert text.strip() == step.output.inline.strip()
    seqs = [event.seq for event in viewer.events if event.seq is not None]
    with promised(ONCE):
        assert seqs == list(range(1, len(seqs) + 1))


def check_journal(system: System, viewer: Viewer) -> None:
    """No call is made twice, and no call that got its result is made again by another attempt."""
    requests = system.requests()
    lost = sum(event.kind == "attempt.unknown" for event in viewer.events)
    answered = sum(event.kind == "attempt.completed" for event in viewer.events)
    with promised("what is paid is not paid again"):
        assert max(Counter(line["call_id"] for line in requests).values()) == 1
        assert len(requests) <= answered + lost


async def test_r20_a_lost_attempt_is_shown_and_counted_as_unknown(make_system: MakeSystem) -> None:
    system = make_system(ttft_ms=150)
    port = int((await system.start()).rsplit(":", 1)[1])
    async with Facilitair(system.url) as client:
        # The call must not be over before the kill, however slow this machine is just now.
        submitted = await client.submit(f"{TASK} {HELD_AT_FIRST}", workflow="answer")
        viewer = Viewer(client, submitted.id)
        viewing = asyncio.create_task(viewer.run())
        await eventually(system.requests, what="the request")
        await system.kill()
        await system.start(port=port)
        async with asyncio.timeout(180):
            await viewing
        cost = await client.cost(submitted.id)
    assert viewer.saw("attempt.unknown")
    assert viewer.saw("attempt.reset")
    # A worker that a busy machine stops for longer than its lease loses one more.
    assert cost.totals.unknown_calls >= 1
    assert len(system.requests()) == cost.totals.unknown_calls + 1
    assert cost.totals.cost_usd is None


async def test_a_second_solo_on_the_same_home_is_refused(solo: SoloProcess, tmp_path: Path) -> None:
    second = SoloProcess(solo.home)
    with pytest.raises(ChildProcessError, match=str(solo.pid)):
        await second.start()
    assert (tmp_path / "home0").exists()
