"""Doctored histories, continued: what was promised to users, and what they were charged.

The histories that are doctored come from the real reducer and the real codec, see ``Scene``.
"""

import msgspec
import pytest
from msgspec.structs import replace

from facilitair_events import collaboration as ev
from facilitair_events.replies import RequestAnswered
from facilitair_events.requests import AttemptReported, CallReported, CollaborationRequested
from facilitair_events.topics import (
    AGENT_TASKS,
    COLLABORATION_INBOX,
    COLLABORATION_STREAM,
    LLM_CALLS,
    QUERY_REPLIES,
)
from facilitair_events.work import CallDone
from facilitair_messaging.dead_letters import Failure, dead_letter
from facilitair_messaging.errors import UnreadableRecordError
from facilitair_messaging.ports import Record
from facilitair_testing.doctored import Doctored, change_frames, event, line, the_call
from facilitair_testing.doctored_scene import Scene
from facilitair_testing.doctoring import Doctor
from facilitair_testing.history import Frame, judge
from facilitair_testing.history.entries import Entry
from facilitair_testing.history.judging import CHECKS, Check
from facilitair_testing.inbox import definition, step
from facilitair_testing.scripted_run import START_MS, ScriptedRun

PROMISES = ("cursors", "deadlines", "given_up", "money", "replies")
"""The modules of rules whose doctored histories are here."""

DOCTORED = Doctored()
breaks = DOCTORED.breaks


def accepted(doctor: Doctor, ident: str, **fields: object) -> None:
    doctor.change_client(
        lambda line: line.op == "submit" and line.type == "ok" and line.collaboration == ident,
        lambda line: msgspec.structs.replace(line, **fields),
    )


# Viewers


@breaks("I8")
def a_viewer_that_never_sees_the_end(doctor: Doctor, scene: Scene) -> None:
    change_frames(doctor, scene.rich, lambda frames: frames[:-1], part=1)


@breaks("I8")
def a_viewer_that_was_shown_nothing(doctor: Doctor, scene: Scene) -> None:
    for part in (0, 1):
        change_frames(doctor, scene.rich, lambda _: [], part=part)


@breaks("I8")
def an_end_that_was_left_out_at_the_last_reconnect(doctor: Doctor, scene: Scene) -> None:
    change_frames(doctor, scene.rich, lambda frames: frames[:-1], part=1)
    late = line(client="viewer", op="watch", id="late", collaboration=scene.rich, status=200)
    doctor.client.append(late)


@breaks("R31")
def a_cursor_that_leads_back_over_a_reconnect(doctor: Doctor, scene: Scene) -> None:
    def lead_back(frames: list[Frame]) -> list[Frame]:
        return [*frames[:-1], replace(frames[-1], id=frames[0].id)]

    change_frames(doctor, scene.rich, lead_back, part=0)


@breaks("R31")
def a_cursor_that_says_that_more_was_sent(doctor: Doctor, scene: Scene) -> None:
    def claim(frames: list[Frame]) -> list[Frame]:
        place, _, seq = (frames[2].id or "").rpartition("-")
        return [*frames[:2], replace(frames[2], id=f"{place}-{int(seq) + 1}"), *frames[3:]]

    change_frames(doctor, scene.rich, claim, part=0)


@breaks("R31")
def a_cursor_of_another_collaboration(doctor: Doctor, scene: Scene) -> None:
    other = next(x for x in doctor.client if x.id == f"viewer-{scene.voided}-0" and x.frames)

    def confuse(frames: list[Frame]) -> list[Frame]:
        return [replace(frames[0], id=other.frames[0].id), *frames[1:]]

    change_frames(doctor, scene.rich, confuse, part=0)


@breaks("I8")
def a_stream_that_begins_behind_its_first_event(doctor: Doctor, scene: Scene) -> None:
    first = event(doctor, ev.CollaborationAccepted, scene.ignored)
    copy = next(
        e
        for e in doctor.all(COLLABORATION_STREAM, ev.CollaborationAccepted, seq=1)
        if e.key == first.key
    )
    asked = doctor.find(COLLABORATION_INBOX, CollaborationRequested, collaboration=scene.ignored)
    doctor.swap(asked, replace(asked.data, stream_start=copy.offset + 1))


@breaks("I8")
def a_202_whose_cursor_is_behind_the_first_event(doctor: Doctor, scene: Scene) -> None:
    accepted(doctor, scene.rich, cursor=cursor_behind(doctor, scene.rich))


@breaks("I8")
def a_202_whose_cursor_is_of_another_partition(doctor: Doctor, scene: Scene) -> None:
    partition, *_ = cursor_behind(doctor, scene.rich).split("-")
    accepted(doctor, scene.rich, cursor=f"{int(partition) + 1}-0-0")


def cursor_behind(doctor: Doctor, ident: str) -> str:
    found = doctor.all(COLLABORATION_STREAM, ev.CollaborationAccepted, collaboration=ident)
    return f"{found[0].record.partition}-{found[0].offset + 1}-0"


# Replies


def reply(doctor: Doctor, scene: Scene, outcome: str) -> Entry:
    return doctor.find(QUERY_REPLIES, RequestAnswered, collaboration=scene.rich, outcome=outcome)


@breaks("R15")
def a_reply_that_names_another_status(doctor: Doctor, scene: Scene) -> None:
    found = reply(doctor, scene, "accepted")
    doctor.swap(found, replace(found.data, status="completed"))


@breaks("R15")
def a_reply_that_names_a_later_beginning(doctor: Doctor, scene: Scene) -> None:
    found = reply(doctor, scene, "duplicate")
    doctor.swap(found, replace(found.data, stream_start=found.data.stream_start + 7))


@breaks("R15")
def a_cancel_that_is_answered_for_another_request(doctor: Doctor, scene: Scene) -> None:
    found = doctor.all(QUERY_REPLIES, RequestAnswered, collaboration=scene.stopped)[-1]
    doctor.swap(found, replace(found.data, correlation="somebody-elses"))


@breaks("I2")
def accepted_is_told_for_another_body(doctor: Doctor, scene: Scene) -> None:
    first, second = doctor.all(
        COLLABORATION_INBOX, CollaborationRequested, collaboration=scene.rich
    )
    doctor.swap(second, replace(second.data, body_digest="another"))
    found = reply(doctor, scene, "duplicate")
    doctor.swap(found, replace(found.data, outcome="accepted"))
    assert first.data.body_digest != "another"


# Money


def completed_call(doctor: Doctor) -> Entry:
    return doctor.find(COLLABORATION_INBOX, CallReported, path="documenter", outcome="completed")


@breaks("I6")
def a_call_that_is_charged_and_was_never_asked(doctor: Doctor, scene: Scene) -> None:
    ident = completed_call(doctor).data.call_id
    doctor.provider = [line for line in doctor.provider if line.call_id != ident]


@breaks("I6")
def a_call_that_is_charged_to_another_tenant(doctor: Doctor, scene: Scene) -> None:
    ident = completed_call(doctor).data.call_id
    doctor.change_provider(ident, lambda asked: replace(asked, tenant="acme"))


@breaks("I6")
def more_tokens_are_charged_than_were_counted(doctor: Doctor, scene: Scene) -> None:
    ident = completed_call(doctor).data.call_id
    asked = next(line for line in doctor.provider if line.call_id == ident)
    doctor.provider.append(replace(asked, outcome="completed", input_tokens=1, output_tokens=0))


# What is given up


@breaks("I13")
def a_task_that_is_given_up_and_ends_well(doctor: Doctor, scene: Scene) -> None:
    task = doctor.unreadable(AGENT_TASKS)
    end = event(doctor, ev.CollaborationFailed, scene.given_up)
    completed = ev.CollaborationCompleted(
        collaboration=scene.given_up, seq=end.data.seq, at=end.data.at,
        duration_ms=end.data.duration_ms, totals=end.data.totals,
    )  # fmt: skip
    doctor.swap_event(end, completed)
    assert task.fault


@breaks("I13")
def a_task_that_is_given_up_in_silence(doctor: Doctor, scene: Scene) -> None:
    """The worker says nothing, and nothing follows."""
    key = f"local:{scene.given_up}"
    reports = doctor.all(COLLABORATION_INBOX, AttemptReported)
    dones = doctor.all(LLM_CALLS, CallDone, call_id=the_call(scene.given_up, "a", 1))
    doctor.drop(*dones, *(entry for entry in reports if entry.key == key))
    for kind in (ev.AttemptFailed, ev.StepFailed, ev.CollaborationFailed):
        doctor.drop_event(event(doctor, kind, scene.given_up))


@breaks("I13")
def a_record_that_counted_and_was_given_up(doctor: Doctor, scene: Scene) -> None:
    counted = completed_call(doctor)
    found = doctor.unreadable(COLLABORATION_INBOX + "-dlq")
    letter = letter_of(counted.record)
    doctor.copy(found, key=letter.key, value=letter.value, headers=letter.headers)


def letter_of(record: Record) -> Record:
    error = UnreadableRecordError(
        topic=record.topic, partition=record.partition, offset=record.offset, reason="a mistake"
    )
    failure = Failure(error=error, attempts=1, first_failed_at_ms=record.timestamp_ms)
    sent = dead_letter(record, failure, service="orchestrator", group="orchestrator")
    return replace(record, value=sent.value, headers=sent.headers)


# Deadlines


@breaks("I3")
def an_end_long_after_the_deadline(doctor: Doctor, scene: Scene) -> None:
    end = event(doctor, ev.CollaborationCompleted, scene.rich)
    doctor.swap(end, timestamp_ms=end.at_ms + 86_400_000)


def test_deadlines_are_judged_from_when_the_last_fault_was_over() -> None:
    run = ScriptedRun()
    ident = run.submit(definition(step("a"), output="a"))
    run.now_ms += 86_400_000
    run.fire(ident, "deadline")
    run.fire(ident, "ending")
    rules = [
        {v.rule for v in judge(run.history(), lease_ms=3_000, healed_ms=healed_ms)}
        for healed_ms in (None, 0, START_MS, run.now_ms)
    ]
    assert rules == [set(), {"I3"}, {"I3"}, set()]


@pytest.mark.parametrize("name", DOCTORED.ways)
def test_a_doctored_history_is_accused_of_the_rule_it_breaks(name: str) -> None:
    found = DOCTORED.accused(name)
    assert {violation.rule for violation in found} == {DOCTORED.ways[name][0]}, found
    assert all(violation.text for violation in found)


@pytest.mark.parametrize(
    "check",
    [c for c in CHECKS if c.rule.__module__.rpartition(".")[2] in PROMISES],
    ids=lambda check: check.rule.__name__,
)
def test_every_check_can_say_no(check: Check) -> None:
    assert DOCTORED.told_by(check)
