"""X01 over WebSocket: who may open one, what it may say, and when it ends with its key."""

import asyncio
import json

import pytest
from websockets.exceptions import InvalidStatus

from services.gateway.tests.watching import messages_of, socket


def bearer(key: str | None) -> dict[str, str]:
    return {} if key is None else {"authorization": f"Bearer {key}"}


@pytest.fixture
async def mine(submit) -> str:
    ident: str = (await submit())["id"]
    return ident


async def test_x01_a_socket_is_refused_to_strangers_in_one_form_of_words(
    http, keyring, gateway, mine
) -> None:
    await keyring.begin()
    good, gone = await keyring.issue(), await keyring.issue()
    await keyring.revoke(gone)
    words = set()
    for key in (good[:-1], gone, await keyring.expired(), "nonsense"):
        with pytest.raises(InvalidStatus) as refused:
            async with socket(gateway.url, mine, additional_headers=bearer(key)):
                pass
        response = refused.value.response
        assert response.status_code == 401
        assert response.headers["www-authenticate"] == "Bearer"
        words.add(json.loads(response.body)["detail"])
    assert len(words) == 1
    with pytest.raises(InvalidStatus) as refused:
        async with socket(gateway.url, mine):
            pass
    assert json.loads(refused.value.response.body)["code"] == "key_missing"


async def test_x01_anothers_collaboration_is_not_there(keyring, gateway, mine) -> None:
    await keyring.begin()
    theirs = await keyring.tenant("acme")
    async with socket(gateway.url, mine, additional_headers=bearer(theirs)) as connection:
        (told,), code = await messages_of(connection)
    assert (told["code"], code) == ("not_found", 4404)


async def test_x01_who_may_only_read_cannot_cancel(keyring, gateway, mine) -> None:
    await keyring.begin()
    reader = await keyring.issue(scopes=["read"])
    async with socket(gateway.url, mine, additional_headers=bearer(reader)) as connection:
        await connection.send(json.dumps({"type": "cancel"}))
        while (told := json.loads(await connection.recv()))["event"] != "error":
            assert told["event"] != "collaboration.cancelled"
    assert told["code"] == "scope_missing"


async def test_a_revoked_key_closes_its_sockets(keyring, gateway, mine) -> None:
    await keyring.begin()
    key = await keyring.issue()
    async with socket(gateway.url, mine, additional_headers=bearer(key)) as connection:
        await connection.recv()
        await keyring.revoke(key)
        messages, code = await asyncio.wait_for(messages_of(connection), 60)
    assert code == 4401
    assert messages[-1]["code"] == "key_invalid"
