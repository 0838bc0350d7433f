"""The checker accuses each doctored history of exactly the rule that it breaks.

The histories that are doctored come from the real reducer and the real codec, see ``Scene``.
"""

import pytest
from msgspec.structs import replace

from facilitair_events import collaboration as ev
from facilitair_events.replies import RequestAnswered
from facilitair_events.requests import CallReported, CollaborationRequested, Fault
from facilitair_events.topics import (
    AGENT_TASKS,
    COLLABORATION_EVENTS,
    COLLABORATION_INBOX,
    COLLABORATION_STATE,
    COLLABORATION_STREAM,
    LLM_CALLS,
    QUERY_REPLIES,
    WORKER_CONTROL,
)
from facilitair_events.work import (
    CallClaimed,
    CallDone,
    CallRenewed,
    RunAttempt,
    StopAttempts,
)
from facilitair_testing.doctored import Doctored, chunks, event, later, line, scene, the_call
from facilitair_testing.doctored_scene import Scene
from facilitair_testing.doctoring import Doctor, with_headers
from facilitair_testing.history import ProviderLine, judge
from facilitair_testing.history.judging import CHECKS, Check

INBOX, EVENTS, STREAM, STATE = (
    COLLABORATION_INBOX, COLLABORATION_EVENTS, COLLABORATION_STREAM, COLLABORATION_STATE,
)  # fmt: skip
OUTPUTS = ("outcomes", "snapshots", "streams", "viewers", "headers", "letters")
PROMISES = ("cursors", "deadlines", "given_up", "money", "replies")
BOOKS = ("account_outcomes", "entries_of_calls", "envelopes", "limits")
"""The modules of rules whose doctored histories are elsewhere."""

DOCTORED = Doctored()
breaks = DOCTORED.breaks


# Sequences and ends


@breaks("R12")
def a_gap_in_the_events(doctor: Doctor, scene: Scene) -> None:
    doctor.drop_event(event(doctor, ev.StepStarted, scene.rich))


@breaks("R12")
def two_contents_for_one_number(doctor: Doctor, scene: Scene) -> None:
    entry = event(doctor, ev.StepScheduled, scene.rich)
    doctor.copy(entry, replace(entry.data, model="another"))


@breaks("R12")
def a_copy_that_differs_from_its_event(doctor: Doctor, scene: Scene) -> None:
    entry = doctor.find(STREAM, ev.StepScheduled, collaboration=scene.rich)
    doctor.swap(entry, replace(entry.data, model="another"))


@breaks("R12")
def an_event_that_viewers_never_get(doctor: Doctor, scene: Scene) -> None:
    doctor.drop(doctor.find(STREAM, ev.CollaborationCompleted, collaboration=scene.rich))


@breaks("I3")
def a_second_terminal_event(doctor: Doctor, scene: Scene) -> None:
    end = event(doctor, ev.CollaborationCompleted, scene.rich)
    doctor.add_event(end, replace(end.data, seq=end.data.seq + 1, duration_ms=1))


@breaks("I3")
def an_event_after_the_terminal_one(doctor: Doctor, scene: Scene) -> None:
    end = event(doctor, ev.CollaborationCompleted, scene.rich)
    late = ev.StepSkipped(
        collaboration=scene.rich, seq=end.data.seq + 1, at=end.data.at, step="later"
    )
    doctor.add_event(end, late)


@breaks("I3")
def no_terminal_event(doctor: Doctor, scene: Scene) -> None:
    doctor.drop_event(event(doctor, ev.CollaborationCompleted, scene.rich))


# The state machine


@breaks("I4")
def two_results_counted(doctor: Doctor, scene: Scene) -> None:
    result = event(doctor, ev.AttemptCompleted, scene.rich)
    after = event(doctor, ev.StepCompleted, scene.rich, step=result.data.step)
    doctor.swap_event(after, replace(result.data, seq=after.data.seq))


@breaks("I4")
def a_step_completed_without_an_attempt(doctor: Doctor, scene: Scene) -> None:
    result = event(doctor, ev.AttemptCompleted, scene.rich, step="documenter")
    failed = ev.AttemptFailed(
        collaboration=scene.rich, seq=result.data.seq, at=result.data.at, step="documenter",
        agent="documenter", attempt=result.data.attempt, totals=ev.Totals(),
        fault=Fault(code="x", message="x"),
    )  # fmt: skip
    doctor.swap_event(result, failed)


@breaks("I4")
def accepted_twice(doctor: Doctor, scene: Scene) -> None:
    first = event(doctor, ev.CollaborationAccepted, scene.rich)
    second = event(doctor, ev.StepStarted, scene.rich)
    doctor.swap_event(second, replace(first.data, seq=second.data.seq))


@breaks("I4")
def an_attempt_that_is_left_open_at_the_end(doctor: Doctor, scene: Scene) -> None:
    closed = event(doctor, ev.AttemptFailed, scene.stopped)
    skipped = ev.StepSkipped(
        collaboration=scene.stopped, seq=closed.data.seq, at=closed.data.at, step="b"
    )
    doctor.swap_event(closed, skipped)


@breaks("I4")
def an_iteration_that_is_left_out(doctor: Doctor, scene: Scene) -> None:
    entry = event(doctor, ev.StepStarted, scene.rich)
    doctor.swap_event(entry, replace(entry.data, iteration=2))


# Submits


@breaks("I1")
def an_accepted_submit_that_is_lost(doctor: Doctor, scene: Scene) -> None:
    asked = doctor.find(INBOX, CollaborationRequested, collaboration=scene.rich)
    headers = with_headers(asked.record.headers, ce_subject="lost")
    data = replace(asked.data, collaboration="lost")
    doctor.copy(asked, data, key=b"local:lost", headers=headers)


@breaks("I1")
def a_202_without_a_record(doctor: Doctor, scene: Scene) -> None:
    doctor.client.append(line(collaboration="nowhere", key="k"))


@breaks("I1")
def a_cancel_that_was_promised_and_not_written(doctor: Doctor, scene: Scene) -> None:
    doctor.client.append(line(op="cancel", collaboration=scene.rich))


@breaks("I1")
def an_accepted_collaboration_that_is_not_known_later(doctor: Doctor, scene: Scene) -> None:
    for kind, status in (("invoke", None), ("fail", 404)):
        doctor.client.append(
            line(op="describe", type=kind, collaboration=scene.rich, id="again", status=status)
        )


@breaks("I2")
def two_collaborations_for_one_key(doctor: Doctor, scene: Scene) -> None:
    doctor.client.append(line(collaboration=scene.stopped, key="rich", body="b1"))


@breaks("I2")
def one_key_accepted_with_two_bodies(doctor: Doctor, scene: Scene) -> None:
    doctor.client.append(line(collaboration=scene.rich, key="rich", body="b2"))


@breaks("I2")
def a_conflict_where_there_was_one_body(doctor: Doctor, scene: Scene) -> None:
    doctor.client.append(line(type="fail", status=409, key="rich", body="b1"))


@breaks("I2")
def a_repeat_that_is_answered_as_a_conflict(doctor: Doctor, scene: Scene) -> None:
    answer = doctor.find(QUERY_REPLIES, RequestAnswered, outcome="duplicate")
    doctor.swap(answer, replace(answer.data, outcome="conflict"))


# Claims and requests


@breaks("R19")
def a_request_without_a_claim(doctor: Doctor, scene: Scene) -> None:
    ident = the_call(scene.rich, "coder", 1, 3)
    doctor.provider.append(replace(doctor.provider[0], call_id=ident))


@breaks("R19")
def a_claim_after_its_request(doctor: Doctor, scene: Scene) -> None:
    ident = the_call(scene.rich, "coder", 1)
    doctor.change_provider(ident, lambda asked: replace(asked, at_ms=asked.at_ms - 100))


@breaks("R19")
def two_requests_for_one_call(doctor: Doctor, scene: Scene) -> None:
    doctor.provider.append(doctor.provider[0])


@breaks("R19")
def the_second_claimant_calls(doctor: Doctor, scene: Scene) -> None:
    ident = the_call(scene.rich, "documenter", 1)
    claim = doctor.find(LLM_CALLS, CallClaimed, call_id=ident)
    key = (claim.record.key or b"").replace(claim.data.nonce.encode(), b"earlier")
    data = replace(claim.data, nonce="earlier", incarnation="w9")
    doctor.copy(claim, data, key=key, offset=claim.offset - 1)


@breaks("R19")
def a_request_of_a_fenced_call(doctor: Doctor, scene: Scene) -> None:
    fence = doctor.find(LLM_CALLS, CallClaimed, fence=True)
    asked = ProviderLine(
        at_ms=fence.at_ms + 5, call_id=fence.data.call_id, tenant="local", model="m",
        prompt_sha256="p", outcome="started",
    )  # fmt: skip
    doctor.provider.append(asked)


@breaks("R19")
def a_request_of_a_voided_call(doctor: Doctor, scene: Scene) -> None:
    ident = the_call(scene.voided, "a", 1)
    claim = doctor.find(LLM_CALLS, CallClaimed, call_id=ident)
    doctor.provider.append(replace(doctor.provider[0], call_id=ident, at_ms=claim.at_ms + 1))


@breaks("R19")
def a_nonce_that_is_claimed_with_twice(doctor: Doctor, scene: Scene) -> None:
    first, second, *_ = doctor.all(LLM_CALLS, CallClaimed)
    nonce = first.data.nonce
    key = second.key.rpartition("|")[0] + f"|{nonce}"
    doctor.swap(second, replace(second.data, nonce=nonce), key=key.encode())


@breaks("R21")
def a_task_that_is_committed_unanswered(doctor: Doctor, scene: Scene) -> None:
    task = doctor.find(AGENT_TASKS, RunAttempt, collaboration=scene.ignored)
    doctor.committed[task.record.tp] = task.offset + 1


@breaks("R22")
def a_finished_call_that_is_paid_again(doctor: Doctor, scene: Scene) -> None:
    report = doctor.find(INBOX, CallReported, request_digest="q2")
    doctor.swap(report, replace(report.data, request_digest="q1"))


# Ids and the ledger


@breaks("R17")
def an_attempt_number_that_is_given_out_again(doctor: Doctor, scene: Scene) -> None:
    second = event(doctor, ev.StepScheduled, scene.rich, step="coder", attempt=2)
    doctor.swap_event(second, replace(second.data, attempt=1))


@breaks("R17")
def an_attempt_with_two_tasks(doctor: Doctor, scene: Scene) -> None:
    task = doctor.find(AGENT_TASKS, RunAttempt, collaboration=scene.rich)
    doctor.copy(task, replace(task.data, timeout_s=1.0))


@breaks("R17")
def a_report_with_a_wrong_call_id(doctor: Doctor, scene: Scene) -> None:
    report = doctor.find(INBOX, CallReported, path="documenter")
    doctor.swap(report, replace(report.data, call_id=the_call("other", "a", 1)))


@breaks("R17")
def an_unknown_call_of_another_attempt(doctor: Doctor, scene: Scene) -> None:
    lost = event(doctor, ev.AttemptUnknown, scene.rich)
    doctor.swap_event(lost, replace(lost.data, call_id=the_call(scene.rich, "coder", 9)))


@breaks("R18")
def a_text_in_the_ledger(doctor: Doctor, scene: Scene) -> None:
    claim = doctor.find(LLM_CALLS, CallClaimed)
    value = (claim.record.value or b"")[:-1] + b',"prompt":"Do it."}'
    doctor.swap(claim, value=value)


@breaks("R18")
def a_long_nonce_that_is_a_text(doctor: Doctor, scene: Scene) -> None:
    claim = doctor.find(LLM_CALLS, CallClaimed, fence=True)
    doctor.swap(claim, replace(claim.data, incarnation="an answer " * 20))


@breaks("R18")
def a_ledger_key_of_another_call(doctor: Doctor, scene: Scene) -> None:
    claim = doctor.find(LLM_CALLS, CallClaimed)
    key = (claim.record.key or b"").replace(claim.data.call_id.encode(), b"another")
    doctor.swap(claim, key=key)


# Silence and stops


@breaks("R20")
def unknown_for_a_claimant_that_renews(doctor: Doctor, scene: Scene) -> None:
    fence = doctor.find(LLM_CALLS, CallClaimed, fence=True)
    ident = the_call(scene.rich, "coder", 2)
    claim = doctor.find(LLM_CALLS, CallClaimed, call_id=ident)
    renewal = CallRenewed(call_id=ident, nonce=claim.data.nonce, path="coder", attempt=2)
    key = (claim.record.key or b"").replace(b"|claim|", b"|renewal|")
    doctor.copy(claim, renewal, key=key, offset=fence.offset - 1, timestamp_ms=fence.at_ms)


@breaks("R20")
def unknown_without_a_fence(doctor: Doctor, scene: Scene) -> None:
    fence = doctor.find(LLM_CALLS, CallClaimed, fence=True)
    done = doctor.find(LLM_CALLS, CallDone, call_id=fence.data.call_id)
    doctor.drop(fence, done)


@breaks("R20")
def unknown_before_its_fence(doctor: Doctor, scene: Scene) -> None:
    fence = doctor.find(LLM_CALLS, CallClaimed, fence=True)
    doctor.swap(fence, **later(fence, 50))


@breaks("R20")
def done_before_its_outcome_is_told(doctor: Doctor, scene: Scene) -> None:
    ident = the_call(scene.rich, "documenter", 1)
    done = doctor.find(LLM_CALLS, CallDone, call_id=ident)
    doctor.swap(done, **later(done, -50))


@breaks("R23")
def a_request_after_its_stop(doctor: Doctor, scene: Scene) -> None:
    ident = the_call(scene.stopped, "a", 1)
    doctor.change_provider(ident, lambda asked: replace(asked, at_ms=asked.at_ms + 60_000))


@breaks("R23")
def tokens_long_after_a_stop(doctor: Doctor, scene: Scene) -> None:
    stop = doctor.find(WORKER_CONTROL, StopAttempts, collaboration=scene.stopped)
    last = [e for e in chunks(doctor, "a", attempt=1) if e.key.endswith(scene.stopped)][-1]
    doctor.swap(last, **later(stop, 60_000))


@pytest.mark.parametrize("name", DOCTORED.ways)
def test_a_doctored_history_is_accused_of_the_rule_it_breaks(name: str) -> None:
    found = DOCTORED.accused(name)
    assert {violation.rule for violation in found} == {DOCTORED.ways[name][0]}, found
    assert all(violation.text for violation in found)


def test_the_history_that_is_doctored_is_legal() -> None:
    assert judge(Doctor(scene().run.history()).history(), lease_ms=scene().run.lease_ms) == []


@pytest.mark.parametrize(
    "check",
    [c for c in CHECKS if c.rule.__module__.rpartition(".")[2] not in OUTPUTS + PROMISES + BOOKS],
    ids=lambda check: check.rule.__name__,
)
def test_every_check_can_say_no(check: Check) -> None:
    assert DOCTORED.told_by(check)
