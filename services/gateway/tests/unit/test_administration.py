"""Tenants and keys over HTTP: what is kept, what is refused, and who knows of it."""

import json
from typing import Any

import httpx
import pytest
from structlog.testing import capture_logs

from facilitair_events.topics import TENANTS
from facilitair_gateway.settings import GatewaySettings
from facilitair_runtime.errors import SettingsError
from facilitair_runtime.settings import describe, load
from facilitair_testing.eventually import eventually

ADMIN_KEY = "an-operators-key-of-enough-length"


def bearer(key: str) -> dict[str, str]:
    return {"authorization": f"Bearer {key}"}


async def me(http: httpx.AsyncClient, key: str | None = None) -> dict[str, Any]:
    answer = await http.get("/v1/me", headers=bearer(key) if key else {})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def client(gateway) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=gateway.url, timeout=60)


async def test_who_asks_is_told_as_what(http, keyring) -> None:
    assert await me(http) == {
        "tenant": "local", "actor": "local", "key_id": None, "project": "default",
        "scopes": ["read", "write", "admin"], "access": "open",
    }  # fmt: skip
    await keyring.begin()
    key = await keyring.tenant("acme", project="ci")
    assert await me(http, key) == {
        "tenant": "acme", "actor": f"key-{keyring.ids[key]}", "key_id": keyring.ids[key],
        "project": "ci", "scopes": ["read", "write"], "access": "keys",
    }  # fmt: skip


async def test_a_key_is_shown_once_and_the_log_has_only_its_digest(http, keyring, stage) -> None:
    await keyring.begin()
    key = await keyring.issue(label="for CI", scopes=["read", "read"])
    listed = (await http.get("/v1/admin/keys", headers=bearer(keyring.admin))).json()
    shown = {row["id"]: row for row in listed["data"]}[keyring.ids[key]]
    assert (shown["label"], shown["scopes"], shown["status"]) == ("for CI", ["read"], "active")
    assert shown["created_by"] == f"key-{keyring.ids[keyring.admin]}"
    assert "key" not in shown
    secret = key[-72:-8]
    records = await stage.records(TENANTS)
    assert len(records) == 2
    for record in records:
        assert secret.encode() not in b"".join(value for _, value in record.headers)
        assert secret.encode() not in (record.key or b"") + (record.value or b"")


async def test_the_canary_secret_of_a_key_is_in_no_log_no_error_and_no_record(
    http, keyring, stage, orchestrator
) -> None:
    with capture_logs() as logs:
        await keyring.begin()
        key = await keyring.issue()
        secret = key[-72:-8]
        seen = [
            await http.get(f"/v1/admin/keys/{key}", headers=bearer(keyring.admin)),
            await http.delete(f"/v1/admin/keys/{key}", headers=bearer(keyring.admin)),
            await http.get(f"/{key}", headers=bearer(key)),
            await http.get(f"/v1/collaborations/{key}", headers=bearer(key)),
            await http.get(f"/v1/collaborations/{key}/stream", headers=bearer(key)),
            await http.get("/v1/me", headers=bearer(key[:-1])),
            await http.get("/v1/me", headers={"authorization": f"Token {key}"}),
            await http.post(
                "/v1/admin/keys", json={"tenant": key, "x": 1}, headers=bearer(keyring.admin)
            ),
            await http.post("/v1/collaborations", json={"task": "x"}, headers=bearer(key)),
        ]
        await keyring.revoke(key)
    assert [answer.status_code for answer in seen] == [
        405, 404, 404, 404, 404, 401, 401, 422, 202,
    ]  # fmt: skip
    for answer in seen:
        assert secret[:16] not in answer.text + str(answer.headers)
    assert secret not in str(logs)
    for topic in await stage.sizes():
        for record in await stage.records(topic):
            assert secret.encode() not in (record.value or b"") + str(record.headers).encode()


async def test_keys_survive_a_restart(start, tmp_path) -> None:
    async with start(tmp_path) as gateway, client(gateway) as http:
        answer = await http.post("/v1/admin/keys", json={"scopes": ["admin"]})
        key = answer.json()["key"]
    async with start(tmp_path) as gateway, client(gateway) as http:
        assert (await http.get("/v1/me")).status_code == 401
        assert (await me(http, key))["tenant"] == "local"


async def test_another_gateway_on_the_log_knows_at_once(start, tmp_path) -> None:
    async with (
        start(tmp_path / "one") as one,
        start(tmp_path / "two") as two,
        client(one) as here,
        client(two) as there,
    ):
        answer = await here.post("/v1/admin/keys", json={"scopes": ["admin"]})
        key, ident = answer.json()["key"], answer.json()["id"]

        async def closed() -> bool:
            return (await there.get("/v1/me")).status_code == 401

        await eventually(closed, timeout_s=60, what="the other gateway to ask for a key")
        assert (await me(there, key))["key_id"] == ident
        second = await there.post("/v1/admin/keys", json={"scopes": ["admin"]}, headers=bearer(key))
        assert (await there.delete(f"/v1/admin/keys/{ident}", headers=bearer(key))).is_success

        async def revoked() -> bool:
            return (await here.get("/v1/me", headers=bearer(key))).status_code == 401

        await eventually(revoked, timeout_s=60, what="the first gateway to know of the end")
        assert (await me(here, second.json()["key"]))["access"] == "keys"


async def test_keys_overlap_so_that_they_can_be_rotated(http, keyring) -> None:
    await keyring.begin()
    old, new = await keyring.issue(label="old"), await keyring.issue(label="new")
    assert (await me(http, old))["tenant"] == (await me(http, new))["tenant"]
    await keyring.revoke(old)
    await keyring.revoke(old)
    assert (await http.get("/v1/me", headers=bearer(old))).status_code == 401
    assert (await me(http, new))["access"] == "keys"


@pytest.mark.parametrize(
    "wish", [{}, {"scopes": ["read"]}, {"scopes": ["admin"], "expires_in_s": 9}]
)
async def test_the_first_key_must_be_able_to_create_others_for_ever(http, wish) -> None:
    answer = await http.post("/v1/admin/keys", json=wish)
    assert (answer.status_code, answer.json()["code"]) == (409, "admin_key_first")
    assert (await me(http))["access"] == "open"


async def test_the_last_key_that_can_administer_cannot_be_ended(http, keyring) -> None:
    await keyring.begin()
    for scopes in (["write"], ["admin"]):
        await keyring.issue(scopes=scopes, expires_in_s=3600 if scopes == ["admin"] else None)
    path = f"/v1/admin/keys/{keyring.ids[keyring.admin]}"
    answer = await http.delete(path, headers=bearer(keyring.admin))
    assert (answer.status_code, answer.json()["code"]) == (409, "last_admin_key")
    second = await keyring.tenant("ops", scopes=["admin"])
    assert (await http.delete(path, headers=bearer(keyring.admin))).status_code == 200
    answer = await http.delete("/v1/admin/tenants/ops", headers=bearer(second))
    assert (answer.status_code, answer.json()["code"]) == (409, "last_admin_key")


async def test_tenants_are_created_listed_and_closed_for_good(http, keyring) -> None:
    await keyring.begin()
    admin = bearer(keyring.admin)
    body = {"tenant": "acme", "name": "Acme Ltd"}
    created = await http.post("/v1/admin/tenants", json=body, headers=admin)
    assert created.json()["status"] == "active"
    key = await keyring.issue(tenant="acme")
    assert (await http.delete("/v1/admin/tenants/acme", headers=admin)).json()["status"] == "closed"
    assert (await http.delete("/v1/admin/tenants/acme", headers=admin)).status_code == 200
    assert (await http.get("/v1/me", headers=bearer(key))).status_code == 401
    rows = (await http.get("/v1/admin/tenants", headers=admin)).json()["data"]
    assert [(row["tenant"], row["name"], row["status"]) for row in rows] == [
        ("acme", "Acme Ltd", "closed"),
        ("local", None, "active"),
    ]
    keys = (await http.get("/v1/admin/keys?tenant=acme", headers=admin)).json()["data"]
    assert [(row["id"], row["status"]) for row in keys] == [(keyring.ids[key], "tenant_closed")]
    again = await http.post("/v1/admin/tenants", json=body, headers=admin)
    assert (again.status_code, again.json()["code"]) == (409, "tenant_exists")
    late = await http.post("/v1/admin/keys", json={"tenant": "acme"}, headers=admin)
    assert (late.status_code, late.json()["code"]) == (422, "unknown_tenant")


@pytest.mark.parametrize("tenant", ["local", "platform"])
async def test_what_is_here_anyway_is_neither_created_nor_closed(http, tenant: str) -> None:
    assert (await http.post("/v1/admin/tenants", json={"tenant": tenant})).status_code == 409
    assert (await http.delete(f"/v1/admin/tenants/{tenant}")).status_code == 409


async def test_lists_come_in_pages(http, keyring) -> None:
    await keyring.begin()
    for _ in range(2):
        await keyring.issue()
    found, cursor = [], ""
    while cursor is not None:
        page = await http.get(
            f"/v1/admin/keys?limit=2&cursor={cursor}", headers=bearer(keyring.admin)
        )
        found += [row["id"] for row in page.json()["data"]]
        cursor = page.json()["next_cursor"]
    assert found == sorted(keyring.ids.values())


WRONG = [
    ("/v1/admin/tenants", {"tenant": "No!"}, "tenant"),
    ("/v1/admin/tenants", {"tenant": "a:b"}, "tenant"),
    ("/v1/admin/tenants", {"tenant": "a" * 65}, "tenant"),
    ("/v1/admin/tenants", {"tenant": 7}, "tenant"),
    ("/v1/admin/tenants", {"name": "x"}, "tenant"),
    ("/v1/admin/tenants", {"tenant": "a", "name": "x" * 201}, "name"),
    ("/v1/admin/keys", {"scopes": []}, "scopes"),
    ("/v1/admin/keys", {"scopes": ["root"]}, "scopes.0"),
    ("/v1/admin/keys", {"label": "x" * 201}, "label"),
    ("/v1/admin/keys", {"expires_in_s": 0}, "expires_in_s"),
    ("/v1/admin/keys", {"expires_in_s": 10**12}, "expires_in_s"),
    ("/v1/admin/keys", {"expires_in_s": True}, "expires_in_s"),
    ("/v1/admin/keys", {"project": "a b"}, "project"),
    ("/v1/admin/keys", {"tenant": "nobody", "scopes": ["admin"]}, "tenant"),
    ("/v1/admin/keys", {"secret": "mine"}, "secret"),
]


@pytest.mark.parametrize("path", ["/v1/admin/tenants", "/v1/admin/keys"])
async def test_wrong_wishes_are_refused_with_the_field_and_nothing_is_written(
    http, stage, path: str
) -> None:
    for _, body, field in (row for row in WRONG if row[0] == path):
        answer = await http.post(path, json=body)
        assert answer.status_code == 422, body
        assert field in {fault["field"] for fault in answer.json()["errors"]}, body
    assert (await stage.sizes())[TENANTS] == 0


async def test_keys_and_tenants_that_are_not_there_are_404(http) -> None:
    for path in ("keys/0000000000000000", "keys/x", "tenants/nobody"):
        assert (await http.delete(f"/v1/admin/{path}")).status_code == 404


async def test_a_request_is_filed_under_the_project_of_its_key(
    http, keyring, stage, orchestrator
) -> None:
    await keyring.begin()
    key = await keyring.issue(project="ci")
    for body in ({"task": "x"}, {"task": "x", "project": "mine"}):
        assert (await http.post("/v1/collaborations", json=body, headers=bearer(key))).is_success
    asked = [record for record in await stage.inbox() if hasattr(record, "project")]
    assert sorted(record.project for record in asked) == ["ci", "mine"]
    assert {record.actor for record in asked} == {f"key-{keyring.ids[key]}"}


async def test_one_idempotency_key_of_two_tenants_is_two_collaborations(
    http, keyring, orchestrator
) -> None:
    await keyring.begin()
    keys = [await keyring.tenant("acme"), await keyring.tenant("globex")]
    answers = [
        await http.post(
            "/v1/collaborations",
            json={"task": "x"},
            headers=bearer(key) | {"idempotency-key": "same"},
        )
        for key in (*keys, keys[0])
    ]
    first, second, again = [answer.json()["id"] for answer in answers]
    assert first == again != second


async def test_no_body_says_whose_it_is(http, keyring, orchestrator) -> None:
    await keyring.begin()
    key = await keyring.tenant("acme")
    body = {"task": "x", "tenant": "local"}
    answer = await http.post("/v1/collaborations", json=body, headers=bearer(key))
    assert answer.status_code == 422


async def test_with_a_pepper_the_log_has_keyed_digests_and_other_peppers_know_nobody(
    start, tmp_path, stage
) -> None:
    pepper = "a pepper of enough length"
    async with start(tmp_path, key_pepper=pepper) as gateway, client(gateway) as http:
        key = (await http.post("/v1/admin/keys", json={"scopes": ["admin"]})).json()["key"]
        assert (await me(http, key))["access"] == "keys"
        [record] = await stage.records(TENANTS)
        assert json.loads(record.value)["algorithm"] == "hmac-sha256"
    async with start(tmp_path, key_pepper=pepper + "!") as gateway, client(gateway) as http:
        assert (await http.get("/v1/me", headers=bearer(key))).status_code == 401
    async with start(tmp_path) as gateway, client(gateway) as http:
        assert (await http.get("/v1/me", headers=bearer(key))).status_code == 401


async def test_the_operators_key_needs_no_other_and_outlives_all(start, tmp_path) -> None:
    async with start(tmp_path, admin_key=ADMIN_KEY) as gateway, client(gateway) as http:
        assert (await http.get("/v1/me")).status_code == 401
        operator = bearer(ADMIN_KEY)
        answer = await http.post("/v1/admin/keys", json={}, headers=operator)
        assert answer.status_code == 201
        path = f"/v1/admin/keys/{answer.json()['id']}"
        assert (await http.delete(path, headers=operator)).json()["status"] == "revoked"
        assert (await me(http, ADMIN_KEY))["actor"] == "operator"


async def test_new_keys_name_the_environment(start, tmp_path) -> None:
    async with start(tmp_path, environment="prod") as gateway, client(gateway) as http:
        key = (await http.post("/v1/admin/keys", json={"scopes": ["admin"]})).json()["key"]
        assert key.startswith("fac_prod_")


def test_secret_settings_are_checked_and_never_shown(monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("FACILITAIR_HOME", str(tmp_path))
    monkeypatch.setenv("FACILITAIR_GATEWAY_ADMIN_KEY", "too short")
    monkeypatch.setenv("FACILITAIR_GATEWAY_KEY_PEPPER", "short too")
    monkeypatch.setenv("FACILITAIR_GATEWAY_ENVIRONMENT", "Not One")
    with pytest.raises(SettingsError) as wrong:
        load(GatewaySettings)
    for name in ("ADMIN_KEY", "KEY_PEPPER", "ENVIRONMENT"):
        assert f"FACILITAIR_GATEWAY_{name}" in str(wrong.value)
    assert "too short" not in str(wrong.value)
    assert "short too" not in str(wrong.value)
    monkeypatch.setenv("FACILITAIR_GATEWAY_ENVIRONMENT", "prod")
    monkeypatch.setenv("FACILITAIR_GATEWAY_ADMIN_KEY", ADMIN_KEY)
    monkeypatch.setenv("FACILITAIR_GATEWAY_KEY_PEPPER", ADMIN_KEY)
    assert ADMIN_KEY not in str(describe(load(GatewaySettings)))
