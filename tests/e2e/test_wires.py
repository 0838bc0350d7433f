"""Both wires and every gateway show the same, however often a viewer breaks off."""

import asyncio
import random
from collections.abc import Sequence
from contextlib import suppress

import pytest
from websockets.exceptions import ConnectionClosed

from facilitair_client.client import Facilitair
from facilitair_testing.eventually import eventually
from facilitair_testing.fleet import FleetSystem
from facilitair_testing.patient_http import patient
from facilitair_testing.promises import promised
from facilitair_testing.solo import SoloProcess
from services.gateway.tests.watching import (
    Frame,
    frame_of,
    frames_of,
    heard,
    socket,
    tell,
    watch,
    watch_socket,
    watching,
)

pytestmark = [pytest.mark.integration, pytest.mark.timeout(400)]

System = SoloProcess | FleetSystem
TASK = "Write a function that reverses a list, with tests"
HELD = f"{TASK} [[simulator:hang=headers]]"
"""It does not end by itself, however long it takes to cancel it."""

TERMINAL = "collaboration.completed"
VIEWERS = 4


async def submitted(system: System, workflow: str, *, task: str = TASK) -> str:
    async with Facilitair(system.url) as client:
        return (await client.submit(task, workflow=workflow)).id


async def some_of_a_stream(url: str, ident: str, cursor: str | None, *, at_most: int):
    found: list[Frame] = []
    async with (
        patient(url) as http,
        watching(http, ident, cursor) as response,
    ):
        async for frame in frames_of(response):
            found.append(frame)
            if len(found) == at_most:
                break
    return found


async def some_of_a_socket(url: str, ident: str, cursor: str | None, *, at_most: int):
    found: list[Frame] = []
    async with socket(url, ident, cursor) as connection:
        async for message in connection:
            found.append(frame_of(str(message)))
            if len(found) == at_most:
                connection.transport.abort()
                break
    return found


async def restless(urls: Sequence[str], ident: str, *, seed: int) -> list[Frame]:
    """What a viewer gets that drops its connection after a few frames, until the end.

    It comes back with the id of its last frame, to any gateway, over any wire.
    """
    chance = random.Random(seed)
    found: list[Frame] = []
    while not found or found[-1].kind != TERMINAL:
        read = chance.choice([some_of_a_stream, some_of_a_socket])
        cursor = found[-1].id if found else None
        found += await read(chance.choice(urls), ident, cursor, at_most=chance.randint(1, 25))
    return found


async def test_r31_viewers_that_drop_at_random_miss_nothing_and_see_nothing_twice(
    system: System,
) -> None:
    ident = await submitted(system, "code")
    seen = await asyncio.gather(*(restless(system.urls, ident, seed=n) for n in range(VIEWERS)))
    async with patient(system.url) as http:
        whole = await watch(http, ident)
    assert len(whole) > 30
    with promised("a viewer that drops at random misses nothing and sees nothing twice"):
        for frames in seen:
            shown = [(frame.id, frame.kind, frame.data) for frame in frames]
            assert shown == [(frame.id, frame.kind, frame.data) for frame in whole]


async def test_the_wires_of_all_gateways_carry_the_same_frames(system: System) -> None:
    ident = await submitted(system, "answer")
    live = await asyncio.gather(*(watch_socket(url, ident) for url in system.urls))
    shown = []
    for url in system.urls:
        async with patient(url) as http:
            shown.append(await watch(http, ident))
        shown.append((await watch_socket(url, ident))[0])
    assert [code for _, code in live] == [1000] * len(live)
    assert all(frames == shown[0] for frames, _ in live)
    assert all(frames == shown[0] for frames in shown)
    assert shown[0][-1].kind == TERMINAL


async def test_a_cancel_over_a_socket_ends_it_for_viewers_of_every_gateway(
    system: System,
) -> None:
    ident = await submitted(system, "code", task=HELD)
    watched = [asyncio.create_task(watch_socket(url, ident)) for url in system.urls]
    async with socket(system.urls[-1], ident, "none") as connection:
        await tell(connection, type="cancel", collaboration=ident, client_id="c1")
        answer = await heard(connection)
        assert (answer["event"], answer["type"], answer["outcome"]) == ("ack", "cancel", "accepted")
        await tell(connection, type="cancel", collaboration=ident, client_id="c1")
        again = await heard(connection)
        # Once it has ended, what it remembered of its clients is gone (R14).
        assert again.get("outcome") == "duplicate" or again["code"] == "already_ending"
    async with asyncio.timeout(60):
        ends = await asyncio.gather(*watched)
    assert {frames[-1].kind for frames, _ in ends} == {"collaboration.cancelled"}
    assert all(frames == ends[0][0] for frames, _ in ends)


async def test_keys_of_one_gateway_count_at_all(locked_system: System, admin_key: str) -> None:
    """Issued at the first, used and revoked at the last; an open socket of it ends with it."""
    first, last = locked_system.urls[0], locked_system.urls[-1]
    admin = {"authorization": f"Bearer {admin_key}"}
    async with (
        patient(first) as one,
        patient(last) as other,
    ):
        tenant = await one.post("/v1/admin/tenants", json={"tenant": "acme"}, headers=admin)
        assert tenant.status_code == 201, tenant.text
        wish = {"tenant": "acme", "scopes": ["write"]}
        issued = (await one.post("/v1/admin/keys", json=wish, headers=admin)).json()
        acme = {"authorization": f"Bearer {issued['key']}"}

        async def known() -> bool:
            return (await other.get("/v1/me", headers=acme)).status_code == 200

        await eventually(known, timeout_s=60, what="the key at the other gateway")
        assert (await other.get("/v1/me")).status_code == 401
        body = {"task": HELD, "workflow": "code"}
        ident = (await other.post("/v1/collaborations", json=body, headers=acme)).json()["id"]
        foreign = await other.get(f"/v1/collaborations/{ident}", headers=admin)
        assert foreign.status_code == 404
        async with socket(last, ident, additional_headers=acme) as connection:
            assert (await heard(connection))["collaboration"] == ident
            gone = await one.delete(f"/v1/admin/keys/{issued['id']}", headers=admin)
            assert gone.status_code == 200
            # Whoever reads nothing does not get to the end either.
            with suppress(ConnectionClosed):
                async with asyncio.timeout(60):
                    while True:
                        await connection.recv()
            assert connection.close_code == 4401
        assert (await other.get("/v1/me", headers=acme)).status_code == 401
