"""WebSockets over real sockets: the same events as the stream, and what clients may say."""

import asyncio
import json
import random
from decimal import Decimal

import httpx
import pytest
from websockets.exceptions import InvalidStatus

from facilitair_events.requests import CancelRequested, ResumeRequested
from facilitair_gateway.settings import SocketsGroup
from facilitair_testing.eventually import eventually
from services.gateway.tests.watching import (
    Frame,
    ended_by_cancel,
    frame_of,
    frames_of,
    heard,
    messages_of,
    played,
    socket,
    tell,
    watch,
    watch_socket,
    watching,
)

UNKNOWN = "01900000-0000-7000-8000-000000000000"


@pytest.fixture
def play(http, stage, orchestrator):
    async def to_the_end(**more) -> str:
        return await played(http, stage, orchestrator, **more)

    return to_the_end


async def test_both_wires_have_the_same_frames(play, http, gateway) -> None:
    ident = await play(repeats=True)
    streamed = await watch(http, ident)
    frames, code = await watch_socket(gateway.url, ident)
    assert frames == streamed
    assert code == 1000
    await eventually(lambda: gateway.hub.viewers == 0, what="the views to be closed")


async def test_both_wires_have_the_same_frames_live(
    submit, http, gateway, stage, orchestrator
) -> None:
    ident = (await submit())["id"]
    over = asyncio.gather(watch(http, ident), watch_socket(gateway.url, ident))
    await eventually(lambda: gateway.hub.viewers == 2, what="both viewers")
    for index in range(50):
        await stage.write(stage.token(ident, index, 'ü€ "quoted" 𝄞'))
    await ended_by_cancel(http, stage, orchestrator, ident=ident)
    streamed, (frames, code) = await asyncio.wait_for(over, 60)
    assert frames == streamed
    assert sum(frame.kind == "token" for frame in frames) == 50
    assert code == 1000


async def test_r31_a_resume_at_every_frame_boundary_gives_the_rest(play, http, gateway) -> None:
    ident = await play()
    frames = await watch(http, ident)
    for boundary, frame in enumerate(frames, start=1):
        found = await watch_socket(gateway.url, ident, frame.id)
        assert found == (frames[boundary:], 1000)
        async with socket(gateway.url, ident, "none") as connection:
            await tell(connection, type="subscribe", collaboration=ident, cursor=frame.id)
            answer = await heard(connection)
            assert (answer["event"], answer["type"]) == ("ack", "subscribe")
            if boundary == len(frames):
                assert answer["outcome"] == "finished"
                continue
            assert answer["outcome"] == "subscribed"
            rest, code = await messages_of(connection)
        assert [one["id"] for one in rest] == [one.id for one in frames[boundary:]]
        assert code == 1000


@pytest.mark.parametrize("seed", range(4))
async def test_r31_dropped_at_random_and_resumed_on_another_gateway_over_another_wire(
    play, http, gateway, start, tmp_path, seed
) -> None:
    chance = random.Random(seed)
    ident = await play(tokens=40)
    whole = await watch(http, ident)
    async with start(tmp_path / "other", member="gateway-1") as other:
        found: list[Frame] = []
        while not found or found[-1] != whole[-1]:
            cursor = found[-1].id if found else None
            url = chance.choice([gateway.url, other.url])
            read = chance.choice([_some_of_a_stream, _some_of_a_socket])
            found += await read(url, ident, cursor=cursor, at_most=chance.randint(1, 12))
    assert found == whole


async def _some_of_a_stream(url, ident, *, cursor, at_most) -> list[Frame]:
    found = []
    async with (
        httpx.AsyncClient(base_url=url, timeout=60) as http,
        watching(http, ident, cursor) as response,
    ):
        async for frame in frames_of(response):
            found.append(frame)
            if len(found) == at_most:
                break
    return found


async def _some_of_a_socket(url, ident, *, cursor, at_most) -> list[Frame]:
    found = []
    async with socket(url, ident, cursor) as connection:
        async for message in connection:
            found.append(frame_of(str(message)))
            if len(found) == at_most:
                connection.transport.abort()
                break
    return found


async def test_a_cancel_is_acknowledged_and_a_repeat_is_a_duplicate(
    submit, gateway, stage, orchestrator
) -> None:
    ident = (await submit())["id"]
    async with socket(gateway.url, ident, "none") as connection:
        for outcome in ("accepted", "duplicate"):
            await tell(connection, type="cancel", client_id="mine", reason="enough")
            answer = await heard(connection)
            assert answer.pop("status")
            assert answer == {
                "event": "ack",
                "type": "cancel",
                "collaboration": ident,
                "client_id": "mine",
                "outcome": outcome,
            }
        for step in list(orchestrator.states[ident].steps.values()):
            if step.open:
                await stage.report(ident, step.path, "stopped")
        await eventually(lambda: orchestrator.states[ident].status == "cancelled", what="the end")
        await tell(connection, type="cancel", client_id="late")
        answer = await heard(connection)
        assert (answer["event"], answer["client_id"]) == ("error", "late")
        assert answer["code"]
    asked = [one for one in await stage.inbox() if isinstance(one, CancelRequested)]
    assert [one.reason for one in asked] == ["enough", "enough", None]


async def test_a_resume_is_a_record_with_its_budget(gateway, stage, silence) -> None:
    async with socket(gateway.url, UNKNOWN, "none") as connection:
        await tell(connection, type="resume", budget="2.50", client_id="mine")
        answer = await heard(connection)
        assert (answer["event"], answer["type"], answer["outcome"]) == ("ack", "resume", "queued")
    (asked,) = [one for one in await stage.inbox() if isinstance(one, ResumeRequested)]
    assert (asked.budget_usd, asked.client_id) == (Decimal("2.50"), "mine")


async def test_a_cancel_of_what_does_not_exist_is_an_error(submit, gateway) -> None:
    ident = (await submit())["id"]
    async with socket(gateway.url, ident, "none") as connection:
        await tell(connection, type="cancel", collaboration=UNKNOWN)
        answer = await heard(connection)
        assert (answer["event"], answer["code"]) == ("error", "not_found")
        assert answer["collaboration"] == UNKNOWN


@pytest.mark.parametrize(
    ("frame", "code", "said"),
    [
        ({"type": "pause"}, "frame_type_unknown", "cancel, resume, subscribe, unsubscribe"),
        ({}, "frame_type_unknown", "cancel, resume, subscribe, unsubscribe"),
        ({"type": ["cancel"]}, "frame_type_unknown", "cancel, resume, subscribe, unsubscribe"),
        ({"type": "cancel", "why": "x"}, "frame_invalid", "why"),
        ({"type": "cancel", "reason": 7}, "frame_invalid", "reason"),
        ({"type": "cancel", "reason": "x" * 1001}, "frame_invalid", "reason"),
        ({"type": "cancel", "client_id": "\n"}, "frame_invalid", "visible ASCII"),
        ({"type": "resume"}, "not_paused", "not paused"),
        ({"type": "resume", "budget": 0}, "frame_invalid", "more than 0"),
        ({"type": "resume", "budget": "much"}, "frame_invalid", "amount of USD"),
        ({"type": "resume", "client_id": "\n"}, "frame_invalid", "visible ASCII"),
        ({"type": "subscribe"}, "frame_invalid", "collaboration"),
        ({"type": "subscribe", "collaboration": UNKNOWN}, "not_found", "no collaboration"),
        ({"type": "subscribe", "collaboration": "x"}, "not_found", "no collaboration"),
        ({"type": "unsubscribe", "collaboration": UNKNOWN}, "not_subscribed", "does not send"),
    ],
)
async def test_a_frame_that_cannot_be_obeyed_is_answered_and_the_socket_goes_on(
    submit, gateway, frame, code, said
) -> None:
    ident = (await submit())["id"]
    async with socket(gateway.url, ident, "none") as connection:
        await tell(connection, **frame)
        answer = await heard(connection)
        assert (answer["event"], answer["code"]) == ("error", code)
        assert said in answer["message"]
        await tell(connection, type="subscribe", collaboration=ident)
        assert (await heard(connection))["outcome"] == "subscribed"


@pytest.mark.parametrize("message", ["{", "[]", "7", "", "[" * 60_000, b'{"type":"cancel"}'])
async def test_s10_what_is_no_frame_closes_with_1008(submit, gateway, message) -> None:
    ident = (await submit())["id"]
    async with socket(gateway.url, ident, "none") as connection:
        await connection.send(message)
        assert await messages_of(connection) == ([], 1008)
    await eventually(lambda: gateway.hub.viewers == 0, what="the view to be closed")


async def test_one_socket_watches_several_and_each_frame_names_its_own(
    play, submit, http, gateway
) -> None:
    first, second = await play(), await play()
    running = (await submit())["id"]
    async with socket(gateway.url, running) as connection:
        for ident in (first, second):
            await tell(connection, type="subscribe", collaboration=ident)
        found: dict[str, list[dict]] = {first: [], second: [], running: []}
        while not all(_is_over(found[ident]) for ident in (first, second)):
            told = await heard(connection)
            found[told["collaboration"]].append(told)
        for ident in (first, second):
            answer, *frames = found[ident]
            assert (answer["event"], answer["outcome"]) == ("ack", "subscribed")
            assert [one["id"] for one in frames] == [one.id for one in await watch(http, ident)]
        # They have ended, and the socket has not.
        await tell(connection, type="unsubscribe", collaboration=running)
        while (told := await heard(connection)).get("event") != "ack":
            assert told["collaboration"] == running
        assert told["outcome"] == "unsubscribed"
        assert gateway.hub.viewers == 0


def _is_over(frames: list[dict]) -> bool:
    return bool(frames) and frames[-1]["event"] == "collaboration.cancelled"


async def test_to_subscribe_again_is_to_read_on_from_elsewhere(play, submit, http, gateway) -> None:
    ident, running = await play(), (await submit())["id"]
    frames = await watch(http, ident)
    async with socket(gateway.url, running, "none") as connection:
        for boundary in (1, 4):
            cursor = frames[boundary - 1].id
            await tell(connection, type="subscribe", collaboration=ident, cursor=cursor)
            assert (await heard(connection))["outcome"] == "subscribed"
            assert (await heard(connection))["id"] == frames[boundary].id
            for frame in frames[boundary + 1 :]:
                assert (await heard(connection))["id"] == frame.id


async def test_a_bad_cursor_of_a_subscription_is_an_error_and_the_others_go_on(
    play, http, gateway
) -> None:
    mine, other = await play(), await play()
    theirs = await watch(http, other)
    async with socket(gateway.url, mine, "none") as connection:
        for cursor, code in ((theirs[1].id, "cursor_foreign"), ("x", "cursor_malformed")):
            await tell(connection, type="subscribe", collaboration=mine, cursor=cursor)
            answer = await heard(connection)
            assert (answer["event"], answer["code"]) == ("error", code)
            assert answer["collaboration"] == mine


async def test_too_many_subscriptions_close_with_4429(start, tmp_path, act) -> None:
    async with (
        act(),
        start(tmp_path, sockets=SocketsGroup(max_subscriptions=2)) as gateway,
        httpx.AsyncClient(base_url=gateway.url, timeout=60) as http,
    ):
        idents = [
            (await http.post("/v1/collaborations", json={"task": "x"})).json()["id"]
            for _ in range(3)
        ]
        async with socket(gateway.url, idents[0]) as connection:
            for ident in (*idents, idents[0]):
                await tell(connection, type="subscribe", collaboration=ident)
            _, code = await messages_of(connection)
        assert code == 4429
        await eventually(lambda: gateway.hub.viewers == 0, what="the views to be closed")


@pytest.mark.parametrize(
    ("cursor", "code", "problem"),
    [("x", 4400, "cursor_malformed"), ("0-99999-0", 4400, "cursor_foreign")],
)
async def test_s03_a_bad_cursor_closes_with_4400(submit, gateway, cursor, code, problem) -> None:
    ident = (await submit())["id"]
    async with socket(gateway.url, ident, cursor) as connection:
        (told,), closed = await messages_of(connection)
    assert (told["event"], closed) == ("error", code)
    assert told["code"] in {problem, "cursor_future"}
    assert told["collaboration"] == ident


@pytest.mark.parametrize("ident", [UNKNOWN, "nonsense"])
async def test_an_unknown_collaboration_closes_with_4404(gateway, orchestrator, ident) -> None:
    async with socket(gateway.url, ident) as connection:
        (told,), code = await messages_of(connection)
    assert (told["code"], code) == ("not_found", 4404)


async def test_s03_an_expired_cursor_closes_with_4410(
    play, http, gateway, log, clock, start, tmp_path
) -> None:
    ident = await play()
    frames = await watch(http, ident)
    clock.ahead_ms = 60 * 24 * 3600 * 1000
    await play()
    await log.clean()
    async with (
        start(tmp_path / "other", member="gateway-1") as other,
        socket(other.url, ident, frames[1].id) as connection,
    ):
        (told,), code = await messages_of(connection)
    assert (told["code"], code) == ("cursor_expired", 4410)


@pytest.mark.usefixtures("unanswered")
async def test_when_nobody_answers_it_closes_with_1013(gateway) -> None:
    async with socket(gateway.url, UNKNOWN) as connection:
        (told,), code = await messages_of(connection)
    assert (told["code"], code) == ("no_answer", 1013)


async def test_a_page_of_another_host_is_refused_before_the_socket_is(submit, gateway) -> None:
    ident = (await submit())["id"]
    async with socket(gateway.url, ident, origin=gateway.url) as connection:
        assert (await heard(connection))["event"] == "collaboration.accepted"
    foreign = gateway.url.rpartition(":")[0] + ":1"
    with pytest.raises(InvalidStatus) as refused:
        await socket(gateway.url, ident, origin=foreign)
    assert refused.value.response.status_code == 403
    assert json.loads(refused.value.response.body)["code"] == "origin_foreign"


async def test_listed_pages_are_welcome(start, tmp_path, act) -> None:
    page = "http://127.0.0.1:9999"
    async with (
        act(),
        start(tmp_path, sockets=SocketsGroup(allowed_origins=(page,))) as gateway,
        httpx.AsyncClient(base_url=gateway.url, timeout=60) as http,
    ):
        ident = (await http.post("/v1/collaborations", json={"task": "x"})).json()["id"]
        async with socket(gateway.url, ident, origin=page) as connection:
            assert (await heard(connection))["event"] == "collaboration.accepted"


async def test_what_is_no_handshake_and_what_is_no_socket_is_told(submit, http, gateway) -> None:
    ident = (await submit())["id"]
    response = await http.get(f"/v1/collaborations/{ident}/ws")
    assert (response.status_code, response.json()["code"]) == (426, "websocket_only")
    assert response.headers["upgrade"] == "websocket"
    with pytest.raises(InvalidStatus) as refused:
        await socket(gateway.url, f"{ident}/stream")
    assert refused.value.response.status_code == 404
    assert json.loads(refused.value.response.body)["code"] == "not_found"


async def test_s09_a_stopping_gateway_closes_with_1012(start, tmp_path, act) -> None:
    async with act(), httpx.AsyncClient(timeout=60) as http:
        async with start(tmp_path) as gateway:
            http.base_url = gateway.url
            ident = (await http.post("/v1/collaborations", json={"task": "x"})).json()["id"]
            watching_one = await socket(gateway.url, ident)
            idle = await socket(gateway.url, ident, "none")
            await eventually(lambda: gateway.hub.viewers == 1, what="the viewer")
        frames, code = await messages_of(watching_one)
        assert code == 1012
        assert frames[0]["event"] == "collaboration.accepted"
        assert await messages_of(idle) == ([], 1012)
