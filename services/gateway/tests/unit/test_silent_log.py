"""A log that is away: no request waits longer than it may, and nothing here breaks for good."""

import asyncio

import httpx
import pytest

from facilitair_events.layout import topics_dir
from facilitair_events.registry import Registry
from facilitair_gateway import hub, topic_admin
from facilitair_messaging.adapters.embedded import EmbeddedLog
from facilitair_messaging.errors import LogUnavailableError
from facilitair_testing.bounded import at_most
from facilitair_testing.eventually import eventually

JOB = {"task": "Do it."}
LIMIT_S = 1.0


class Moody:
    """A log whose questions about offsets can go unanswered, for ever or with an error."""

    def __init__(self, log):
        self._log = log
        self.mood = "answers"
        self.asked = 0

    def __getattr__(self, name):
        return getattr(self._log, name)

    def admin(self):
        return MoodyAdmin(self, self._log.admin())

    async def consent(self):
        self.asked += 1
        if self.mood == "hangs":
            await asyncio.Event().wait()
        if self.mood == "fails":
            raise LogUnavailableError(address="here:9092", wanted="offsets", reason="gone")


class MoodyAdmin:
    def __init__(self, moody, admin):
        self._moody = moody
        self._admin = admin

    def __getattr__(self, name):
        question = getattr(self._admin, name)

        async def asked(*arguments, **more):
            await self._moody.consent()
            return await question(*arguments, **more)

        return asked


@pytest.fixture
async def log(tmp_path, clock):
    topics = Registry.load(topics_dir()).topics
    async with EmbeddedLog.open(tmp_path / "log.db", topics, clock=clock) as opened:
        await opened.admin().ensure_topics(topics.values())
        yield Moody(opened)


@pytest.fixture
async def http(start, tmp_path, log):
    async with start(tmp_path, request_timeout_s=LIMIT_S) as gateway:
        async with httpx.AsyncClient(base_url=gateway.url, timeout=60) as client:
            yield client
        log.mood = "answers"


async def taken(http) -> httpx.Response:
    """The answer to a request once it is taken: the limit is short for a machine that is busy."""

    async def asked() -> httpx.Response | None:
        answer = await http.post("/v1/collaborations", json=JOB)
        return answer if answer.status_code == 202 else None

    return await eventually(asked, what="a request that is taken")


@pytest.mark.parametrize("mood", ["hangs", "fails"])
async def test_what_needs_the_log_is_503_in_time_and_works_again(
    http, log, orchestrator, mood, monkeypatch
):
    monkeypatch.setattr(topic_admin, "STATUSES_S", LIMIT_S)
    monkeypatch.setattr(topic_admin, "APPLY_S", LIMIT_S)
    events = (await taken(http)).json()["stream"].replace("/stream", "/events")
    asks = [
        lambda: http.post("/v1/collaborations", json=JOB),
        lambda: http.get("/v1/admin/topics"),
        lambda: http.post("/v1/admin/topics"),
        lambda: http.get(events),
    ]
    log.mood = mood
    for ask in asks:
        with at_most(LIMIT_S, "an answer"):
            response = await ask()
        assert (response.status_code, response.json()["code"]) == (503, "log_silent")
        assert response.headers["retry-after"]
        assert "try again" in response.json()["detail"]
    log.mood = "answers"
    for ask in asks:

        async def works(ask=ask) -> bool:
            return (await ask()).is_success

        await eventually(works, what="an answer")


@pytest.fixture
def _quick_expiry(monkeypatch):
    monkeypatch.setattr(hub, "_EXPIRE_S", 0.01)


async def test_rings_outlive_a_log_that_is_away(_quick_expiry, http, log, orchestrator):  # noqa: PT019 - before the gateway starts
    log.mood, asked = "fails", log.asked
    await eventually(lambda: log.asked > asked + 3, what="the log asked again after its silence")
    log.mood = "answers"
    await taken(http)
