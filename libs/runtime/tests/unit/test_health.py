"""The operator's port answers for the app of now."""

import aiohttp
import pytest
from prometheus_client import CollectorRegistry

from facilitair_observability.metrics import Metrics
from facilitair_observability.names import RECORDS_CONSUMED
from facilitair_runtime.adapters.run_files import announced, read
from facilitair_runtime.health import serve_health


class _App:
    def __init__(self, *, ready: bool, live: bool) -> None:
        self._ready = ready
        self._live = live
        self.metrics = Metrics(CollectorRegistry())

    def ready(self) -> bool:
        return self._ready

    def live(self) -> bool:
        return self._live


async def _get(url: str) -> tuple[int, str]:
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        return response.status, await response.text()


@pytest.mark.parametrize("holds", [True, False])
async def test_live_and_ready_say_what_the_app_says(holds):
    app = _App(ready=holds, live=not holds)
    async with serve_health("router", lambda: app) as url:
        assert (await _get(f"{url}/ready"))[0] == (200 if holds else 503)
        assert (await _get(f"{url}/live"))[0] == (503 if holds else 200)
        assert url.startswith("http://127.0.0.1:")


async def test_an_app_between_two_starts_is_not_ready_but_not_dead():
    async with serve_health("router", lambda: None) as url:
        assert (await _get(f"{url}/ready"))[0] == 503
        assert (await _get(f"{url}/live"))[0] == 200
        assert (await _get(f"{url}/metrics")) == (200, "")


async def test_metrics_are_those_of_the_app():
    app = _App(ready=True, live=True)
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
