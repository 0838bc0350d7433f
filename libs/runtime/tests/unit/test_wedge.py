"""I14: a reducer that stands still while records wait is noticed, started again, and goes on."""

import asyncio
from contextlib import asynccontextmanager

from prometheus_client import CollectorRegistry

from facilitair_observability.metrics import Metrics
from facilitair_runtime.keyed_reducer import KeyedReducer
from facilitair_runtime.settings import HealthGroup
from facilitair_runtime.supervision import RestartPolicy, supervise
from facilitair_testing.eventually import eventually
from libs.runtime.tests import histories, ledger

HEALTH = HealthGroup(silent_s=30, stuck_s=0.3, look_s=0.05)
POLICY = RestartPolicy(first_backoff_s=0.001, failing_s=0.05)


class App:
    """The ledger as a service; the first one never gets what it has to load."""

    def __init__(self, log, starts: int) -> None:
        async def prepare(received):
            if starts == 1:
                await asyncio.Event().wait()
            return received

        self.chassis = KeyedReducer(
            ledger.reducer(prepare=prepare),
            log=log,
            registry=ledger.registry(),
            settings=histories.settings(),
            metrics=Metrics(CollectorRegistry()),
            member="ledger-0",
            health=HEALTH,
        )
        self.metrics = Metrics(CollectorRegistry())
        self.run = self.chassis.run
        self.vitals = self.chassis.vitals


async def test_i14_a_wedged_reducer_is_restarted_and_loses_nothing(log, tmp_path, capsys) -> None:
    apps: list[App] = []

    @asynccontextmanager
    async def build():
        apps.append(App(log, len(apps) + 1))
        yield apps[-1]

    stop = asyncio.Event()
    async with supervise(
        {"ledger": build}, critical=frozenset(), stop=stop, deadline_s=5, home=tmp_path,
        policy=POLICY,
    ) as supervisor:  # fmt: skip
        running = asyncio.create_task(supervisor.run())
        await eventually(supervisor.ready, timeout_s=60)
        await histories.append(log, *ledger.puts(1, 2, 3))
        await eventually(lambda: histories.settled(log), timeout_s=60, what="all records decided")
        stop.set()
        await running
    assert supervisor.failures["ledger"] >= 1
    assert "3 records wait in ledger-inbox[0] and none was finished" in capsys.readouterr().out
    await histories.check(log)


async def test_i14_an_idle_reducer_is_left_alone(log) -> None:
    await histories.append(log, *ledger.puts(1))
    app = App(log, 2)
    async with histories.running(app.chassis):
        await eventually(lambda: histories.settled(log))
        for _ in range(3):
            await app.vitals.look()
        assert app.vitals.not_live() == ()


async def test_d12_why_a_reducer_is_not_ready_is_told(log) -> None:
    app = App(log, 2)
    assert [one.condition for one in app.vitals.not_ready()] == ["not_assigned"]
    assert app.vitals.not_live() == ()
    async with histories.running(app.chassis):
        await eventually(lambda: app.vitals.not_ready() == ())


async def test_d12_a_loop_that_stopped_to_poll_is_not_live(log) -> None:
    app = App(log, 2)
    async with histories.running(app.chassis):
        await eventually(app.chassis.ready)
        owner = app.chassis._owner  # noqa: SLF001 - as if it had not polled
        await eventually(lambda: owner.polled_at is not None)
        owner.polled_at -= HEALTH.silent_s
        assert [one.condition for one in app.vitals.not_live()] == ["loop_silent"]
        await eventually(lambda: app.vitals.not_live() == ())
