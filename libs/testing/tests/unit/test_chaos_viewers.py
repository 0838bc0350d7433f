"""What a client of a load does, and what it writes down."""

import asyncio
from contextlib import closing
from pathlib import Path
from random import Random

import pytest
from aiohttp import ClientSession, web

from facilitair_testing.chaos.loads import Asked
from facilitair_testing.chaos.recovery import Pulse
from facilitair_testing.chaos.viewers import RefusedError, Viewer
from facilitair_testing.client_journal import ClientJournal
from facilitair_testing.eventually import eventually
from facilitair_testing.history.reading import read_client_journal

ENDED = b'id: 1-3-2\nevent: collaboration.completed\ndata: {"seq": 2}\n\n'
BEGUN = b'id: 1-1-1\nevent: collaboration.accepted\ndata: {"seq": 1}\n\n'
TOKEN = b'id: 1-2-1\nevent: token\ndata: {"step": "a", "attempt": 1, "index": 0}\n\n'


class Gateway:
    """Answers as it is told: the next status of a submit, the next body of a stream."""

    def __init__(self) -> None:
        self.submits = [202]
        self.streams = [(200, BEGUN + TOKEN + ENDED)]
        self.cancels = [202]
        self.keys: list[str] = []
        self.cursors: list[str | None] = []
        self.stops: list[dict] = []

    async def submit(self, request: web.Request) -> web.Response:
        self.keys.append(request.headers["idempotency-key"])
        status = self.submits.pop(0) if len(self.submits) > 1 else self.submits[0]
        return web.json_response({"id": "c1", "cursor": "1-0-0"}, status=status)

    async def stream(self, request: web.Request) -> web.StreamResponse:
        self.cursors.append(request.headers.get("last-event-id"))
        status, body = self.streams.pop(0)
        response = web.StreamResponse(status=status)
        await response.prepare(request)
        await response.write(body)
        return response

    async def control(self, request: web.Request) -> web.Response:
        self.stops.append(await request.json())
        return web.json_response({}, status=self.cancels.pop(0))


class Rig:
    """A viewer at a gateway, and its journal."""

    def __init__(self, path: Path) -> None:
        self.gateway = Gateway()
        self.pulse = Pulse(asyncio.get_running_loop().time)
        self.path = path

    async def view(self, **changes) -> Viewer:
        asked = {
            "number": 4, "tenant": "tenant-0", "key": "k", "task": "t", "wave": 0, "twice": False,
            "cancel_after": None, "drop_after": (),
        }  # fmt: skip
        app = web.Application()
        app.add_routes(
            [
                web.post("/v1/collaborations", self.gateway.submit),
                web.get("/v1/collaborations/c1/stream", self.gateway.stream),
                web.post("/v1/collaborations/c1/control", self.gateway.control),
            ]
        )
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        port = runner.addresses[0][1]
        try:
            with closing(ClientJournal(self.path)) as journal:
                async with ClientSession() as session:
                    viewer = Viewer(
                        Asked(**(asked | changes)),
                        urls=[f"http://127.0.0.1:{port}"],
                        session=session,
                        journal=journal,
                        pulse=self.pulse,
                        chance=Random(1),
                    )
                    async with asyncio.timeout(90):
                        await viewer.run()
                    return viewer
        finally:
            await runner.cleanup()

    def lines(self, op: str) -> list[tuple[str, int | None]]:
        found = read_client_journal(self.path)
        return [(line.type, line.status) for line in found if line.op == op]

    def shown(self) -> list[list[str]]:
        found = read_client_journal(self.path)
        return [
            [frame.event for frame in line.frames]
            for line in found
            if line.op == "watch" and line.type != "invoke"
        ]


@pytest.fixture
async def rig(tmp_path: Path) -> Rig:
    return Rig(tmp_path / "clients.jsonl")


async def test_a_quiet_day_is_written_down(rig: Rig) -> None:
    viewer = await rig.view()
    assert (viewer.ident, viewer.ended) == ("c1", "collaboration.completed")
    assert rig.lines("submit") == [("invoke", None), ("ok", 202)]
    assert rig.lines("watch") == [("invoke", None), ("ok", 200)]
    assert rig.shown() == [["collaboration.accepted", "token", "collaboration.completed"]]
    assert [line.cursor for line in read_client_journal(rig.path) if line.cursor] == ["1-0-0"]
    assert rig.gateway.cursors == ["1-0-0"]
    assert rig.pulse.unanswered() == 0


async def test_a_recovery_ends_with_a_numbered_event_and_not_with_a_token(rig: Rig) -> None:
    beats: list[str] = []
    rig.pulse.beats = beats.append
    await rig.view()
    assert beats == ["viewer-4", "viewer-4"]


async def test_i01_an_unknown_submit_is_info_and_asked_again_with_the_same_key(rig: Rig) -> None:
    rig.gateway.submits = [503, 500, 202]
    await rig.view()
    assert rig.lines("submit")[1::2] == [("info", 503), ("info", 500), ("ok", 202)]
    assert rig.gateway.keys == ["k", "k", "k"]


async def test_a_refused_submit_is_a_fail_and_ends_the_client(rig: Rig) -> None:
    rig.gateway.submits = [409]
    with pytest.raises(ExceptionGroup) as raised:
        await rig.view()
    assert raised.group_contains(RefusedError, match="409")
    assert rig.lines("submit") == [("invoke", None), ("fail", 409)]


async def test_a_duplicate_is_sent_beside_the_first(rig: Rig) -> None:
    await rig.view(twice=True)
    assert rig.gateway.keys == ["k", "k"]
    assert rig.lines("submit").count(("ok", 202)) == 2


async def test_r31_a_dropped_connection_goes_on_from_its_last_id_and_shows_nothing_twice(
    rig: Rig,
) -> None:
    rig.gateway.streams = [(200, BEGUN + TOKEN), (503, b""), (200, TOKEN + ENDED)]
    await rig.view()
    assert rig.gateway.cursors == ["1-0-0", "1-2-1", "1-2-1"]
    assert rig.shown() == [["collaboration.accepted", "token"], [], ["collaboration.completed"]]
    assert rig.lines("watch")[1::2] == [("ok", 200), ("info", 503), ("ok", 200)]


async def test_a_viewer_drops_its_connection_where_its_plan_says(rig: Rig) -> None:
    rig.gateway.streams = [(200, BEGUN + TOKEN + ENDED), (200, TOKEN + ENDED)]
    await rig.view(drop_after=(2,))
    assert rig.gateway.cursors == ["1-0-0", "1-2-1"]


async def test_a_stream_that_is_refused_ends_the_client(rig: Rig) -> None:
    rig.gateway.streams = [(404, b"{}")]
    with pytest.raises(RefusedError, match="404"):
        await rig.view()
    assert rig.lines("watch") == [("invoke", None), ("fail", 404)]


async def test_a_cancel_is_sent_after_its_frame_until_somebody_answers(rig: Rig) -> None:
    rig.gateway.cancels = [503, 202]
    await rig.view(cancel_after=2)
    await eventually(lambda: len(rig.gateway.stops) == 2)
    assert {stop["client_id"] for stop in rig.gateway.stops} == {"stop-k"}
    assert rig.lines("cancel")[1::2] == [("info", 503), ("ok", 202)]


async def test_a_cancel_of_what_has_ended_is_a_no(rig: Rig) -> None:
    rig.gateway.cancels = [409]
    await rig.view(cancel_after=1)
    assert rig.lines("cancel") == [("invoke", None), ("fail", 409)]
