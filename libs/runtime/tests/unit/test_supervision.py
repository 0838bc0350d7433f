"""A failed service comes back; one without which nothing works ends the process (R36)."""

import asyncio
import time
from contextlib import asynccontextmanager

import aiohttp
import pytest
from msgspec import structs
from prometheus_client import CollectorRegistry

from facilitair_observability.metrics import Metrics
from facilitair_runtime.adapters.run_files import read
from facilitair_runtime.app import run_until
from facilitair_runtime.errors import CriticalServiceError
from facilitair_runtime.liveness import Beat
from facilitair_runtime.supervision import RestartPolicy, supervise
from facilitair_testing.eventually import eventually
from facilitair_testing.vitals import vitals

FAST = RestartPolicy(first_backoff_s=0.001, max_backoff_s=0.002)


class _App:
    """Fails ``failures`` times, then works until it is stopped."""

    def __init__(self, name="app", *, failures=0, ends=False, drain_s=0.0) -> None:
        self.name = name
        self.failures = failures
        self.ends = ends
        self.drain_s = drain_s
        self.starts = 0
        self.closed = 0
        self.drained = False
        self.running = False
        self.metrics = Metrics(CollectorRegistry())
        self.moved_at = None
        self.vitals = vitals(ready=lambda: self.running, beats=self._beats)

    def _beats(self):
        return (Beat(loop=self.name, moved_at=self.moved_at),)

    @asynccontextmanager
    async def build(self):
        self.starts += 1
        try:
            yield self
        finally:
            self.closed += 1

    async def run(self, stop) -> None:
        if self.starts <= self.failures:
            raise RuntimeError(self.name)
        if self.ends:
            return
        self.running = True
        try:
            await stop.wait()
            await asyncio.sleep(self.drain_s)
            self.drained = True
        finally:
            self.running = False

    def ready(self) -> bool:
        return not self.vitals.not_ready()


@asynccontextmanager
async def _supervised(*apps, home, critical=(), policy=FAST, deadline_s=5.0):
    stop = asyncio.Event()
    builds = {app.name: app.build for app in apps}
    async with supervise(
        builds,
        critical=frozenset(critical),
        stop=stop,
        deadline_s=deadline_s,
        home=home,
        policy=policy,
    ) as supervisor:
        task = asyncio.ensure_future(supervisor.run())
        try:
            yield supervisor, task
        finally:
            stop.set()
            await asyncio.wait_for(asyncio.wait({task}), 60)
    if task.exception() is not None and not isinstance(task.exception(), CriticalServiceError):
        task.result()


async def test_r36_a_failed_service_is_started_again(tmp_path):
    app, other = _App("flaky", failures=3), _App("steady")
    async with _supervised(app, other, home=tmp_path) as (supervisor, _):
        await eventually(supervisor.ready)
        assert supervisor.failures == {"flaky": 3, "steady": 0}
    assert (app.starts, app.closed) == (4, 4)
    assert (other.starts, other.closed) == (1, 1)


async def test_r36_a_service_that_cannot_be_built_is_started_again(tmp_path):
    app = _App("flaky")
    broken = iter([True, True, False])

    @asynccontextmanager
    async def build():
        if next(broken):
            raise OSError
        async with app.build() as built:
            yield built

    stop = asyncio.Event()
    async with supervise(
        {"flaky": build}, critical=frozenset(), stop=stop, deadline_s=1, home=tmp_path, policy=FAST
    ) as supervisor:
        task = asyncio.ensure_future(supervisor.run())
        await eventually(supervisor.ready)
        stop.set()
        await task
    assert supervisor.failures["flaky"] == 2


async def test_r36_the_process_stops_when_a_critical_service_fails_five_times(tmp_path):
    app, other = _App("log", failures=99), _App("steady")
    async with _supervised(app, other, home=tmp_path, critical={"log"}) as (_, task):
        await asyncio.wait_for(asyncio.wait({task}), 60)
    assert app.starts == 5
    assert other.drained, "the others are stopped in order"
    with pytest.raises(CriticalServiceError, match="log failed 5 times within 60 s"):
        task.result()


async def test_r36_others_may_fail_as_often_as_they_like(tmp_path):
    app = _App("extra", failures=12)
    async with _supervised(app, home=tmp_path, critical={"log"}) as (supervisor, task):
        await eventually(supervisor.ready)
        assert not task.done()


async def test_r36_failures_long_ago_do_not_count(tmp_path):
    app = _App("log", failures=12)
    policy = RestartPolicy(first_backoff_s=0.002, max_backoff_s=0.002, window_s=0.001)
    async with _supervised(app, home=tmp_path, critical={"log"}, policy=policy) as (supervisor, _):
        await eventually(supervisor.ready)


async def test_a_service_that_ends_by_itself_has_failed(tmp_path):
    app = _App("short", ends=True)
    async with _supervised(app, home=tmp_path) as (supervisor, _):
        await eventually(lambda: supervisor.failures["short"] > 1)


class _Wedged(_App):
    """Its first run never moves its loop; the second one does."""

    async def run(self, stop) -> None:
        self.moved_at = time.monotonic() - 3600 if self.starts == 1 else None
        await super().run(stop)


async def test_r36_a_wedged_service_is_cancelled_and_started_again(tmp_path, capsys):
    app, other = _Wedged("stuck"), _App("steady")
    policy = structs.replace(FAST, failing_s=0.01)
    async with _supervised(app, other, home=tmp_path, policy=policy) as (supervisor, _):
        await eventually(lambda: app.starts == 2 and app.ready())
        assert supervisor.failures == {"stuck": 1, "steady": 0}
    assert "wedged: the loop of stuck has not moved for 3600 s" in capsys.readouterr().out


async def test_a_service_is_given_the_time_to_move_again(tmp_path):
    app = _Wedged("slow")
    policy = structs.replace(FAST, failing_s=3600)
    async with _supervised(app, home=tmp_path, policy=policy) as (supervisor, _):
        await eventually(app.vitals.not_live)
        app.moved_at = None
        assert supervisor.failures == {"slow": 0}


async def test_r36_a_service_that_stays_wedged_ends_the_process(tmp_path):
    class Hopeless(_App):
        async def run(self, stop) -> None:
            self.moved_at = 0.0
            await super().run(stop)

    app = Hopeless("log")
    policy = structs.replace(FAST, failing_s=0.001)
    async with _supervised(app, home=tmp_path, critical={"log"}, policy=policy) as (_, task):
        await asyncio.wait_for(asyncio.wait({task}), 60)
    with pytest.raises(CriticalServiceError, match="at last with WedgedError: wedged: the loop of"):
        task.result()


async def test_a_wedged_service_may_finish_what_it_can_once_it_was_stopped():
    app = _App(drain_s=0.05)
    app.starts = 1
    stop = asyncio.Event()
    task = asyncio.ensure_future(run_until(app, stop, deadline_s=30, failing_s=0.001))
    await eventually(app.ready)
    stop.set()
    app.moved_at = 0.0
    await asyncio.wait_for(task, 60)
    assert app.drained


async def test_every_service_is_announced_with_its_own_port(tmp_path):
    app, other = _App("one"), _App("two")
    async with _supervised(app, other, home=tmp_path) as (supervisor, _):
        await eventually(supervisor.ready)
        urls = {read(tmp_path / "run" / f"{name}.ops.json").url for name in ("one", "two")}
        assert len(urls) == 2
        for url in urls:
            async with aiohttp.ClientSession() as session, session.get(f"{url}/ready") as response:
                assert response.status == 200
    assert not list((tmp_path / "run").iterdir())


async def test_work_in_flight_may_finish_until_the_deadline():
    stop = asyncio.Event()
    quick, slow = _App(drain_s=0.01), _App(drain_s=60)
    for app, deadline_s in ((quick, 5), (slow, 0.02)):
        app.starts = 1
        stop.clear()
        task = asyncio.ensure_future(run_until(app, stop, deadline_s=deadline_s))
        await eventually(app.ready)
        stop.set()
        await asyncio.wait_for(task, 60)
    assert quick.drained
    assert not slow.drained


async def test_what_an_app_raises_is_raised():
    with pytest.raises(RuntimeError):
        await run_until(_App(failures=9), asyncio.Event(), deadline_s=1)


async def test_cancelling_takes_the_app_along():
    app = _App(drain_s=60)
    app.starts = 1
    task = asyncio.ensure_future(run_until(app, asyncio.Event(), deadline_s=60))
    await eventually(app.ready)
    task.cancel()
    await asyncio.wait({task})
    assert task.cancelled()
    assert not app.running
