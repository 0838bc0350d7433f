"""Viewers of one collaboration: whenever they come and however often they break off."""

import asyncio

import pytest

from facilitair_client.client import Facilitair
from facilitair_client.sse import Frame, SseParser
from facilitair_testing.fleet import FleetSystem
from facilitair_testing.patient_http import patient
from facilitair_testing.promises import promised
from facilitair_testing.solo import SoloProcess

pytestmark = pytest.mark.integration

System = SoloProcess | FleetSystem
TASK = "Write a function that reverses a list, with tests"
ONCE = "every viewer sees each event once, in order"


async def frames(url: str, *, last: str | None = None) -> list[Frame]:
    """Everything one connection is sent until the terminal frame."""
    headers = {"last-event-id": last} if last else {}
    parser, found = SseParser(), []
    async with (
        patient() as http,
        http.stream("GET", url, headers=headers) as response,
    ):
        assert response.status_code == 200
        async for part in response.aiter_bytes():
            found += parser.feed(part)
    return [frame for frame in found if frame.data]


async def submit(system: System) -> str:
    async with Facilitair(system.url) as client:
        submitted = await client.submit(TASK, workflow="answer")
    return f"{system.url}/v1/collaborations/{submitted.id}/stream"


async def test_two_viewers_and_a_late_one_see_the_same(system: System) -> None:
    url = await submit(system)
    first, second = await asyncio.gather(frames(url), frames(url))
    late = await frames(url)
    with promised(ONCE):
        assert first == second == late
    assert first[-1].event == "collaboration.completed"


async def test_r31_a_resume_at_every_frame_boundary_gives_the_rest(system: System) -> None:
    url = await submit(system)
    whole = await frames(url)
    assert len(whole) > 6
    for at, frame in enumerate(whole[:-1]):
        rest = await frames(url, last=frame.id)
        with promised(ONCE):
            assert [f.data for f in rest] == [f.data for f in whole[at + 1 :]]


async def test_r31_ids_mean_the_same_after_a_restart(system: System) -> None:
    url = await submit(system)
    whole = await frames(url)
    port = int(system.url.rsplit(":", 1)[1])
    await system.kill()
    await system.start(port=port)
    middle = len(whole) // 2
    rest = await frames(url, last=whole[middle].id)
    with promised(ONCE):
        assert [f.data for f in rest] == [f.data for f in whole[middle + 1 :]]
