import json

import httpx
import pytest

from clients.python.tests.scripted_gateway import Gateway, problem
from facilitair_client import ApiError, Facilitair, Patience

QUICK = Patience(give_up_after_s=0.5, first_s=0.001, longest_s=0.002)
KEY = {
    "provider": "openai", "last_four": "X7q_", "set_at": "2026-01-01T00:00:00Z",
    "set_by": "key-1", "opens": True, "later": 1,
}  # fmt: skip


def client_of(gateway):
    return Facilitair("http://x", "k", transport=gateway, request_patience=QUICK)


async def test_a_key_is_sent_in_the_body_and_asked_for_without_it():
    gateway = Gateway(
        httpx.Response(200, json=KEY), httpx.Response(200, json=KEY), httpx.Response(200, json={})
    )
    async with client_of(gateway) as client:
        assert (await client.providers.set_key("openai", "sk-secret")).last_four == "X7q_"
        assert (await client.providers.key("openai")).opens
        await client.providers.remove_key("openai")
    asked = [(request.method, str(request.url)) for request, _ in gateway.requests]
    place = "http://x/v1/providers/openai/key"
    assert asked == [("PUT", place), ("GET", place), ("DELETE", place)]
    assert json.loads(gateway.requests[0][1]) == {"key": "sk-secret"}


async def test_providers_are_listed_with_and_without_a_key():
    rows = [{"provider": "ollama", "key": None}, {"provider": "openai", "key": KEY}]
    gateway = Gateway(httpx.Response(200, json={"data": rows, "has_more": False}))
    async with client_of(gateway) as client:
        found = await client.providers.all()
    assert [(row.provider, row.key and row.key.last_four) for row in found] == [
        ("ollama", None), ("openai", "X7q_")
    ]  # fmt: skip


async def test_a_refusal_is_told_without_the_key():
    gateway = Gateway(problem(409, "master_key_missing"))
    async with client_of(gateway) as client:
        with pytest.raises(ApiError, match="master_key_missing") as caught:
            await client.providers.set_key("openai", "sk-secret")
    assert "sk-secret" not in f"{caught.value!r} {caught.value}"


async def test_a_name_cannot_lead_elsewhere():
    gateway = Gateway(httpx.Response(200, json=KEY))
    async with client_of(gateway) as client:
        await client.providers.key("../admin/keys")
    assert gateway.requests[0][0].url.raw_path == b"/v1/providers/..%2Fadmin%2Fkeys/key"
