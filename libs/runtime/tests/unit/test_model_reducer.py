"""The failing histories of the model of the keyed reducer, driven through the real chassis.

Each is played twice: as the code is, where its promise holds, and with the rule broken in one
line, where it does not. The names are those of the model's cases.
"""

from collections.abc import Awaitable, Callable
from contextlib import suppress

import pytest
from msgspec import Struct, structs

from facilitair_events.layout import topics_dir
from facilitair_events.registry import Registry
from facilitair_messaging.adapters.embedded import cleaner
from facilitair_messaging.ports import TopicPartition
from facilitair_runtime.reducing import batch, deciding, owner, rebuild, snapshots, takeover
from facilitair_runtime.settings import ReducerGroup
from facilitair_testing.clock import FakeClock
from facilitair_testing.eventually import eventually
from facilitair_testing.mutation import Mutation, mutation
from facilitair_testing.promises import BrokenPromiseError, promised
from libs.runtime.tests import histories, ledger
from libs.runtime.tests.faults import FaultyLog
from libs.runtime.tests.owners import WAIT_S, Owner, Zombie, decided

DAY_MS = 24 * 3600 * 1000
TP = TopicPartition(ledger.INBOX, 0)


class Scene:
    """A log whose clock the test moves, and the processes on it."""

    def __init__(self, log, clock):
        self.log, self.clock = log, clock
        self.owners = []

    def owner(self, log=None, **changes):
        self.owners.append(Owner(log or self.log, **changes))
        return self.owners[-1]

    def zombie(self, **changes):
        return self.owner(Zombie(self.log), **changes)

    async def put(self, *amounts, start=0):
        await histories.append(self.log, *ledger.puts(*amounts, start=start))

    async def clock_passes(self, days):
        """Compaction comes after so many days, and leaves what was committed a snapshot."""
        self.clock.advance(days * DAY_MS)
        await self.log.clean()
        with promised("committed past every snapshot left"):
            await histories.check_commits(self.log)

    async def lands_alone(self, late, *, of):
        """The owner of a held snapshot writes it, and nothing more."""
        before = len(await histories.records(self.log, ledger.STATE))
        late.land()
        of.log.hold(ledger.STATE)
        await decided(self.log, before + 1, topic=ledger.STATE)
        await of.kill()

    async def settled(self):
        await eventually(lambda: histories.settled(self.log), timeout_s=WAIT_S, what="commits")


@pytest.fixture
async def scene(open_log):
    clock = FakeClock()
    async with open_log(clock=clock) as log:
        found = Scene(log, clock)
        yield found
        for one in found.owners:
            await one.kill()


class _StopsAtTheStates(Zombie):
    """Is stopped when it knows how far the states reach."""

    def admin(self):
        return _Looking(self, self._log.admin())


class _Looking:
    def __init__(self, log, admin):
        self._log, self._admin = log, admin
        self.looked = False

    def __getattr__(self, name):
        return getattr(self._admin, name)

    async def end_offsets(self, tps):
        found = await self._admin.end_offsets(tps)
        if next(iter(tps)).topic == ledger.STATE:
            self._log.stop()
        return found


async def stopped_between_its_two_reads(scene):
    """P1 looks at the states, sleeps while P2 decides a record and commits it, and goes on."""
    await scene.put(5)
    first = scene.owner(_StopsAtTheStates(scene.log))
    await eventually(lambda: first.log.stopped, timeout_s=WAIT_S, what="the look at the states")
    await histories.run_dry(FaultyLog(scene.log))
    first.log.go_on()
    return await first.ready()


async def a_load_is_not_below_what_was_committed(scene):
    first = await stopped_between_its_two_reads(scene)
    with promised("state below what was committed"):
        assert first.partition.position == 0 or "t:a" in first.partition.slots


async def one_content_per_seq(scene):
    first = await stopped_between_its_two_reads(scene)
    await scene.put(2, start=3)
    await first.reaches(2)
    await histories.run_dry(FaultyLog(scene.log))
    with promised("event content differs for one seq"):
        await histories.check(scene.log)


async def stale_snapshot_behind_a_newer_one(scene):
    """P1 is about to write its snapshot; P2 writes a later one and commits; then P1 goes on."""
    await scene.put(5)
    first = scene.zombie()
    late = first.log.hold(ledger.STATE)
    await late.reached()
    await scene.put(2, start=1)
    second = scene.owner()
    await scene.settled()
    await scene.lands_alone(late, of=first)
    return second


async def the_highest_snapshot_is_loaded(scene):
    second = await stale_snapshot_behind_a_newer_one(scene)
    await second.end()
    await scene.put(7, start=2)
    await histories.run_dry(FaultyLog(scene.log))
    with promised("state below what was committed"):
        await histories.check(scene.log)


async def compaction_keeps_the_winner(scene):
    """Who loads next appends the winner again, before the lag is over."""
    second = await stale_snapshot_behind_a_newer_one(scene)
    await second.end()
    await scene.owner(member="ledger-2").ready()
    await scene.clock_passes(8)


async def compaction_waits_for_the_later_record(scene):
    """The newer snapshot is eight days old when the stale one is written behind it."""
    await scene.put(5)
    first = scene.zombie()
    late = first.log.hold(ledger.STATE)
    await late.reached()
    await scene.put(2, start=1)
    scene.owner()
    await scene.settled()
    scene.clock.advance(8 * DAY_MS)
    await scene.lands_alone(late, of=first)
    await scene.clock_passes(0)


async def the_scan_comes_before_the_lag_is_over(scene):
    second = await stale_snapshot_behind_a_newer_one(scene)
    scene.clock.advance(DAY_MS // 2)
    await second.scan()
    await scene.clock_passes(8)


async def commits_follow_snapshots(scene):
    """A second record is acked while the snapshot of the first is written."""
    await scene.put(2)
    one = scene.owner()
    snapshot = one.log.hold(ledger.STATE)
    await snapshot.reached()
    await scene.put(3, start=1)
    await one.reaches(2)
    snapshot.land()
    one.log.hold(ledger.STATE)

    async def committed():
        return (await scene.log.admin().committed("ledger")).get(TP, 0)

    await eventually(committed, timeout_s=WAIT_S, what="a commit")
    await one.kill()
    with promised("committed past a snapshot"):
        await histories.check_commits(scene.log)


async def commands_wait_for_events(scene):
    await scene.put(1)
    one = scene.owner()
    events = one.log.hold(ledger.EVENTS)
    await events.reached()
    with promised("command before its events"):
        assert await histories.records(scene.log, ledger.TASKS) == []
    events.land()
    await scene.settled()
    await histories.check(scene.log)


async def snapshots_are_of_what_was_acked(scene):
    """P1 dies when its events are on their way."""
    await scene.put(2)
    one = scene.owner()
    await one.log.hold(ledger.EVENTS).reached()
    await one.flush()
    await one.kill()
    await histories.run_dry(FaultyLog(scene.log))
    with promised("events are missing"):
        await histories.check(scene.log)


async def offsets_reset_to_zero(scene):
    """The offset alone says that a record was applied: this reducer forgets what it has seen."""

    def forgetful(state, received):
        return ledger.decide(None if state is None else structs.replace(state, seen=()), received)

    reducer = ledger.reducer(decide=forgetful)
    await scene.put(3, 5, 1)
    await histories.run_dry(FaultyLog(scene.log), reducer=reducer)
    await scene.log.admin().set_committed("ledger", {TP: 0})
    again = scene.owner(reducer=reducer)
    await again.reaches(3)
    await again.kill()
    with promised("event content differs for one seq"):
        await histories.check(scene.log)


async def an_ambiguous_stage_is_written_again(scene):
    """The events fail and land late; their command waits for those that were written again."""
    await scene.put(1)
    one = scene.owner()
    events = one.log.hold(ledger.EVENTS)
    await events.reached()
    events.doubt()
    await decided(scene.log, 1, topic=ledger.TASKS)
    with promised("command before its events"):
        histories.commands_follow_their_events(one.log.journal)
    await events.land_late()
    await scene.settled()
    await histories.check(scene.log)


async def a_poison_key_ends(scene):
    """P1 dies when it has raised, and Parked is on its way."""
    await scene.put(2, ledger.POISON, 4)
    one = scene.owner()
    await one.log.hold(ledger.INBOX).reached()
    await one.flush()
    await one.kill()
    await histories.run_dry(FaultyLog(scene.log))
    with promised("the key has no terminal event"):
        events = histories.applied(await histories.records(scene.log, ledger.EVENTS))["t:a"]
        assert isinstance(histories.data_of(events[-1]), ledger.Closed)


async def what_the_process_raises_is_no_fact(scene):
    """P1 has no memory left for a record that P2 decides."""

    def roomy(state, received):
        if isinstance(received.data, ledger.Put):
            received = structs.replace(received, data=ledger.Put(amount=2))
        return ledger.decide(state, received)

    await scene.put(2, ledger.EXHAUSTING)
    first = scene.zombie()
    first.log.hold(ledger.STATE)

    async def over():
        return first.done or len(await histories.records(scene.log, ledger.EVENTS)) == 3

    await eventually(over, timeout_s=WAIT_S, what="the end of P1")
    await histories.run_dry(FaultyLog(scene.log), reducer=ledger.reducer(decide=roomy))
    with promised("event content differs for one seq"):
        histories.applied(await histories.records(scene.log, ledger.EVENTS))
    assert isinstance(await first.kill(), MemoryError)


class Case(Struct, frozen=True):
    history: Callable[[Scene], Awaitable[None]]
    broken: tuple[Mutation, ...]


READ_LAST = mutation(
    takeover.Takeover, "take",
    ("        committed = await consumer.committed(tp)\n", ""),
    (
        "        partition.position = ",
        "        committed = await consumer.committed(tp)\n        partition.position = ",
    ),
)  # fmt: skip
REMEMBERED_BEFORE_WRITTEN = mutation(
    owner.Owner, "_handle",
    ("        batch.remember()\n", ""),
    ("        await batch.write(", "        batch.remember()\n        await batch.write("),
)  # fmt: skip

CASES = {
    "gap-committed-offset-read-after-rebuild": Case(
        a_load_is_not_below_what_was_committed, (READ_LAST,)
    ),
    "gap-committed-offset-read-after-rebuild-harm": Case(one_content_per_seq, (READ_LAST,)),
    "mutant-last-snapshot-wins": Case(
        the_highest_snapshot_is_loaded,
        (mutation(rebuild.Scan, "add", ("applied >= best[0]", "True")),),
    ),
    "mutant-no-repair": Case(
        compaction_keeps_the_winner,
        (mutation(takeover.Takeover, "repair", ("again(winners.values())", "()")),),
    ),
    "mutant-commit-before-snapshot": Case(
        commits_follow_snapshots,
        (
            mutation(
                snapshots.Snapshots,
                "_commit_covered",
                ("partition.committable()", "partition.position"),
            ),
        ),
    ),
    "mutant-commands-before-events": Case(
        commands_wait_for_events,
        (
            mutation(
                batch.Batch, "write",
                ("outputs.first] + letters", "outputs.second] + letters"),
                ("outputs.second]\n", "outputs.first]\n"),
            ),
        ),
    ),
    "mutant-one-stage": Case(
        commands_wait_for_events,
        (
            mutation(
                batch.Batch, "write",
                ("outputs.second]\n", "outputs.second]\n        first += second; second = []\n"),
            ),
        ),
    ),
    "mutant-snapshot-of-decided-state": Case(
        snapshots_are_of_what_was_acked, (REMEMBERED_BEFORE_WRITTEN,)
    ),
    "mutant-reset-without-skip": Case(
        offsets_reset_to_zero,
        (
            mutation(
                batch, "admits", ("incoming.record.offset <= standing.held.applied", "False")
            ),
        ),
    ),
    "mutant-ambiguous-counts-as-written": Case(
        an_ambiguous_stage_is_written_again,
        (
            mutation(
                batch, "send_surely",
                ("await producer", "with suppress(ProduceUnknownError): await producer"),
                suppress=suppress,
            ),
        ),
    ),
    "gap-compaction-by-own-age": Case(
        compaction_waits_for_the_later_record,
        (
            mutation(
                cleaner, "plan_compaction",
                ("if row.timestamp_ms > horizon_ms:", "if False:"),
                ("if earlier is not None:", "if earlier and earlier.timestamp_ms <= horizon_ms:"),
            ),
        ),
    ),
    "gap-48h-without-a-scan": Case(
        the_scan_comes_before_the_lag_is_over,
        (
            mutation(
                takeover.Takeover, "scan_again",
                ("if key not in partition.slots or partition", "if False and partition"),
            ),
        ),
    ),
    "mutant-snapshot-before-parked": Case(
        a_poison_key_ends,
        (
            REMEMBERED_BEFORE_WRITTEN,
            mutation(
                batch.Batch, "remember",
                ("slot.uncovered.append(record.offset)", "pass"),
            ),
        ),
    ),
    "gap-raise-depends-on-the-process": Case(
        what_the_process_raises_is_no_fact,
        (mutation(deciding.Decider, "decided", ("except self._reducer.fatal:", "except ():")),),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
async def test_the_history_keeps_its_promise(name, scene):
    await CASES[name].history(scene)


@pytest.mark.parametrize("name", CASES)
async def test_the_history_breaks_it_when_the_rule_is_broken(name, scene, monkeypatch):
    for broken in CASES[name].broken:
        broken.apply(monkeypatch)
    with pytest.raises(BrokenPromiseError):
        await CASES[name].history(scene)


async def test_a_key_that_is_not_frozen_ends_too(scene, monkeypatch):
    """``rules-not-frozen``: the model allows what the chassis does not do."""
    mutation(batch, "admits", ("if standing.parked is None:", "if True:")).apply(monkeypatch)
    await a_poison_key_ends(scene)


def test_r08_scans_come_several_times_within_the_lag_of_every_state_topic():
    states = [
        spec for name, spec in Registry.load(topics_dir()).topics.items() if name.endswith("-state")
    ]
    assert states
    for spec in states:
        assert spec.min_compaction_lag_ms >= 4 * ReducerGroup().scan_interval_s * 1000
