"""Doctored histories, continued: what is put out, what is streamed, and who was shown what.

The histories that are doctored come from the real reducer and the real codec, see ``Scene``.
"""

import msgspec
import pytest
from msgspec.structs import replace

from facilitair_events import collaboration as ev
from facilitair_events.requests import AttemptReported, CallReported
from facilitair_events.state import CollaborationSnapshot
from facilitair_events.stream import AttemptReset, AttemptStarted
from facilitair_events.text import inline
from facilitair_events.topics import (
    AGENT_TASKS,
    COLLABORATION_EVENTS,
    COLLABORATION_INBOX,
    COLLABORATION_STATE,
    COLLABORATION_STREAM,
    WORKER_CONTROL,
)
from facilitair_events.work import (
    RunAttempt,
    StopAttempts,
)
from facilitair_testing.doctored import Doctored, change_frames, chunks, event, later
from facilitair_testing.doctored_scene import Scene
from facilitair_testing.doctoring import Doctor, with_headers, without
from facilitair_testing.history import Frame
from facilitair_testing.history.entries import Entry
from facilitair_testing.history.judging import CHECKS, Check

INBOX, EVENTS, STREAM, STATE = (
    COLLABORATION_INBOX, COLLABORATION_EVENTS, COLLABORATION_STREAM, COLLABORATION_STATE,
)  # fmt: skip
OUTPUTS = ("outcomes", "snapshots", "streams", "viewers", "headers", "letters")
"""The modules of rules whose doctored histories are here."""

DOCTORED = Doctored()
breaks = DOCTORED.breaks


# Commands and snapshots


@breaks("R7")
def a_command_before_its_events(doctor: Doctor, scene: Scene) -> None:
    task = doctor.find(AGENT_TASKS, RunAttempt, collaboration=scene.rich)
    doctor.swap(task, **later(task, -2))


@breaks("R7")
def a_task_that_nobody_scheduled(doctor: Doctor, scene: Scene) -> None:
    task = doctor.find(AGENT_TASKS, RunAttempt, collaboration=scene.rich)
    doctor.copy(task, replace(task.data, attempt=7))


@breaks("R7")
def a_command_that_follows_from_nothing(doctor: Doctor, scene: Scene) -> None:
    stop = doctor.find(WORKER_CONTROL, StopAttempts, collaboration=scene.stopped)
    doctor.copy(stop, replace(stop.data, reason="nobody asked"))


@breaks("R7")
def a_command_that_is_lost(doctor: Doctor, scene: Scene) -> None:
    doctor.drop(doctor.find(AGENT_TASKS, RunAttempt, collaboration=scene.ignored))


@breaks("R7")
def a_result_before_its_last_chunk(doctor: Doctor, scene: Scene) -> None:
    last = chunks(doctor, "documenter", attempt=1)[-1]
    report = doctor.find(INBOX, AttemptReported, path="documenter")
    doctor.swap(last, **later(report, 1))


def snapshots(doctor: Doctor, ident: str) -> list[Entry]:
    found = doctor.all(STATE, CollaborationSnapshot)
    return [entry for entry in found if entry.key.endswith(ident)]


@breaks("R8")
def a_commit_beyond_what_snapshots_cover(doctor: Doctor, scene: Scene) -> None:
    doctor.drop(snapshots(doctor, scene.rich)[-1])


@breaks("R8")
def a_snapshot_of_another_state(doctor: Doctor, scene: Scene) -> None:
    entry = snapshots(doctor, scene.rich)[2]
    state = replace(entry.data.state, created_ms=1)
    doctor.swap(entry, replace(entry.data, state=state))


@breaks("R8")
def a_snapshot_of_nothing(doctor: Doctor, scene: Scene) -> None:
    entry = snapshots(doctor, scene.rich)[2]
    doctor.swap(entry, replace(entry.data, applied=entry.data.applied + 3))


@breaks("R8")
def an_older_snapshot_last(doctor: Doctor, scene: Scene) -> None:
    first, *_, last = snapshots(doctor, scene.rich)
    doctor.copy(first, offset=last.offset + 1)


@breaks("R14")
def a_stub_that_keeps_its_texts(doctor: Doctor, scene: Scene) -> None:
    last = snapshots(doctor, scene.rich)[-1]
    state = replace(last.data.state, task=inline("Do it."))
    doctor.swap(last, replace(last.data, state=state))


@breaks("R14")
def a_state_that_is_dropped_before_its_inbox(doctor: Doctor, scene: Scene) -> None:
    doctor.copy(snapshots(doctor, scene.rich)[-1], value=None)


@breaks("I11")
def an_event_that_the_inbox_does_not_lead_to(doctor: Doctor, scene: Scene) -> None:
    end = event(doctor, ev.CollaborationCompleted, scene.rich)
    doctor.swap_event(end, replace(end.data, duration_ms=end.data.duration_ms + 1))


@breaks("I11")
def a_result_that_counted_in_another_order(doctor: Doctor, scene: Scene) -> None:
    call = doctor.find(INBOX, CallReported, path="documenter")
    doctor.swap(call, offset=call.offset + 11)
    for entry in snapshots(doctor, scene.rich)[-2:]:
        doctor.drop(entry)
    doctor.committed[call.record.tp] = 0


# The stream


@breaks("I8")
def a_gap_in_the_chunks(doctor: Doctor, scene: Scene) -> None:
    doctor.drop(chunks(doctor, "coder", attempt=3)[1])


@breaks("I8")
def chunks_in_another_order(doctor: Doctor, scene: Scene) -> None:
    second = chunks(doctor, "coder", attempt=3)[1]
    doctor.swap(second, offset=second.offset + 15)


@breaks("I8")
def a_chunk_with_two_contents(doctor: Doctor, scene: Scene) -> None:
    chunk = chunks(doctor, "coder", attempt=3)[1]
    doctor.copy(chunk, replace(chunk.data, text="other"))


@breaks("I8")
def a_chunk_of_an_attempt_that_was_not_announced(doctor: Doctor, scene: Scene) -> None:
    doctor.drop(doctor.find(STREAM, AttemptReset, step="coder", attempt=3))


@breaks("I8")
def a_later_attempt_that_is_announced_as_the_first(doctor: Doctor, scene: Scene) -> None:
    reset = doctor.find(STREAM, AttemptReset, step="coder", attempt=3)
    data = AttemptStarted(**msgspec.structs.asdict(reset.data))
    doctor.swap(reset, data)


@breaks("I8")
def a_text_that_differs_from_the_result(doctor: Doctor, scene: Scene) -> None:
    chunk = chunks(doctor, "documenter", attempt=1)[0]
    doctor.swap(chunk, replace(chunk.data, text="dogs"))


@breaks("I8")
def a_chunk_behind_the_completion(doctor: Doctor, scene: Scene) -> None:
    done = doctor.find(STREAM, ev.AttemptCompleted, step="documenter")
    last = chunks(doctor, "documenter", attempt=1)[-1]
    doctor.swap(last, offset=done.offset + 1)


# Viewers


@breaks("I8")
def a_frame_that_is_repeated_over_a_reconnect(doctor: Doctor, scene: Scene) -> None:
    before = next(x for x in doctor.client if x.id == f"viewer-{scene.rich}-0" and x.frames)
    change_frames(doctor, scene.rich, lambda frames: [before.frames[-1], *frames])


@breaks("I8")
def an_event_that_is_lost_over_a_reconnect(doctor: Doctor, scene: Scene) -> None:
    def lose(frames: list[Frame]) -> list[Frame]:
        lost = next(frame for frame in frames if frame.seq is not None)
        return [frame for frame in frames if frame != lost]

    change_frames(doctor, scene.rich, lose)


@breaks("I8")
def a_last_chunk_that_is_lost_over_a_reconnect(doctor: Doctor, scene: Scene) -> None:
    def lose(frames: list[Frame]) -> list[Frame]:
        last = [frame for frame in frames if frame.event == "token"][-1]
        return [frame for frame in frames if frame != last]

    change_frames(doctor, scene.rich, lose)


@breaks("I8")
def a_token_of_an_older_attempt_after_the_reset(doctor: Doctor, scene: Scene) -> None:
    def show(frames: list[Frame]) -> list[Frame]:
        late = Frame(id="x", event="token", step="coder", attempt=2, index=2)
        place = next(n for n, f in enumerate(frames) if f.attempt == 3 and f.event == "token")
        return [*frames[:place], late, *frames[place:]]

    change_frames(doctor, scene.rich, show, part=0)


@breaks("I8")
def an_event_that_was_shown_as_another(doctor: Doctor, scene: Scene) -> None:
    change_frames(
        doctor, scene.rich, lambda frames: [*frames[:-1], replace(frames[-1], event="step.failed")]
    )


# Headers and dead letters


@breaks("R31")
def a_task_without_its_correlation(doctor: Doctor, scene: Scene) -> None:
    task = doctor.find(AGENT_TASKS, RunAttempt, collaboration=scene.ignored)
    doctor.swap(task, headers=without(task.record.headers, "correlation"))


@breaks("R31")
def a_copy_without_its_seq(doctor: Doctor, scene: Scene) -> None:
    entry = doctor.find(STREAM, ev.StepScheduled, collaboration=scene.rich)
    doctor.swap(entry, headers=without(entry.record.headers, "seq"))


@breaks("R31")
def a_token_with_more_headers_than_it_needs(doctor: Doctor, scene: Scene) -> None:
    chunk = chunks(doctor, "coder", attempt=3)[0]
    doctor.swap(chunk, headers=(*chunk.record.headers, ("tenant", b"local")))


@breaks("R31")
def a_token_whose_header_has_another_index(doctor: Doctor, scene: Scene) -> None:
    chunk = chunks(doctor, "coder", attempt=3)[0]
    doctor.swap(chunk, headers=with_headers(chunk.record.headers, index="9"))


def letter(doctor: Doctor) -> Entry:
    return doctor.unreadable(INBOX + "-dlq")


@breaks("I13")
def two_dead_letters_of_one_group(doctor: Doctor, scene: Scene) -> None:
    found = letter(doctor)
    doctor.copy(found, headers=with_headers(found.record.headers, dlq_id="another"))


@breaks("I13")
def a_dead_letter_that_is_not_what_its_record_was(doctor: Doctor, scene: Scene) -> None:
    doctor.swap(letter(doctor), value=b"[")


@breaks("I13")
def a_dead_letter_without_a_reason(doctor: Doctor, scene: Scene) -> None:
    found = letter(doctor)
    doctor.swap(found, headers=without(found.record.headers, "dlq_reason"))


@breaks("I13")
def a_dead_letter_that_quotes_its_record(doctor: Doctor, scene: Scene) -> None:
    found, secret = letter(doctor), "the task of a user, which is nobody else's business"
    poison = doctor.unreadable(INBOX)
    doctor.swap(poison, value=secret.encode())
    headers = with_headers(found.record.headers, dlq_reason=f"cannot read {secret[:45]!r}")
    doctor.swap(found, value=secret.encode(), headers=headers)


@breaks("R31")
def a_task_of_another_tenant_than_its_key(doctor: Doctor, scene: Scene) -> None:
    task = doctor.find(AGENT_TASKS, RunAttempt, collaboration=scene.ignored)
    doctor.swap(task, headers=with_headers(task.record.headers, tenant="acme"))


@breaks("I13")
def poison_that_is_not_dead_lettered(doctor: Doctor, scene: Scene) -> None:
    doctor.drop(letter(doctor))


@breaks("I13")
def poison_that_does_not_end_in_failure(doctor: Doctor, scene: Scene) -> None:
    end = event(doctor, ev.CollaborationFailed, scene.spoilt)
    cancelled = ev.CollaborationCancelled(
        collaboration=scene.spoilt, seq=end.data.seq, at=end.data.at, actor="me",
        duration_ms=end.data.duration_ms, totals=end.data.totals,
    )  # fmt: skip
    doctor.swap_event(end, cancelled)


@pytest.mark.parametrize("name", DOCTORED.ways)
def test_a_doctored_history_is_accused_of_the_rule_it_breaks(name: str) -> None:
    found = DOCTORED.accused(name)
    assert {violation.rule for violation in found} == {DOCTORED.ways[name][0]}, found
    assert all(violation.text for violation in found)


@pytest.mark.parametrize(
    "check",
    [c for c in CHECKS if c.rule.__module__.rpartition(".")[2] in OUTPUTS],
    ids=lambda check: check.rule.__name__,
)
def test_every_check_can_say_no(check: Check) -> None:
    assert DOCTORED.told_by(check)
