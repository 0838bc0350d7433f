"""Keys on WebSockets: none, one that may only read, one that ends while it is used."""

import json

import pytest
from websockets.exceptions import InvalidStatus

from services.gateway.tests.watching import heard, messages_of, socket, tell


def bearer(key: str) -> dict[str, str]:
    return {"authorization": f"Bearer {key}"}


async def test_without_a_key_it_is_refused_with_the_problem(submit, gateway, keyring) -> None:
    ident = (await submit())["id"]
    await keyring.begin()
    with pytest.raises(InvalidStatus) as refused:
        await socket(gateway.url, ident)
    assert refused.value.response.status_code == 401
    assert json.loads(refused.value.response.body)["code"] == "key_missing"


async def test_a_key_that_may_only_read_watches_and_cancels_nothing(
    submit, gateway, keyring
) -> None:
    ident = (await submit())["id"]
    await keyring.begin()
    key = await keyring.issue(scopes=["read"])
    async with socket(gateway.url, ident, additional_headers=bearer(key)) as connection:
        assert (await heard(connection))["event"] == "collaboration.accepted"
        await tell(connection, type="cancel")
        while (told := await heard(connection))["event"] != "error":
            pass
        assert told["code"] == "scope_missing"


async def test_a_collaboration_of_another_tenant_does_not_exist(submit, gateway, keyring) -> None:
    ident = (await submit())["id"]
    await keyring.begin()
    key = await keyring.tenant("elsewhere", scopes=["write"])
    async with socket(gateway.url, ident, additional_headers=bearer(key)) as connection:
        (told,), code = await messages_of(connection)
    assert (told["code"], code) == ("not_found", 4404)


@pytest.mark.parametrize("cursor", [None, "none"])
async def test_a_key_that_is_revoked_closes_its_sockets_with_4401(
    submit, gateway, keyring, cursor
) -> None:
    ident = (await submit())["id"]
    await keyring.begin()
    key = await keyring.issue(scopes=["read"])
    headers = bearer(key)
    async with socket(gateway.url, ident, cursor, additional_headers=headers) as connection:
        await connection.ping()
        await keyring.revoke(key)
        told, code = await messages_of(connection)
    assert (told[-1]["code"], code) == ("key_invalid", 4401)
