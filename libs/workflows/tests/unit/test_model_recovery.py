"""Fallback, endings, stops, unknown calls and late records in any order: what always holds.

Nothing here ever answers as asked, so that only the bounds of the policies end a collaboration.
"""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from msgspec import Struct

from facilitair_events.collaboration import StepScheduled
from facilitair_events.definitions import Definition, Endings, Output, Retry
from facilitair_events.requests import AttemptReported
from facilitair_events.text import inline
from facilitair_events.types import TERMINAL_KINDS
from facilitair_events.work import RunAttempt
from facilitair_testing.inbox import VERDICT, Inbox, cancel, chained, step
from facilitair_testing.mutation import Mutation, mutation
from facilitair_testing.promises import BrokenPromiseError, promised
from facilitair_workflows.reducing import choices, progress, recovery, time_limits

MODELS = 3
ATTEMPTS, LOST, CORRECTIONS, MORE = 3, 2, 1, 2
MOST = MODELS * ATTEMPTS + LOST + CORRECTIONS + MORE
DEADLINE_S = 120
TURNS = 100

FAULTS = [
    ("rate_limited", True), ("overloaded", True), ("truncated", True), ("timeout", True),
    ("quota", False), ("authentication", False), ("length", False), ("refusal", False),
    ("content_filter", False), ("output_invalid", True), ("input_invalid", False),
]  # fmt: skip


@st.composite
def workflows(draw: st.DrawFn) -> Definition:
    """Two steps that need nothing, and every policy there is."""
    endings = Endings(
        length=draw(st.sampled_from(["fail", "continue", "larger", "partial"])),
        refusal=draw(st.sampled_from(["fail", "fallback", "partial"])),
        content_filter=draw(st.sampled_from(["fail", "fallback", "partial"])),
        cut=draw(st.sampled_from(["retry", "continue", "partial", "fail"])),
        max=MORE,
    )
    retry = Retry(
        max_attempts=ATTEMPTS,
        max_lost=LOST,
        backoff_s=draw(st.sampled_from([0.0, 5.0])),
        deadline_s=draw(st.sampled_from([None, DEADLINE_S])),
    )
    json = Output(kind="json", json_schema=VERDICT, corrections=CORRECTIONS)
    output = draw(st.sampled_from([Output(corrections=CORRECTIONS), json]))
    one = step("a", retry=retry, endings=endings, output=output, timeout_s=50)
    return chained(
        one,
        step("b", retry=retry, output=Output(corrections=CORRECTIONS), timeout_s=50),
        models=MODELS,
        limit=100,
    )


class Turn(Struct, frozen=True):
    """One thing that happens, as far as it can now; ``pick`` chooses among several."""

    what: str
    pick: int
    fault: tuple[str, bool]
    words: bool
    rest_s: float | None


TURN = st.builds(
    Turn,
    st.sampled_from(["fail"] * 6 + ["timer"] * 3 + ["lost", "late", "again", "cancel"]),
    st.integers(0, 99),
    st.sampled_from(FAULTS),
    st.booleans(),
    st.sampled_from([None, None, 30.0]),
)


class Watched(Inbox):
    """An inbox that remembers what was reported of each attempt, and when."""

    def __init__(self) -> None:
        super().__init__()
        self.reported: dict[tuple[str, int], AttemptReported] = {}

    def report(self, task: RunAttempt, turn: Turn) -> None:
        before = task.continued.text.v if task.continued and task.continued.text else ""
        code, retryable = turn.fault
        text = inline(before + ("word " if turn.words else ""))
        self.fail(task, code, retryable=retryable, retry_after_s=turn.rest_s, output=text)
        data = self.records[-1].data
        assert isinstance(data, AttemptReported)
        self.reported.setdefault((task.path, task.attempt), data)

    def take(self, turn: Turn) -> None:
        assert self.state is not None
        opened, timers = self.open_tasks, self.state.timers
        if turn.what == "fail" and opened:
            self.report(opened[turn.pick % len(opened)], turn)
        elif turn.what == "lost" and opened:
            self.call(opened[turn.pick % len(opened)], outcome="unknown", usage=None)
        elif turn.what == "late":
            self.feed(_stale(self.tasks[turn.pick % len(self.tasks)]))
        elif turn.what == "again":
            self.feed(self.records[turn.pick % len(self.records)].data)
        elif turn.what == "cancel" and turn.pick < 10:
            self.feed(cancel())
        elif timers:
            self.fire(timers[turn.pick % len(timers)].name)


def _stale(task: RunAttempt) -> AttemptReported:
    """What a worker says of an attempt that is most probably closed."""
    return AttemptReported(
        path=task.path, attempt=task.attempt + 100, outcome="completed", output=inline("late")
    )


def history(wanted: Definition, turns: list[Turn]) -> Watched:
    inbox = Watched()
    inbox.request(wanted)
    for turn in turns:
        inbox.take(turn)
    for number in range(TURNS):
        if inbox.kinds[-1] in TERMINAL_KINDS:
            break
        name = "fail" if inbox.open_tasks else "timer"
        fault = FAULTS[number % 4]
        inbox.take(Turn(name, number, fault, words=number % 3 == 0, rest_s=None))
    return inbox


def scheduled(inbox: Inbox) -> list[StepScheduled]:
    return [event for event in inbox.events if isinstance(event, StepScheduled)]


def told_once(inbox: Watched) -> None:
    with promised("it ends with one terminal event, whatever comes in whatever order"):
        ends = [number for number, kind in enumerate(inbox.kinds) if kind in TERMINAL_KINDS]
        assert ends == [len(inbox.kinds) - 1]
        assert [event.seq for event in inbox.events] == list(range(1, len(inbox.events) + 1))


def bounded(inbox: Watched) -> None:
    with promised("the attempts of a step are bounded"):
        for path in ("a", "b"):
            own = [event for event in scheduled(inbox) if event.step == path]
            assert [event.attempt for event in own] == list(range(1, len(own) + 1))
            reasons = [event.reason for event in own]
            assert reasons.count("continue") + reasons.count("larger") <= MORE
            assert reasons.count("retry") < ATTEMPTS
            assert reasons.count("lost") <= LOST
            assert reasons.count("correction") <= CORRECTIONS
            assert len(own) <= MOST


def no_fallback_after_words(inbox: Watched) -> None:
    with promised("no other model is asked for what a viewer has seen the beginning of"):
        tasks = {(task.path, task.attempt): task for task in inbox.tasks}
        for event in scheduled(inbox):
            if event.reason != "fallback":
                continue
            before = (event.step, event.attempt - 1)
            report, task = inbox.reported.get(before), tasks[before]
            assert task.model_index < tasks[event.step, event.attempt].model_index
            if report is None:  # the stop of its time was all that is known
                continue
            assert report.fault is not None
            assert report.output is not None
            known = task.continued.size if task.continued else 0
            asked = report.fault.code in ("refusal", "content_filter")
            assert asked or report.output.size == known


def rests_are_kept(inbox: Watched) -> None:
    with promised("a model is not asked before the time it asked for, nor one of no use"):
        until: dict[tuple[str, str], Any] = {}
        for event in inbox.events:
            if isinstance(event, StepScheduled):
                rest = until.get((event.step, event.model))
                assert rest is None or event.at >= rest or event.reason in ("lost", "correction")
            fault = getattr(event, "fault", None)
            if getattr(event, "model", None) and fault is not None:
                if fault.retry_after_s and fault.code in ("rate_limited", "overloaded"):
                    rest = event.at + timedelta(seconds=fault.retry_after_s)
                    until[event.step, event.model] = rest
                elif fault.code in ("quota", "authentication"):
                    until[event.step, event.model] = event.at + timedelta(days=1)


def in_time(inbox: Watched) -> None:
    with promised("no attempt begins after the deadline of all, and none goes on past it"):
        if inbox.tasks[0].timeout_s != 50:
            raise AssertionError(inbox.tasks[0])
        wanted = inbox.records[0].data
        limit = wanted.definition.steps[0].retry.deadline_s  # type: ignore[attr-defined]
        began: dict[str, Any] = {}
        for event, task in zip(scheduled(inbox), inbox.tasks, strict=True):
            first = began.setdefault(event.step, event.at)
            if limit is not None:
                end = event.at + timedelta(seconds=task.timeout_s)
                assert end <= first + timedelta(seconds=limit, milliseconds=1)
                assert task.timeout_s >= 1


def parts_are_told(inbox: Watched) -> None:
    with promised("a part is told as a part, is a text, and is not nothing"):
        parts = []
        for event in inbox.events:
            if type(event).__name__ == "AttemptCompleted":
                assert event.partial is not None
                assert event.output.size > 0
                parts.append(event.step)
        wanted = inbox.records[0].data
        json = wanted.definition.steps[0].output.kind == "json"  # type: ignore[attr-defined]
        assert not (json and "a" in parts)
        told = getattr(inbox.events[-1], "partial_steps", None)
        assert told is None or set(told) == set(parts)


PROMISES: tuple[Callable[[Watched], None], ...] = (
    bounded, told_once, no_fallback_after_words, rests_are_kept, in_time, parts_are_told,
)  # fmt: skip


@given(workflows(), st.lists(TURN, max_size=40))
@settings(max_examples=400)
def test_it_ends_within_its_bounds_and_breaks_no_promise(
    wanted: Definition, turns: list[Turn]
) -> None:
    inbox = history(wanted, turns)
    for keeps in PROMISES:
        keeps(inbox)


MUTANTS: dict[str, tuple[str, Mutation]] = {
    "fallback after words": (
        "no other model",
        mutation(choices, "_wanted", ('endings.cut if trouble.said else "fallback"', '"fallback"')),
    ),
    "answers without end": (
        "the attempts of a step",
        mutation(recovery, "_extended", ("extensions=step.extensions + 1", "extensions=0")),
    ),
    "rounds without end": (
        "the attempts of a step",
        mutation(recovery, "_retry", ("failures >= retry.max_attempts", "False")),
    ),
    "a model that rests is asked": (
        "a model is not asked",
        mutation(
            recovery, "_recover", ("now_ms=draft.now_ms)\n    used", "now_ms=2**60)\n    used")
        ),
    ),
    "a model of no use is asked again": (
        "a model is not asked",
        mutation(recovery, "rested", ("= NEVER", "= 0")),
    ),
    "nobody looks at the deadline before a wait or after": (
        "no attempt begins",
        mutation(time_limits, "too_late", ("start_ms + LEAST_MS > due_ms", "False")),
    ),
    "attempts go on past the deadline": (
        "no attempt begins",
        mutation(
            progress,
            "start",
            (
                "step, spec, now_ms=draft.now_ms)\n    due_ms",
                "replace(step, began_ms=0), spec, now_ms=0)\n    due_ms",
            ),
        ),
    ),
    "half of a JSON is taken": (
        "a part is told",
        mutation(choices, "_acceptable", ('spec.output.kind == "text"', "True")),
    ),
    "nothing is taken": (
        "a part is told",
        mutation(choices, "_acceptable", ("trouble.answer.size > 0", "True")),
    ),
}


@pytest.mark.parametrize("what", MUTANTS)
def test_a_broken_rule_breaks_its_promise(what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    promise, broken = MUTANTS[what]
    broken.apply(monkeypatch)

    @given(workflows(), st.lists(TURN, max_size=40))
    @settings(
        max_examples=2000, derandomize=True, phases=[Phase.generate], database=None,
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    def found(wanted: Definition, turns: list[Turn]) -> None:
        inbox = history(wanted, turns)
        for keeps in PROMISES:
            keeps(inbox)

    with pytest.raises(BrokenPromiseError, match=promise):
        found()
