import json

import httpx
import pytest

from clients.python.tests.scripted_gateway import Gateway, problem
from facilitair_client import ApiError, ConnectionLostError, Facilitair, Patience

QUICK = Patience(give_up_after_s=0.5, first_s=0.001, longest_s=0.002)
KEY = {
    "id": "00ff", "tenant": "acme", "status": "active", "label": "ci", "scopes": ["write"],
    "project": None, "created_by": "local", "created_at": "2026-01-01T00:00:00Z",
    "expires_at": None, "later": 1,
}  # fmt: skip


def client_of(gateway):
    return Facilitair("http://x", "k", transport=gateway, request_patience=QUICK)


def answer(body, status=200):
    return httpx.Response(status, json=body)


async def test_a_key_is_asked_for_and_does_not_show_itself():
    gateway = Gateway(answer(KEY | {"key": "fac_secret"}, 201))
    async with client_of(gateway) as client:
        made = await client.admin.create_key(
            "acme", label="ci", scopes=["read"], project="p", expires_in_s=60
        )
    assert (made.key, made.id) == ("fac_secret", "00ff")
    assert "fac_secret" not in repr(made)
    request, body = gateway.requests[0]
    assert (request.method, request.url.path) == ("POST", "/v1/admin/keys")
    assert request.headers["authorization"] == "Bearer k"
    assert json.loads(body) == {
        "tenant": "acme", "label": "ci", "scopes": ["read"], "project": "p", "expires_in_s": 60,
    }  # fmt: skip


@pytest.mark.parametrize("lost", [httpx.ReadTimeout("x"), httpx.ConnectError("x")])
async def test_what_creates_is_sent_once_also_when_its_answer_is_lost(lost):
    for create in ("create_key", "create_tenant"):
        gateway = Gateway(lost, answer(KEY | {"key": "fac_secret"}, 201))
        async with client_of(gateway) as client:
            with pytest.raises(ConnectionLostError):
                await getattr(client.admin, create)("acme")
        assert len(gateway.requests) == 1


async def test_a_create_that_was_refused_for_now_is_the_callers_to_repeat():
    gateway = Gateway(problem(503, "not_ready"), answer(KEY, 201))
    async with client_of(gateway) as client:
        with pytest.raises(ApiError, match="not_ready"):
            await client.admin.create_tenant("acme", name="Acme")
    assert json.loads(gateway.requests[0][1]) == {"tenant": "acme", "name": "Acme"}


async def test_a_revocation_is_sent_again_until_it_is_answered():
    revoked = KEY | {"status": "revoked", "revoked_at": "2026-01-01T00:00:00Z"}
    gateway = Gateway(httpx.ReadTimeout("x"), answer(revoked))
    async with client_of(gateway) as client:
        assert (await client.admin.revoke_key("a/b")).status == "revoked"
    assert [request.method for request, _ in gateway.requests] == ["DELETE", "DELETE"]
    assert gateway.requests[0][0].url.raw_path == b"/v1/admin/keys/a%2Fb"


async def test_lists_are_read_to_their_last_page_and_keep_their_filter():
    gateway = Gateway(
        answer({"data": [KEY], "has_more": True, "next_cursor": "00ff"}),
        answer({"data": [KEY | {"id": "11"}], "has_more": False, "next_cursor": None}),
    )
    async with client_of(gateway) as client:
        keys = await client.admin.keys("acme")
    assert [key.id for key in keys] == ["00ff", "11"]
    assert [dict(request.url.params) for request, _ in gateway.requests] == [
        {"tenant": "acme"},
        {"tenant": "acme", "cursor": "00ff"},
    ]


async def test_tenants_and_the_caller_itself_can_be_asked_for():
    tenant = {"tenant": "acme", "status": "closed", "closed_at": "2026-01-01T00:00:00Z"}
    me = {"tenant": "acme", "actor": "key-1", "scopes": ["read"], "access": "keys"}
    gateway = Gateway(answer(tenant), answer({"data": [tenant]}), answer(me))
    async with client_of(gateway) as client:
        assert (await client.admin.close_tenant("acme")).status == "closed"
        assert [row.tenant for row in await client.admin.tenants()] == ["acme"]
        assert (await client.admin.me()).access == "keys"


async def test_the_version_of_the_reducer_is_asked_for_and_raised_until_it_is_answered():
    found = {"active": 2, "known": 3, "later": 1}
    gateway = Gateway(answer(found), httpx.ReadTimeout("x"), answer(found))
    async with client_of(gateway) as client:
        logic = await client.admin.logic()
        assert (logic.active, logic.known) == (2, 3)
        assert await client.admin.activate_logic(2) == logic
    assert [request.method for request, _ in gateway.requests] == ["GET", "PUT", "PUT"]
    assert json.loads(gateway.requests[2][1]) == {"version": 2}
