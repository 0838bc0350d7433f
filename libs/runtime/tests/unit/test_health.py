"""The operator's port answers for the app of now."""

import json
import time
from datetime import UTC, datetime

import aiohttp
from prometheus_client import CollectorRegistry

from facilitair_observability.metrics import Metrics
from facilitair_observability.names import RECORDS_CONSUMED
from facilitair_runtime.adapters.run_files import announced, read
from facilitair_runtime.health import serve_health
from facilitair_runtime.liveness import Beat
from facilitair_testing.vitals import vitals


class _App:
    def __init__(self, *, ready: bool = True, moved_at: float | None = None) -> None:
        self.metrics = Metrics(CollectorRegistry())
        self.vitals = vitals(
            ready=lambda: ready, beats=lambda: (Beat(loop="inbox", moved_at=moved_at),)
        )


async def _get(url: str) -> tuple[int, str]:
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        return response.status, await response.text()


async def test_a_healthy_app_is_live_and_ready():
    app = _App()
    async with serve_health("router", lambda: app) as url:
        assert url.startswith("http://127.0.0.1:")
        for state in ("live", "ready"):
            status, text = await _get(f"{url}/{state}")
            assert status == 200
            assert json.loads(text) == {"service": "router", state: True, "failing": []}


async def test_live_says_which_condition_fails_since_when():
    app = _App(moved_at=time.monotonic() - 3600)
    async with serve_health("router", lambda: app) as url:
        status, text = await _get(f"{url}/live")
        assert (await _get(f"{url}/ready"))[0] == 200
    assert status == 503
    told = json.loads(text)
    (failing,) = told.pop("failing")
    assert told == {"service": "router", "live": False}
    assert failing["condition"] == "loop_silent"
    assert failing["detail"].startswith("the loop of inbox has not moved for 36")
    age = datetime.now(UTC) - datetime.fromisoformat(failing["since"])
    assert abs(age.total_seconds() - failing["for_s"]) < 60
    assert 3600 <= failing["for_s"] < 7200


async def test_ready_says_which_condition_fails_since_it_was_seen_first():
    app = _App(ready=False)
    async with serve_health("router", lambda: app) as url:
        first = json.loads((await _get(f"{url}/ready"))[1])["failing"]
        status, text = await _get(f"{url}/ready")
        assert (await _get(f"{url}/live"))[0] == 200
    assert status == 503
    (failing,) = json.loads(text)["failing"]
    assert (failing["condition"], failing["detail"]) == ("working", "it does not work yet")
    assert failing["for_s"] >= first[0]["for_s"]


async def test_an_app_between_two_starts_is_not_ready_but_not_dead():
    async with serve_health("router", lambda: None) as url:
        status, text = await _get(f"{url}/ready")
        assert status == 503
        assert json.loads(text)["failing"][0]["condition"] == "starting"
        assert (await _get(f"{url}/live"))[0] == 200
        assert (await _get(f"{url}/metrics")) == (200, "")


async def test_metrics_are_those_of_the_app():
    app = _App()
    app.metrics.count(RECORDS_CONSUMED, 3, topic="t", group="g")
    async with serve_health("router", lambda: app) as url:
        status, text = await _get(f"{url}/metrics")
    assert status == 200
    assert 'messaging_client_consumed_messages_total{group="g",topic="t"} 3.0' in text


async def test_two_services_get_ports_of_their_own():
    async with serve_health("a", lambda: None) as one, serve_health("b", lambda: None) as two:
        assert one != two
        assert '"b"' in (await _get(f"{two}/live"))[1]


def test_the_announcement_lasts_as_long_as_the_service(tmp_path):
    path = tmp_path / "run" / "router.json"
    with announced(tmp_path, "router", url="http://127.0.0.1:1") as announcement:
        assert read(path) == announcement
    assert read(path) is None


def test_the_announcement_of_a_successor_is_left_alone(tmp_path):
    path = tmp_path / "run" / "router.json"
    with announced(tmp_path, "router", url="http://127.0.0.1:1"):
        path.write_text('{"url": "u", "pid": 1, "started_at": "2020-01-01T00:00:00Z"}')
    assert read(path).pid == 1


def test_a_torn_announcement_is_none(tmp_path):
    (tmp_path / "x.json").write_text('{"url": ')
    assert read(tmp_path / "x.json") is None
