"""A key that ends takes the streams with it that it opened, and no others."""

import asyncio
from contextlib import asynccontextmanager

import httpx
import pytest

from facilitair_testing.eventually import eventually

SOON_S = 60.0


def bearer(key: str) -> dict[str, str]:
    return {"authorization": f"Bearer {key}"}


class Watching:
    """A stream that is read in the background; ``over`` once the server has ended it."""

    def __init__(self) -> None:
        self.over = False
        self.lines: list[str] = []


@asynccontextmanager
async def watching(http: httpx.AsyncClient, ident: str, key: str | None):
    seen = Watching()
    path = f"/v1/collaborations/{ident}/stream"

    async def read() -> None:
        headers = bearer(key) if key else {}
        async with http.stream("GET", path, headers=headers) as response:
            assert response.status_code == 200, await response.aread()
            async for line in response.aiter_lines():
                seen.lines.append(line)
        seen.over = True

    task = asyncio.create_task(read())
    try:
        await eventually(lambda: seen.lines or task.done(), what="the stream to begin")
        yield seen
    finally:
        task.cancel()
        await asyncio.wait([task])


async def is_over(seen: Watching, what: str) -> None:
    await eventually(lambda: seen.over, timeout_s=SOON_S, what=f"the stream to end after {what}")
    assert not any("completed" in line for line in seen.lines)


async def submitted(http: httpx.AsyncClient, key: str) -> str:
    answer = await http.post("/v1/collaborations", json={"task": "x"}, headers=bearer(key))
    assert answer.status_code == 202, answer.text
    ident: str = answer.json()["id"]
    return ident


@pytest.mark.usefixtures("orchestrator")
async def test_a_revoked_key_ends_its_live_streams_and_no_others(http, keyring, stage) -> None:
    await keyring.begin()
    leaving, staying = await keyring.issue(), await keyring.issue()
    ident = await submitted(http, leaving)
    async with watching(http, ident, leaving) as one, watching(http, ident, staying) as other:
        await keyring.revoke(leaving)
        await is_over(one, "the revocation")
        heard = len(other.lines)
        await stage.write(stage.token(ident, 0, "still here"))
        await eventually(lambda: len(other.lines) > heard, what="the other stream to go on")
        assert not other.over
        assert not any("still here" in line for line in one.lines)
    path = f"/v1/collaborations/{ident}/stream"
    assert (await http.get(path, headers=bearer(leaving))).status_code == 401


@pytest.mark.usefixtures("orchestrator")
async def test_an_expired_key_and_one_of_a_closed_tenant_end_theirs(http, keyring) -> None:
    await keyring.begin()
    short, closed = await keyring.issue(expires_in_s=4), await keyring.tenant("acme")
    mine, theirs = await submitted(http, short), await submitted(http, closed)
    async with watching(http, mine, short) as one, watching(http, theirs, closed) as other:
        await is_over(one, "the expiry")
        assert not other.over
        await keyring.close("acme")
        await is_over(other, "the closing")


async def test_the_first_key_ends_streams_that_needed_none(http, keyring, submit, gateway) -> None:
    ident = (await submit())["id"]
    async with watching(http, ident, None) as seen:
        await keyring.begin()
        await is_over(seen, "the first key")
    await eventually(lambda: gateway.hub.viewers == 0, what="the view to be freed")


async def test_a_key_that_another_gateway_revokes_ends_streams_here(start, tmp_path, act) -> None:
    async with (
        act(),
        start(tmp_path / "one") as one,
        start(tmp_path / "two") as two,
        httpx.AsyncClient(base_url=one.url, timeout=60) as here,
        httpx.AsyncClient(base_url=two.url, timeout=60) as there,
    ):
        answer = await here.post("/v1/admin/keys", json={"scopes": ["admin"]})
        admin = bearer(answer.json()["key"])
        issued = (await here.post("/v1/admin/keys", json={}, headers=admin)).json()
        ident = await submitted(here, issued["key"])

        async def known() -> bool:
            return (await there.get("/v1/me", headers=bearer(issued["key"]))).is_success

        await eventually(known, what="the other gateway to know the key")
        async with watching(here, ident, issued["key"]) as seen:
            path = f"/v1/admin/keys/{issued['id']}"
            assert (await there.delete(path, headers=admin)).status_code == 200
            await is_over(seen, "the revocation elsewhere")
