"""The cases of the model of the keyed reducer that must hold, as schedules of the real chassis.

Owners come and are stopped anywhere, die, doubt what they wrote and wake up late; snapshots grow
old and are compacted. The budget of faults of each schedule is that of the model's case.
They look for what nobody thought of; that each rule is needed is shown by ``test_model_reducer``.
"""

import asyncio
import random
import tempfile
from collections import Counter
from pathlib import Path

import pytest

from facilitair_messaging.adapters.embedded import EmbeddedLog
from facilitair_messaging.adapters.embedded.consumer import EmbeddedConsumer
from facilitair_messaging.ports import TopicPartition
from facilitair_testing.clock import FakeClock
from facilitair_testing.eventually import eventually
from facilitair_testing.mutation import mutation
from libs.runtime.tests import histories, ledger
from libs.runtime.tests.owners import WAIT_S, Owner

SEEDS = 12
LAG_MS = 7 * 24 * 3600 * 1000
TP = TopicPartition(ledger.INBOX, 0)
A, B = "t:a", "t:b"
USUAL = (*((A, amount) for amount in (5, 2, 3, 1, 8, 7, 11)), (A, "close"))
"""Keys and what is put into them. The model has three: chance needs more to meet a fault with."""

CASES = {
    "rules": (USUAL, {"rebalance": 2, "age": 1}),
    "rules-crash": (USUAL, {"kill": 1, "rebalance": 1, "age": 1}),
    "rules-ambiguous": (USUAL, {"doubt": 1, "rebalance": 1, "age": 1}),
    "rules-four-records": (((A, 1), *USUAL), {"rebalance": 2, "age": 1}),
    "rules-more-faults": (
        USUAL, {"rebalance": 2, "kill": 1, "doubt": 1, "reset": 1, "age": 1},
    ),
    "rules-three-owners": (USUAL, {"rebalance": 3, "age": 1}),
    "rules-scan": (USUAL, {"scan": 1, "age": 2, "rebalance": 2}),
    "rules-two-keys": (
        (*USUAL[:3], (B, 3), (B, 5), *USUAL[4:], (B, 2)), {"rebalance": 1, "age": 1},
    ),
    "rules-duplicates": (
        (*USUAL[:3], *USUAL[:3], *USUAL[3:], (A, 5), (A, "close")), {"rebalance": 1, "age": 1},
    ),
    "rules-reset": (USUAL, {"reset": 1, "rebalance": 1, "age": 1}),
    "rules-unfenced-commit": (USUAL, {"rebalance": 2, "age": 1}),
}  # fmt: skip


def record(key, what):
    """Equal content has an equal id: the second is a duplicate."""
    if what == "close":
        return ledger.record(ledger.Close(), key=key, id="close")
    return ledger.record(ledger.Put(amount=what), key=key, id=f"{key}-{what}")


class Run:
    """One schedule. The owner that was started last has the partition."""

    def __init__(self, log, clock, chance):
        self.log, self.clock, self.chance = log, clock, chance
        self.started = 0
        self.owners = []
        self.held = []
        self.late = []

    def start(self):
        """A further member takes the partition over; who had it learns that when it polls."""
        self.owners.append(
            Owner(
                self.log,
                member=f"ledger-{self.started}",
                max_records=self.chance.randint(1, 3),
                heartbeat_s=0.02,
            )
        )
        self.started += 1

    async def rebalance(self):
        """The owner is stopped somewhere, most often with something on its way; another takes over.

        What is on its way lands while the other works.
        """
        log = self.owners[-1].log
        topic = self.chance.choice([ledger.EVENTS, ledger.TASKS, ledger.STATE, ledger.STATE])
        if self.chance.random() < 0.8 and not log.holds:
            self.held.append(log.hold(topic))
            await self.some_time(until=lambda: self.held[-1].messages)
        if self.chance.random() < 0.4:
            log.stop()
        self.start()
        await self.some_time()

    async def some_time(self, until=lambda: False):
        """Some trips to the writer and back."""
        for _ in range(self.chance.randint(5, 20)):
            if until():
                return
            await self.log.durability()

    async def kill(self):
        dead = self.owners.pop(self.chance.randrange(len(self.owners)))
        await dead.kill()
        if not self.owners:
            self.start()

    async def doubt(self):
        """The next send to a topic fails; it lands late, or never."""
        topic = self.chance.choice([ledger.EVENTS, ledger.TASKS, ledger.STATE])
        if self.owners[-1].log.holds:
            return
        hold = self.owners[-1].log.hold(topic)
        await self.some_time(until=lambda: hold.messages)
        hold.doubt()
        self.late.append(hold)

    async def reset(self):
        """All are away while somebody sets the group's offsets to 0."""
        while self.owners:
            await self.owners.pop().kill()
        await self.log.admin().set_committed("ledger", {TP: 0})
        self.start()

    async def scan(self):
        owner = self.owners[-1]
        if not owner.log.stopped:
            await owner.ready()
            await owner.scan()

    async def age(self):
        """More than the lag passes, and scans with it; then compaction comes."""
        if self.owners[-1].log.stopped:
            return
        for _ in range(2):
            await self.scan()
            self.clock.advance(LAG_MS * 2 // 3)
        await self.log.clean()
        await histories.check_commits(self.log)

    async def turn(self):
        """Everybody gets a little further; some are stopped and some go on."""
        for owner in self.owners:
            chance = self.chance.random()
            if owner.log.stopped and chance < 0.4:
                owner.log.go_on()
            elif chance < 0.2:
                owner.log.stop()
        for hold in [hold for hold in self.late if self.chance.random() < 0.3]:
            self.late.remove(hold)
            await hold.land_late()
        for hold in [hold for hold in self.held if self.chance.random() < 0.3]:
            self.held.remove(hold)
            hold.land()
        await self.some_time()

    async def heal(self):
        for hold in self.held:
            hold.land()
        for owner in self.owners:
            owner.log.go_on()
        await eventually(
            lambda: histories.settled(self.log), timeout_s=WAIT_S, what="everything committed"
        )
        for owner in self.owners:
            await owner.end()


async def play(seed, *, inbox, faults):
    clock, chance = FakeClock(), random.Random(seed)
    topics = ledger.registry().topics
    with tempfile.TemporaryDirectory() as folder:
        async with EmbeddedLog.open(Path(folder) / "log.db", topics, clock=clock) as log:
            await log.admin().ensure_topics(topics.values())
            run = Run(log, clock, chance)
            run.start()
            steps = [*inbox[:-1], *Counter(faults).elements()]
            chance.shuffle(steps)
            steps += inbox[-1:]
            records = iter(inbox)
            for step in steps:
                if isinstance(step, str):
                    await getattr(run, step)()
                else:
                    await histories.append(log, record(*next(records)))
                await run.turn()
            await run.heal()
            await histories.check(log)
            await histories.check_commits(log)


@pytest.mark.parametrize("name", CASES)
def test_the_rules_hold(name, monkeypatch):
    inbox, faults = CASES[name]
    if name == "rules-unfenced-commit":
        unfenced = mutation(EmbeddedConsumer, "commit", ("offsets.keys() - self._held", "()"))
        unfenced.apply(monkeypatch)
    for seed in range(SEEDS):
        try:
            asyncio.run(play(seed, inbox=inbox, faults=faults))
        except BaseException as error:
            error.add_note(f"schedule {seed} of {name}")
            raise
