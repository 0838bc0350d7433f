"""Streams over real sockets: order, resume, ends, slow readers, drains."""

import asyncio
import json
import re
import socket

import httpx
import pytest

from facilitair_events.collaboration import StepSkipped
from facilitair_events.envelope import instant
from facilitair_gateway.fanout import parse_cursor
from facilitair_testing.eventually import eventually
from services.gateway.tests.watching import (
    Frame,
    ended_by_cancel,
    frames_of,
    played,
    watch,
    watching,
)


@pytest.fixture
def play(http, stage, orchestrator):
    """A collaboration that ran to its end, with tokens between its events."""

    async def to_the_end(**more) -> str:
        return await played(http, stage, orchestrator, **more)

    return to_the_end


async def ended(play, http, **more: bool) -> tuple[str, list[Frame]]:
    ident = await play(**more)
    frames = await asyncio.wait_for(watch(http, ident), 60)
    return ident, frames


async def test_a_stream_has_every_event_once_in_order_and_ends_after_the_terminal_one(
    play, http
) -> None:
    _, frames = await ended(play, http, repeats=True)
    assert frames[0].kind == "collaboration.accepted"
    assert frames[-1].kind == "collaboration.cancelled"
    seqs = [json.loads(frame.data)["seq"] for frame in frames if '"seq"' in frame.data]
    assert seqs == list(range(1, len(seqs) + 1))
    tokens = [json.loads(frame.data) for frame in frames if frame.kind == "token"]
    assert [(t["step"], t["index"], t["text"]) for t in tokens] == [
        ("architect", 0, "t0 "),
        ("architect", 1, "t1 "),
        ("architect", 2, "t2 "),
    ]


async def test_the_headers_let_no_proxy_hold_it_back(play, http) -> None:
    ident = await play()
    async with watching(http, ident) as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        assert "no-store" in response.headers["cache-control"]
        assert response.headers["x-accel-buffering"] == "no"


async def test_r31_a_resume_at_every_frame_boundary_gives_the_rest(play, http) -> None:
    ident, frames = await ended(play, http)
    for boundary, frame in enumerate(frames[:-1], start=1):
        assert await watch(http, ident, frame.id) == frames[boundary:], frame
    by_query = await http.get(f"/v1/collaborations/{ident}/stream", params={"cursor": frames[2].id})
    assert by_query.text.startswith(f"id: {frames[3].id}\n")


async def test_the_cursor_of_the_terminal_event_has_nothing_after_it(play, http) -> None:
    ident, frames = await ended(play, http)
    path = f"/v1/collaborations/{ident}/stream"
    response = await http.get(path, headers={"last-event-id": frames[-1].id})
    assert (response.status_code, response.content) == (204, b"")


async def test_the_cursor_of_a_submit_is_from_before_the_first_event(submit, http) -> None:
    body = await submit()
    async with watching(http, body["id"], body["cursor"]) as response:
        first = await anext(frames_of(response))
    assert first.kind == "collaboration.accepted"


async def test_last_event_id_wins_over_the_query_of_a_client_that_comes_back(play, http) -> None:
    ident, frames = await ended(play, http)
    path = f"/v1/collaborations/{ident}/stream?cursor=start"
    response = await http.get(path, headers={"last-event-id": frames[1].id})
    assert response.text.startswith(f"id: {frames[2].id}\n")


async def test_r32_resume_and_late_join_on_another_gateway_that_has_nothing_in_its_ring(
    play, http, start, tmp_path
) -> None:
    ident, frames = await ended(play, http)
    async with (
        start(tmp_path / "other") as other,
        httpx.AsyncClient(base_url=other.url, timeout=60) as elsewhere,
    ):
        assert await watch(elsewhere, ident) == frames
        for boundary in (1, 3, len(frames) - 1):
            assert await watch(elsewhere, ident, frames[boundary - 1].id) == frames[boundary:]
        path = f"/v1/collaborations/{ident}/stream"
        over = await elsewhere.get(path, headers={"last-event-id": frames[-1].id})
        assert over.status_code == 204


async def test_a_hundred_viewers_see_the_same(submit, http, gateway, stage, orchestrator) -> None:
    ident = (await submit())["id"]
    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(base_url=gateway.url, limits=limits, timeout=60) as crowd:
        early = [asyncio.create_task(watch(crowd, ident)) for _ in range(60)]
        await eventually(lambda: gateway.hub.viewers == 60, what="60 viewers")
        for start in range(0, 200, 20):
            await stage.write(*(stage.token(ident, i) for i in range(start, start + 20)))
        late = [asyncio.create_task(watch(crowd, ident)) for _ in range(40)]
        await eventually(lambda: gateway.hub.viewers == 100, what="100 viewers")
        await http.post(f"/v1/collaborations/{ident}/control", json={"action": "cancel"})
        for step in list(orchestrator.states[ident].steps.values()):
            if step.open:
                await stage.report(ident, step.path, "stopped")
        seen = await asyncio.wait_for(asyncio.gather(*early, *late), 60)
    assert all(frames == seen[0] for frames in seen)
    assert sum(frame.kind == "token" for frame in seen[0]) == 200
    await eventually(lambda: gateway.hub.viewers == 0, what="all views closed")


async def test_s03_a_malformed_cursor_is_400(submit, http) -> None:
    path = f"/v1/collaborations/{(await submit())['id']}/stream"
    for cursor in ("garbage", "1-2", "-1-0-0", "0-0-0-0", "9" * 1_000_000):
        response = await http.get(path, headers={"last-event-id": cursor})
        assert response.status_code == 400
        assert response.json()["code"] == "cursor_malformed"
        assert len(response.content) < 2000


async def test_s03_a_cursor_of_another_collaboration_is_400(play, http) -> None:
    """Also one of the same partition, which looks right: the record before it is checked."""
    mine, _ = await ended(play, http)
    partitions: dict[int, tuple[str, list[Frame]]] = {}
    while True:
        other, theirs = await ended(play, http)
        cursor = parse_cursor(theirs[1].id)
        response = await http.get(
            f"/v1/collaborations/{mine}/stream", headers={"last-event-id": theirs[1].id}
        )
        assert response.status_code == 400
        assert response.json()["code"] == "cursor_foreign"
        assert other not in response.text
        if cursor.partition in partitions:
            break
        partitions[cursor.partition] = other, theirs
    same, _ = partitions[cursor.partition]
    response = await http.get(
        f"/v1/collaborations/{same}/stream", headers={"last-event-id": theirs[1].id}
    )
    assert (response.status_code, response.json()["code"]) == (400, "cursor_foreign")


async def test_s03_a_future_cursor_is_400(submit, http) -> None:
    body = await submit()
    cursor = re.sub(r"-\d+-0$", "-999999-0", body["cursor"])
    path = f"/v1/collaborations/{body['id']}/stream"
    response = await http.get(path, headers={"last-event-id": cursor})
    assert (response.status_code, response.json()["code"]) == (400, "cursor_future")


async def test_an_empty_cursor_is_none(play, http) -> None:
    ident, frames = await ended(play, http)
    assert await watch(http, ident, "") == frames


async def test_a_quiet_stream_gets_heartbeats_and_a_busy_one_does_not(
    start, tmp_path, act, stage
) -> None:
    async with (
        start(tmp_path, stream={"heartbeat_s": 1}) as gateway,
        act(),
        httpx.AsyncClient(base_url=gateway.url, timeout=60) as http,
    ):
        ident = (await http.post("/v1/collaborations", json={"task": "x"})).json()["id"]
        async with watching(http, ident) as response:
            text = ""
            async for part in response.aiter_text():
                text += part
                if text.count(": still here\n\n") == 2:
                    break
        frames, _, beats = text.partition(": still here")
        assert "event: step.scheduled" in frames
        assert "event:" not in beats


async def test_a_slow_reader_is_told_of_the_gap_and_can_read_on(
    start, tmp_path, act, stage
) -> None:
    async with (
        start(tmp_path, stream={"client_buffer_bytes": 64 * 1024}) as gateway,
        act() as orchestrator,
        httpx.AsyncClient(base_url=gateway.url, timeout=60) as http,
    ):
        ident = (await http.post("/v1/collaborations", json={"task": "x"})).json()["id"]
        with socket.socket() as slow:
            slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            slow.connect(("127.0.0.1", int(gateway.url.rpartition(":")[2])))
            slow.sendall(
                f"GET /v1/collaborations/{ident}/stream HTTP/1.1\r\nHost: localhost\r\n"
                "Connection: close\r\n\r\n".encode()
            )
            await eventually(lambda: gateway.hub.viewers == 1, what="the slow viewer")
            for index in range(400):
                await stage.write(stage.token(ident, index, "y" * 30_000, step="architect"))
            raw = await asyncio.to_thread(_read_all, slow)
        kinds = re.findall(rb"^event: (\S+)", raw, re.MULTILINE)
        assert kinds[-1] == b"gap"
        assert 1 <= kinds.count(b"token") < 400
        ids = re.findall(rb"^id: (\S+)", raw, re.MULTILINE)
        gap = json.loads(raw[raw.rindex(b"data: ") + 6 :].split(b"\n")[0])
        assert gap["cursor"].encode() == ids[-1] == ids[-2]
        assert gap["reason"] == "slow"

        await ended_by_cancel(http, stage, orchestrator, ident=ident)
        rest = await asyncio.wait_for(watch(http, ident, gap["cursor"]), 60)
        tokens = [frame for frame in rest if frame.kind == "token"]
        assert kinds.count(b"token") + len(tokens) == 400
        assert rest[-1].kind == "collaboration.cancelled"


def _read_all(sock: socket.socket) -> bytes:
    parts = []
    while part := sock.recv(65536):
        parts.append(part)
    return b"".join(parts)


async def test_a_client_that_leaves_frees_everything(submit, http, gateway) -> None:
    ident = (await submit())["id"]
    async with watching(http, ident) as response:
        await anext(frames_of(response))
        assert gateway.hub.viewers == 1
    await eventually(lambda: gateway.hub.viewers == 0, what="the view to be closed")
    assert not any("_until_gone" in repr(task) for task in asyncio.all_tasks())


async def test_s09_a_stopping_gateway_sends_viewers_away_with_a_hint(start, tmp_path, act) -> None:
    async with act(), httpx.AsyncClient(timeout=60) as http:
        async with start(tmp_path, stream={"retry_ms": 321}) as gateway:
            http.base_url = gateway.url
            ident = (await http.post("/v1/collaborations", json={"task": "x"})).json()["id"]
            leaving = asyncio.create_task(http.get(f"/v1/collaborations/{ident}/stream"))
            await eventually(lambda: gateway.hub.viewers == 1, what="the viewer")
        response = await leaving
    assert response.text.endswith("retry: 321\n\n")
    assert "event: step.scheduled" in response.text


async def test_r12_a_viewer_is_told_when_events_are_missing(
    submit, http, stage, orchestrator
) -> None:
    """What is lost on the stream is not skipped in silence."""
    ident = (await submit())["id"]
    whole = asyncio.create_task(watch(http, ident))
    lost = StepSkipped(collaboration=ident, seq=99, at=instant(0), step="x", reason="when")
    await stage.write(stage.event(ident, lost))
    frames = await asyncio.wait_for(whole, 60)
    assert frames[-1].kind == "gap"
    assert json.loads(frames[-1].data)["reason"] == "events_missing"
    # Who resumes with it reads on behind the last record it saw, and behind the gap.
    assert frames[-1].id == frames[-2].id.rpartition("-")[0] + "-98"


async def test_chunks_of_an_attempt_older_than_the_last_reset_are_not_shown(
    submit, http, stage, orchestrator
) -> None:
    ident = (await submit())["id"]
    await stage.write(
        stage.announcement(ident, 1),
        stage.token(ident, 0, "old"),
        stage.announcement(ident, 2),
        stage.token(ident, 1, "late"),
        stage.token(ident, 0, "new", attempt=2),
    )
    await ended_by_cancel(http, stage, orchestrator, ident=ident)
    frames = await asyncio.wait_for(watch(http, ident), 60)
    texts = [json.loads(frame.data)["text"] for frame in frames if frame.kind == "token"]
    assert texts == ["old", "new"]
    assert [f.kind for f in frames if f.kind.startswith("attempt.")][:2] == [
        "attempt.started",
        "attempt.reset",
    ]
