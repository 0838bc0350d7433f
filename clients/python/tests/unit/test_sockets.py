import pytest

from clients.python.tests.socket_gateway import Script, message, refusal, serving
from facilitair_client import (
    ApiError,
    ConnectionLostError,
    EventsMissingError,
    Facilitair,
    Patience,
    ProtocolError,
)
from facilitair_client.streaming import Waiting


class Clock:
    """Time that passes only by sleeping."""

    def __init__(self):
        self.at = 0.0
        self.slept = []

    def now(self):
        return self.at

    async def sleep(self, seconds):
        self.slept.append(seconds)
        self.at += seconds


def numbered(seq, *, offset, kind="step.scheduled"):
    return message(kind, {"collaboration": "c1", "seq": seq}, f"3-{offset}-{seq}")


def token(index, text, *, offset):
    data = {"step": "coder", "attempt": 1, "agent": "coder", "index": index, "text": text}
    return message("token", data, f"3-{offset}-1")


RUN = (
    numbered(1, offset=10),
    token(0, "a", offset=11),
    token(1, "b", offset=12),
    numbered(2, offset=13, kind="collaboration.completed"),
)
TOLD = ["step.scheduled", "a", "b", "collaboration.completed"]


async def watched(gateway, *, cursor=None, clock=None, key=None):
    clock = clock or Clock()
    waiting = Waiting(now=clock.now, sleep=clock.sleep, share=lambda: 1.0)
    patience = Patience(give_up_after_s=20)
    async with Facilitair(gateway.url, key, patience=patience, waiting=waiting) as client:
        events = client.stream("c1", cursor, ws=True)
        return [e.data["text"] if e.kind == "token" else e.kind async for e in events]


async def test_it_ends_after_the_terminal_event():
    async with serving(Script(*RUN)) as gateway:
        assert await watched(gateway, key="secret") == TOLD
    (request,) = gateway.requests
    assert request.path == "/v1/collaborations/c1/ws"
    assert request.headers["authorization"] == "Bearer secret"
    assert "sec-websocket-extensions" not in request.headers


@pytest.mark.parametrize("cut_at", range(1, len(RUN)))
@pytest.mark.parametrize("code", [None, 1011, 1012])
async def test_r31_a_drop_at_any_frame_is_resumed_from_its_id(cut_at, code):
    async with serving(Script(*RUN[:cut_at], code=code), Script(*RUN[cut_at:])) as gateway:
        assert await watched(gateway) == TOLD
    assert gateway.cursors() == ["", f"cursor=3-{9 + cut_at}-1"]


async def test_r31_what_a_server_repeats_is_dropped():
    async with serving(Script(*RUN[:2], code=1012), Script(*RUN)) as gateway:
        assert await watched(gateway) == TOLD


async def test_a_gap_is_read_over_at_once_and_the_same_again_is_a_loss():
    gap = message("gap", {"cursor": "3-11-1", "message": "too slow"}, "3-11-1")
    clock = Clock()
    async with serving(Script(*RUN[:2], gap, code=1013), Script(*RUN[2:])) as gateway:
        assert await watched(gateway, clock=clock) == TOLD
    assert clock.slept == []
    async with serving(Script(gap, code=1013), Script(gap, code=1013)) as gateway:
        with pytest.raises(EventsMissingError, match="too slow"):
            await watched(gateway)


async def test_after_the_end_there_is_nothing():
    async with serving(Script(code=1000)) as gateway:
        assert await watched(gateway, cursor="3-13-2") == []
    assert gateway.cursors() == ["cursor=3-13-2"]


@pytest.mark.parametrize(
    ("code", "status"), [(4400, 400), (4401, 401), (4404, 404), (4410, 410), (1008, 400)]
)
async def test_what_asking_again_does_not_change_is_raised_at_once(code, status):
    async with serving(Script(refusal("some_reason"), code=code)) as gateway:
        with pytest.raises(ApiError, match="it is some_reason") as caught:
            await watched(gateway)
    assert (caught.value.status, caught.value.code) == (status, "some_reason")
    assert len(gateway.requests) == 1


async def test_a_refused_handshake_is_the_problem_that_it_tells():
    async with serving(refuse=403) as gateway:
        with pytest.raises(ApiError, match="it is origin_foreign") as caught:
            await watched(gateway)
    assert caught.value.status == 403


async def test_what_is_no_socket_is_not_read_as_one():
    async with serving(refuse=200) as gateway:
        with pytest.raises(ApiError, match="expected a WebSocket"):
            await watched(gateway)


async def test_while_nobody_can_answer_it_asks_again_and_gives_up_in_the_end():
    again = [Script(refusal("no_answer"), code=1013) for _ in range(50)]
    clock = Clock()
    async with serving(*again) as gateway:
        with pytest.raises(ConnectionLostError):
            await watched(gateway, clock=clock)
    assert clock.at >= 20
    assert clock.slept[:4] == sorted(clock.slept[:4])


async def test_nobody_there_is_a_lost_connection():
    async with serving() as gateway:
        pass
    with pytest.raises(ConnectionLostError):
        await watched(gateway)


@pytest.mark.parametrize("said", ["{", "[]", '{"id": "1-1-1", "event": "token", "data": [1]}'])
async def test_what_cannot_be_read_is_told(said):
    async with serving(Script(said)) as gateway:
        with pytest.raises(ProtocolError):
            await watched(gateway)
