"""What a history is held to depends on how it was made: every term has an effect."""

from msgspec.structs import replace

from facilitair_events.state import CollaborationSnapshot
from facilitair_events.topics import AGENT_TASKS, COLLABORATION_STATE, LLM_CALLS
from facilitair_events.work import CallClaimed, CallDone, LedgerTicked, RunAttempt
from facilitair_testing.doctored import scene
from facilitair_testing.doctoring import Doctor
from facilitair_testing.history import History, judge
from facilitair_testing.inbox import definition, step
from facilitair_testing.scripted_run import ScriptedRun
from facilitair_testing.scripted_worker import ScriptedWorker, take

LEASE_MS = scene().run.lease_ms


def rules(history: History, **terms: int | bool) -> set[str]:
    return {violation.rule for violation in judge(history, **({"lease_ms": LEASE_MS} | terms))}


def test_a_longer_lease_was_not_over_yet() -> None:
    assert rules(scene().run.history(), lease_ms=2 * LEASE_MS) == {"R20"}


def test_in_solo_only_another_incarnation_may_be_declared() -> None:
    history = scene().run.history()
    assert rules(history, lease_ms=0) == set()
    doctor = Doctor(history)
    for fence in doctor.all(LLM_CALLS, CallClaimed, fence=True):
        doctor.swap(fence, replace(fence.data, incarnation="w1"))
    assert rules(doctor.history(), lease_ms=0) == {"R20"}
    # In a fleet a process may close what it gave up itself.
    assert rules(doctor.history()) == set()


def test_a_gap_of_the_log_counts_for_half_a_lease() -> None:
    run = ScriptedRun()
    worker, other = ScriptedWorker(run), ScriptedWorker(run, "w2")
    run.submit(definition(step("a"), output="a"))
    worker.lose(take(run), "text", watcher=other)
    other.answer(take(run), "text")
    doctor = Doctor(run.history())
    assert rules(doctor.history()) == set()
    # The same wait without a record in between is an outage, not a silence.
    doctor.drop(*doctor.all(LLM_CALLS, LedgerTicked))
    assert rules(doctor.history()) == {"R20"}


def test_a_collaboration_may_be_open_until_the_run_has_ended() -> None:
    run = ScriptedRun()
    run.submit(definition(step("a"), output="a"))
    assert rules(run.history()) == {"I3"}
    assert rules(run.history(), ended=False) == set()


def test_a_stale_snapshot_is_legal_until_the_next_owner_has_repaired_it() -> None:
    doctor = Doctor(scene().run.history())
    found = doctor.all(COLLABORATION_STATE, CollaborationSnapshot)
    first, *_, last = [entry for entry in found if entry.key.endswith(scene().rich)]
    doctor.copy(first, offset=last.offset + 1)
    assert rules(doctor.history()) == {"R8"}
    assert rules(doctor.history(), repaired=False) == set()


def test_a_stop_may_be_noticed_within_its_grace() -> None:
    doctor = Doctor(scene().run.history())
    ident = scene().worker.call_id(scene().stopped_task)
    doctor.change_provider(ident, lambda asked: replace(asked, at_ms=asked.at_ms + 8_000))
    assert rules(doctor.history()) == {"R23"}
    assert rules(doctor.history(), stop_grace_ms=10_000) == set()
    assert rules(doctor.history(), skew_ms=5_000) == set()


def test_the_clock_of_the_provider_may_differ() -> None:
    doctor = Doctor(scene().run.history())
    ident = scene().worker.call_id(scene().stopped_task)
    doctor.change_provider(ident, lambda asked: replace(asked, at_ms=asked.at_ms - 100))
    assert rules(doctor.history()) == {"R19"}
    assert rules(doctor.history(), skew_ms=200) == set()


def test_the_clock_of_the_log_may_have_jumped() -> None:
    doctor = Doctor(scene().run.history())
    task = doctor.find(AGENT_TASKS, RunAttempt, collaboration=scene().rich)
    doctor.swap(task, timestamp_ms=task.at_ms - 1_000)
    done = doctor.find(LLM_CALLS, CallDone, path="documenter")
    doctor.swap(done, timestamp_ms=done.at_ms - 1_000)
    assert rules(doctor.history()) == {"R7", "R20"}
    assert rules(doctor.history(), jumps_ms=1_000) == set()


def test_a_claim_that_lands_after_the_end_of_its_attempt_wins_nothing() -> None:
    doctor = Doctor(scene().run.history())
    claim = next(
        entry
        for entry in doctor.all(LLM_CALLS, CallClaimed, fence=False)
        if entry.key.startswith(f"local:{scene().rich}:documenter|")
    )
    late = scene().worker.call_id(scene().documenter_task, index=1)
    key = (claim.record.key or b"").replace(claim.data.call_id.encode(), late.encode())
    key = key.replace(claim.data.nonce.encode(), b"late")
    data = replace(claim.data, call_id=late, index=1, nonce="late")
    doctor.copy(claim, data, key=key, offset=10**6)
    assert rules(doctor.history()) == set()
    doctor.provider.append(replace(doctor.provider[0], call_id=late, at_ms=claim.at_ms + 10**6))
    assert rules(doctor.history()) == {"R19"}
