"""Keys that tenants bring for providers over HTTP: written by their admins, read by nobody."""

import base64
import json
from typing import Any

import httpx
import msgspec
import pytest
from structlog.testing import capture_logs

from facilitair_events.codec import decode
from facilitair_events.envelope import from_headers
from facilitair_events.topics import CREDENTIALS
from facilitair_llm.endpoints import Endpoint, Endpoints
from facilitair_llm.sealing import MasterKeys, Sealed

MASTER = MasterKeys([b"m" * 32])
ENDPOINTS = Endpoints(
    by_provider={
        name: Endpoint(provider=name, base_url="http://127.0.0.1:9/v1")
        for name in ("simulator", "openai")
    },
    default_provider="simulator",
    master_keys=MASTER,
)
KEY = "sk-CANARY0123456789abcdefX7q_"
PATH = "/v1/providers/openai/key"


def bearer(key: str) -> dict[str, str]:
    return {"authorization": f"Bearer {key}"}


@pytest.fixture
async def http(start, tmp_path):
    async with (
        start(tmp_path, endpoints=ENDPOINTS) as gateway,
        httpx.AsyncClient(base_url=gateway.url, timeout=60) as client,
    ):
        yield client


@pytest.fixture
async def acme(http, keyring) -> dict[str, str]:
    """The headers of an admin of tenant acme."""
    await keyring.begin()
    return bearer(await keyring.tenant("acme", scopes=["admin"]))


async def put(http: httpx.AsyncClient, who: dict[str, str], key: Any = KEY) -> httpx.Response:
    return await http.put(PATH, json={"key": key}, headers=who)


async def test_a_key_is_set_shown_by_its_end_and_removed(http, acme) -> None:
    answer = await put(http, acme)
    assert answer.status_code == 200, answer.text
    shown = answer.json()
    assert (shown["provider"], shown["last_four"], shown["opens"]) == ("openai", "X7q_", True)
    assert shown["set_by"].startswith("key-")
    assert (await http.get(PATH, headers=acme)).json() == shown
    assert KEY[:-4] not in answer.text
    gone = await http.delete(PATH, headers=acme)
    assert (gone.status_code, gone.json()["provider"]) == (200, "openai")
    for method in ("GET", "DELETE"):
        missing = await http.request(method, PATH, headers=acme)
        assert (missing.status_code, missing.json()["code"]) == (404, "provider_key_not_found")
        assert "facilitair providers set-key openai" in missing.json()["detail"]


async def test_a_list_shows_every_provider_with_the_tenants_own_key(http, acme, keyring) -> None:
    await put(http, acme)
    for who, own in ((acme, True), (bearer(keyring.admin), False)):
        rows = (await http.get("/v1/providers", headers=who)).json()["data"]
        assert [(row["provider"], row["key"] is not None) for row in rows] == [
            ("openai", own), ("simulator", False)
        ]  # fmt: skip
        assert KEY[:-4] not in json.dumps(rows)


async def test_a_tenants_key_is_nobody_elses(http, acme, keyring) -> None:
    await put(http, acme)
    other = bearer(await keyring.tenant("other", scopes=["admin"]))
    assert (await http.get(PATH, headers=other)).status_code == 404
    assert (await http.delete(PATH, headers=other)).status_code == 404
    assert (await put(http, other, "sk-of-other-0123456789")).status_code == 200
    assert (await http.get(PATH, headers=acme)).json()["last_four"] == "X7q_"


async def test_the_log_has_it_sealed_for_this_tenant_and_provider(http, acme, stage) -> None:
    await put(http, acme)
    await put(http, acme, "sk-second-0123456789")
    await http.delete(PATH, headers=acme)
    records = await stage.records(CREDENTIALS)
    types = ["credential.stored", "credential.stored", "credential.removed"]
    assert [r.key for r in records] == [b"acme:openai"] * 3
    assert [from_headers(r.headers).type for r in records] == [f"facilitair.{t}.v1" for t in types]
    for record in records:
        held = (record.key or b"") + (record.value or b"") + b"".join(v for _, v in record.headers)
        for form in (KEY.encode(), base64.b64encode(KEY.encode()), KEY.encode().hex().encode()):
            assert form not in held
    stored: Any = decode("facilitair.credential.stored.v1", records[0].value or b"")
    sealed = Sealed(
        master_key_id=stored.master_key_id, nonce=stored.nonce, ciphertext=stored.ciphertext
    )
    assert MASTER.unseal(sealed, tenant="acme", provider="openai").reveal() == KEY
    nonces = {decode("facilitair.credential.stored.v1", r.value or b"").nonce for r in records[:2]}
    assert len(nonces) == 2


@pytest.mark.parametrize(
    ("key", "told"),
    [
        ("", "'key'"),
        ("   ", "it is empty"),
        ("two\nlines-of-a-key", "it has characters that no key has"),
        (f"Bearer {KEY}", "it has characters that no key has"),
        ("k\u00e9y-0123456789abcdef", "it has characters that no key has"),
        ("x" * 5000, "'key' is too long"),
        (7, "'key' must be a string"),
    ],
)
async def test_what_is_no_key_is_refused_and_not_quoted(http, acme, stage, key, told) -> None:
    answer = await put(http, acme, key)
    assert answer.status_code == 422
    assert told in answer.text
    assert len(str(key)) < 2 or str(key) not in answer.text
    assert await stage.records(CREDENTIALS) == []


@pytest.mark.parametrize(
    ("key", "hint"), [("k-5", ""), ("x" * 15, ""), ("x" * 12 + "abcd", "abcd")]
)
async def test_of_a_short_key_nothing_is_shown(http, acme, key: str, hint: str) -> None:
    assert (await put(http, acme, f" {key}\n")).json()["last_four"] == hint


@pytest.mark.parametrize("name", ["azure", "OpenAI", "a%2Fb", "..", "a%3Ab"])
async def test_a_provider_that_is_not_set_up_here_is_not_there(http, acme, stage, name) -> None:
    answer = await http.put(f"/v1/providers/{name}/key", json={"key": KEY}, headers=acme)
    assert answer.status_code in {404, 405}
    if answer.json()["code"] == "provider_not_found":
        assert "there is openai, simulator" in answer.json()["detail"]
    assert await stage.records(CREDENTIALS) == []


async def test_without_a_master_key_nothing_is_taken(start, tmp_path, stage) -> None:
    bare = msgspec.structs.replace(ENDPOINTS, master_keys=MasterKeys())
    async with (
        start(tmp_path, endpoints=bare) as gateway,
        httpx.AsyncClient(base_url=gateway.url, timeout=60) as client,
    ):
        answer = await put(client, {})
        assert (answer.status_code, answer.json()["code"]) == (409, "master_key_missing")
        assert "FACILITAIR_MASTER_KEY is not set; make one with" in answer.json()["detail"]
        assert await stage.records(CREDENTIALS) == []


async def test_a_gateway_with_another_master_key_says_so(start, tmp_path) -> None:
    for keys, opens in (([b"m" * 32], True), ([b"o" * 32], False), ([b"o" * 32, b"m" * 32], True)):
        here = msgspec.structs.replace(ENDPOINTS, master_keys=MasterKeys(keys))
        async with (
            start(tmp_path, endpoints=here) as gateway,
            httpx.AsyncClient(base_url=gateway.url, timeout=60) as client,
        ):
            if opens and len(keys) == 1:
                await put(client, {})
            assert (await client.get(PATH)).json()["opens"] == opens


async def test_the_key_is_in_no_log_line_and_no_answer(http, acme) -> None:
    with capture_logs() as logs:
        answers = [
            await put(http, acme),
            await http.put(PATH, json={"key": KEY, "more": KEY}, headers=acme),
            await http.put(PATH, content=f'{{"key": "{KEY}', headers=acme),
            await http.put(f"/v1/providers/{KEY}/key", json={"key": "x"}, headers=acme),
            await http.put(PATH, params={"key": KEY}, json={}, headers=acme),
            await http.get(PATH, headers=acme),
            await http.delete(PATH, headers=acme),
        ]
    assert KEY[:-4] not in json.dumps(logs, default=str)
    for answer in answers:
        assert KEY[:-4] not in answer.text
    assert {"provider key set", "provider key removed"} <= {line["event"] for line in logs}
