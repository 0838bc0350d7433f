"""The gateway as a process sees it: where it listens, when it is ready, how it stops."""

import asyncio
import json
import os
import signal
import socket

import httpx
import pytest

from facilitair_events.layout import checkout_root
from facilitair_gateway.settings import GatewaySettings
from facilitair_messaging.adapters.embedded.appends import EmbeddedProducer
from facilitair_runtime.errors import SettingsError
from facilitair_runtime.settings import HealthGroup, load
from facilitair_testing.eventually import eventually


async def test_it_says_where_it_answers_for_as_long_as_it_does(start, tmp_path) -> None:
    path = tmp_path / "run" / "gateway.json"
    async with start(tmp_path) as gateway:
        said = json.loads(path.read_text())
        assert said["url"] == gateway.url
        assert said["url"].startswith("http://127.0.0.1:")
        assert said["pid"] == os.getpid()
        assert said["started_at"]
        assert gateway.ready()
        assert gateway.live()
        async with httpx.AsyncClient(base_url=said["url"], timeout=60) as http:
            assert (await http.get("/v1/workflows")).status_code == 200
    assert not path.exists()
    assert not gateway.ready()


async def test_it_leaves_signals_to_the_process(start, tmp_path) -> None:
    before = [signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)]
    async with start(tmp_path):
        assert [signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)] == before


async def test_a_taken_port_is_told_at_once(start, tmp_path) -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        with pytest.raises(OSError, match="in use"):
            async with start(tmp_path, host="127.0.0.1", port=holder.getsockname()[1]):
                pass


async def test_d12_it_is_not_live_when_the_stream_is_not_read_any_more(gateway) -> None:
    assert gateway.live()
    gateway.hub.polled_at -= 5
    (failing,) = gateway.vitals.not_live()
    assert failing.condition == "loop_silent"
    assert "the loop of collaboration-stream has not moved" in failing.detail
    await eventually(gateway.live)


async def test_d12_a_stream_that_is_polled_but_not_read_on_is_not_live(start, tmp_path) -> None:
    health = HealthGroup(stuck_s=0.01, look_s=5)
    async with start(tmp_path, health=health) as gateway:
        await gateway.vitals.look()
        assert gateway.live()
        ring = gateway.hub._rings[0]  # noqa: SLF001 - as if nothing came any more
        ring.read_to = lambda _offset: None
        ring.end -= 1

        async def fails() -> bool:
            await gateway.vitals.look()
            return not gateway.live()

        await eventually(fails)
        (failing,) = gateway.vitals.not_live()
        assert "1 records wait in collaboration-stream[0]" in failing.detail


async def test_d12_why_a_gateway_is_not_ready_is_told(start, tmp_path) -> None:
    async with start(tmp_path) as gateway:
        assert gateway.vitals.not_ready() == ()
    assert {one.condition for one in gateway.vitals.not_ready()} >= {"not_serving"}


async def test_d12_a_gateway_whose_requests_do_not_arrive_is_not_ready(
    start, tmp_path, monkeypatch
) -> None:
    async with (
        start(tmp_path, request_timeout_s=1) as gateway,
        httpx.AsyncClient(base_url=gateway.url, timeout=60) as http,
    ):
        never = asyncio.Event()
        monkeypatch.setattr(EmbeddedProducer, "send", lambda *_args: never.wait())
        answer = await http.post("/v1/collaborations", json={"task": "x"})
        assert answer.status_code == 503
        assert [one.condition for one in gateway.vitals.not_ready()] == ["not_writable"]
        monkeypatch.undo()

        async def ready() -> bool:
            await gateway.vitals.look()
            return gateway.ready()

        await eventually(ready, what="a gateway that is ready again")


async def test_a_request_in_flight_ends_before_the_gateway_does(start, tmp_path, stage) -> None:
    async with httpx.AsyncClient(timeout=60) as http:
        async with start(tmp_path, request_timeout_s=2.5) as gateway:
            http.base_url = gateway.url
            asking = asyncio.create_task(http.post("/v1/collaborations", json={"task": "x"}))
            await eventually(stage.inbox, what="the request to be in the log")
        assert (await asking).status_code == 202


async def test_the_api_describes_itself_without_the_internet(http) -> None:
    document = (await http.get("/openapi.json")).json()
    assert document["openapi"].startswith("3.")
    assert set(document["paths"]) == {
        "/v1/collaborations",
        "/v1/collaborations/{collaboration}",
        "/v1/collaborations/{collaboration}/control",
        "/v1/collaborations/{collaboration}/cost",
        "/v1/collaborations/{collaboration}/events",
        "/v1/collaborations/{collaboration}/stream",
        "/v1/collaborations/{collaboration}/ws",
        "/v1/agents",
        "/v1/models",
        "/v1/models/{model}",
        "/v1/workflows",
        "/v1/me",
        "/v1/providers",
        "/v1/providers/{provider}/key",
        "/v1/admin/tenants",
        "/v1/admin/tenants/{tenant}",
        "/v1/admin/keys",
        "/v1/admin/keys/{key}",
        "/v1/admin/logic",
        "/v1/admin/topics",
        "/v1/admin/dlq",
        "/v1/admin/dlq/{letter}",
        "/v1/admin/dlq/{letter}/replay",
        "/v1/admin/dlq/{letter}/edit",
        "/v1/admin/dlq/{letter}/discard",
        "/v1/admin/tenants/{tenant}/budget",
        "/v1/admin/tenants/{tenant}/reconciliations",
        "/v1/budget",
        "/v1/budget/reconciliations",
        "/v1/estimates",
        "/v1/usage",
        "/v1/usage/entries",
    }
    assert document["security"] == [{"apiKey": []}]
    assert document["components"]["securitySchemes"]["apiKey"]["scheme"] == "bearer"
    body = document["paths"]["/v1/collaborations"]["post"]["requestBody"]
    assert "task" in body["content"]["application/json"]["schema"]["required"]
    for operations in document["paths"].values():
        for operation in operations.values():
            assert operation["description"]
            assert "application/problem+json" in operation["responses"]["default"]["content"]
    page = await http.get("/docs")
    assert page.headers["content-type"].startswith("text/html")
    assert "/v1/collaborations/{collaboration}/stream" in page.text
    assert "http://" not in page.text
    assert "https://" not in page.text


def test_settings_come_from_the_environment(monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("FACILITAIR_HOME", str(tmp_path))
    monkeypatch.setenv("FACILITAIR_GATEWAY_PORT", "9123")
    monkeypatch.setenv("FACILITAIR_GATEWAY_STREAM__HEARTBEAT_S", "3")
    settings = load(GatewaySettings)
    assert (settings.home, settings.port, settings.host) == (tmp_path, 9123, "127.0.0.1")
    assert settings.stream.heartbeat_s == 3
    assert settings.definitions == checkout_root()
    assert settings.max_task_bytes == 1024 * 1024


def test_all_faults_of_the_settings_are_told(monkeypatch) -> None:
    monkeypatch.setenv("FACILITAIR_GATEWAY_PORT", "99999")
    monkeypatch.setenv("FACILITAIR_GATEWAY_HOSTS", "x")
    with pytest.raises(SettingsError) as refused:
        load(GatewaySettings)
    assert "FACILITAIR_GATEWAY_PORT" in str(refused.value)
    assert "FACILITAIR_GATEWAY_HOSTS" in str(refused.value)
