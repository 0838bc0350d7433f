import pytest

from clients.python.tests.scripted_gateway import (
    Gateway,
    completed,
    frame,
    numbered,
    problem,
    stream,
    token,
)
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


async def watched(gateway, *, cursor=None, clock=None, give_up_after_s=60.0):
    clock = clock or Clock()
    waiting = Waiting(now=clock.now, sleep=clock.sleep, share=lambda: 1.0)
    patience = Patience(give_up_after_s=give_up_after_s)
    client = Facilitair("http://x", transport=gateway, patience=patience, waiting=waiting)
    async with client:
        return [event async for event in client.stream("c1", cursor)]


def told(events):
    return [event.data["text"] if event.kind == "token" else event.kind for event in events]


def resumed_from(gateway):
    return [request.headers.get("last-event-id") for request, _ in gateway.requests]


RUN = (
    numbered(1, offset=10),
    token(0, "a", offset=11),
    token(1, "b", offset=12),
    token(2, "c", offset=13),
    completed(2, offset=14),
)
TOLD = ["step.scheduled", "a", "b", "c", "collaboration.completed"]


async def test_it_ends_after_the_terminal_event():
    gateway = Gateway(stream(*RUN, frame("later", {}, "3-15-2")))
    assert told(await watched(gateway)) == TOLD
    assert len(gateway.requests) == 1


@pytest.mark.parametrize("cut_at", range(1, len(RUN)))
@pytest.mark.parametrize("cut", [True, False])
async def test_r31_a_drop_at_any_frame_is_resumed_from_its_id(cut_at, cut):
    gateway = Gateway(stream(*RUN[:cut_at], cut=cut), stream(*RUN[cut_at:]))
    assert told(await watched(gateway)) == TOLD
    assert resumed_from(gateway) == [None, f"3-{9 + cut_at}-1"]


@pytest.mark.parametrize("cut_at", range(len(RUN)))
async def test_r31_what_a_server_repeats_is_dropped(cut_at):
    gateway = Gateway(stream(*RUN[:cut_at], cut=True), stream(*RUN))
    assert told(await watched(gateway)) == TOLD


async def test_a_drop_inside_a_frame_loses_nothing():
    half = RUN[2][: len(RUN[2]) // 2]
    gateway = Gateway(stream(*RUN[:2], half, cut=True), stream(*RUN[2:]))
    assert told(await watched(gateway)) == TOLD
    assert resumed_from(gateway)[1] == "3-11-1"


async def test_it_begins_where_it_is_told():
    gateway = Gateway(stream(*RUN[2:]))
    await watched(gateway, cursor="3-11-1")
    assert resumed_from(gateway) == ["3-11-1"]


async def test_a_gap_is_read_over_at_once_from_its_id():
    gap = frame("gap", {"cursor": "3-11-1", "reason": "slow"}, "3-11-1")
    gateway, clock = Gateway(stream(*RUN[:2], gap), stream(*RUN[2:])), Clock()
    assert told(await watched(gateway, clock=clock)) == TOLD
    assert resumed_from(gateway) == [None, "3-11-1"]
    assert clock.slept == []


async def test_the_same_gap_again_is_a_loss():
    gap = frame("gap", {"cursor": "3-11-1", "message": "events are missing here"}, "3-11-1")
    with pytest.raises(EventsMissingError, match="missing here") as caught:
        await watched(Gateway(stream(*RUN[:2], gap), stream(gap)))
    assert caught.value.cursor == "3-11-1"


async def test_r12_a_hole_in_the_numbers_stops_the_reader():
    with pytest.raises(EventsMissingError, match="after number 1 came 3"):
        await watched(Gateway(stream(numbered(1, offset=1), numbered(3, offset=2))))


async def test_the_server_says_when_to_come_back():
    gateway, clock = Gateway(stream(*RUN[:2], b"retry: 7000\n\n"), stream(*RUN[2:])), Clock()
    assert told(await watched(gateway, clock=clock)) == TOLD
    assert clock.slept[0] >= 7.0


async def test_waits_grow_while_nobody_answers_and_start_anew_after_an_event():
    dead = [problem(503) for _ in range(4)]
    gateway = Gateway(*dead, stream(*RUN[:2], cut=True), stream(*RUN[2:]))
    clock = Clock()
    await watched(gateway, clock=clock)
    assert clock.slept[:4] == sorted(clock.slept[:4])
    assert clock.slept[4] == clock.slept[0]


async def test_it_gives_up_after_its_patience_and_says_where_it_was():
    clock = Clock()
    with pytest.raises(ConnectionLostError) as caught:
        await watched(Gateway(stream(*RUN[:2], cut=True)), clock=clock, give_up_after_s=20.0)
    assert caught.value.cursor == "3-11-1"
    assert 20.0 <= clock.at < 40.0


@pytest.mark.parametrize("status", [400, 401, 404, 410, 500])
async def test_what_asking_again_does_not_change_is_raised_at_once(status):
    gateway = Gateway(problem(status, code="cursor_expired"))
    with pytest.raises(ApiError) as caught:
        await watched(gateway)
    assert (caught.value.status, caught.value.code) == (status, "cursor_expired")
    assert len(gateway.requests) == 1


@pytest.mark.parametrize("status", [429, 502, 503, 504])
async def test_what_may_change_is_asked_again(status):
    clock = Clock()
    gateway = Gateway(problem(status, headers={"retry-after": "9"}), stream(*RUN))
    assert told(await watched(gateway, clock=clock)) == TOLD
    assert clock.slept[0] >= 9


async def test_after_the_end_there_is_nothing():
    gateway = Gateway(problem(204))
    assert await watched(gateway, cursor="3-14-2") == []
    assert len(gateway.requests) == 1


async def test_what_is_no_stream_is_not_read_as_one():
    answer = problem(200)
    with pytest.raises(ApiError, match="expected a stream"):
        await watched(Gateway(answer))


@pytest.mark.parametrize("data", [b"data: {\n\n", b"data: [1]\n\n"])
async def test_what_cannot_be_read_is_told(data):
    with pytest.raises(ProtocolError):
        await watched(Gateway(stream(b"id: 1-1-1\nevent: token\n", data)))


async def test_leaving_closes_the_connection():
    closed = []

    class Watched(Gateway):
        async def handle_async_request(self, request):
            answer = await super().handle_async_request(request)
            close = answer.stream.aclose

            async def aclose():
                closed.append(True)
                await close()

            answer.stream.aclose = aclose
            return answer

    async with Facilitair("http://x", transport=Watched(stream(*RUN))) as client:
        events = client.stream("c1")
        await anext(events)
        await events.aclose()
        assert closed == [True]
