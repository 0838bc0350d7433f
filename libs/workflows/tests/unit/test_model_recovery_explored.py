"""Every order of a provider's trouble, stops, lost calls, late reports and a cancel, on one step.

The code itself is the model: states that differ in times and ids only are one state, so all of them
are seen. No order gets stuck, is told twice, or asks another model after the first word.
"""

from collections import deque
from collections.abc import Iterator
from typing import Any, Final

import pytest
from msgspec import Struct

from facilitair_events.collaboration import StepScheduled
from facilitair_events.decision import Decision, Received
from facilitair_events.definitions import Endings, Output, Retry
from facilitair_events.requests import AttemptReported, Fault, TimerFired
from facilitair_events.state import CollaborationState, StepState
from facilitair_events.text import inline
from facilitair_events.types import NAMES, TERMINAL_KINDS, kind_of
from facilitair_testing.inbox import call_reported, cancel, chained, requested, step
from facilitair_testing.mutation import Mutation, mutation
from facilitair_testing.promises import BrokenPromiseError, promised
from facilitair_workflows import decide as decide_module
from facilitair_workflows.reducing import choices, recovery, results
from facilitair_workflows.reducing.choices import NEVER
from facilitair_workflows.reducing.draft import TERMINAL

WANTED: Final = chained(
    step(
        "a",
        retry=Retry(max_attempts=2, max_lost=1, backoff_s=1),
        output=Output(corrections=1),
        endings=Endings(length="continue", cut="continue", refusal="fallback", max=1),
    ),
    models=2,
    limit=10,
)
MOST_ATTEMPTS: Final = 2 * 2 + 1 + 1 + 1
MOST_STATES: Final = 20_000

FAULTS: Final = (
    ("overloaded", True, False), ("overloaded", True, True), ("authentication", False, False),
    ("quota", False, True), ("length", False, True), ("length", False, False),
    ("stopped", False, False), ("refusal", False, True), ("output_invalid", True, True),
)  # fmt: skip
"""Code, whether asking again helps, and whether words came before."""

State = CollaborationState


class Node(Struct, frozen=True):
    """A state, how far the log is, and what the last report of the step said."""

    state: State | None
    offset: int
    at_ms: int
    said: bool = False
    code: str = ""


def step_of(state: State) -> StepState:
    return state.steps["a"]


def shape(node: Node) -> tuple[Any, ...]:
    """What a state is, without its times and ids."""
    state = node.state
    assert state is not None
    one = step_of(state)
    resting = tuple("never" if t >= NEVER else t > state.now_ms for t in one.resting)
    timers = tuple(sorted(timer.name for timer in state.timers))
    continued = None if one.continued is None else one.continued.size
    return (
        state.status, one.status, one.attempts, one.open, one.overdue, one.failures, one.lost,
        one.corrections, one.extensions, one.model_index, continued, one.max_output_tokens,
        resting, one.partial, timers, state.clients, node.said, node.code,
    )  # fmt: skip


def inputs(state: State) -> Iterator[tuple[Struct, bool, str]]:
    """Every record that can come now, with what it says of words, and its code."""
    one = step_of(state)
    for timer in state.timers:
        yield TimerFired(timer_id=timer.timer_id, name=timer.name), True, timer.name
    yield cancel(), False, "cancel"
    if one.attempts > 1:
        late = inline("late")
        yield AttemptReported(path="a", attempt=1, outcome="completed", output=late), False, "late"
    if not one.open:
        return
    before = one.continued.text.v if one.continued and one.continued.text else ""
    for code, retryable, words in FAULTS:
        fault = Fault(code=code, message=code, retryable=retryable)
        output = inline(before + "w" * words)
        report = AttemptReported(
            path="a", attempt=one.open, outcome="failed", output=output, fault=fault
        )
        yield report, words, code
    answer = inline(f"{before}all")
    yield AttemptReported(path="a", attempt=one.open, outcome="completed", output=answer), True, ""
    task = _Named(path="a", attempt=one.open)
    yield call_reported(task, outcome="unknown", usage=None, cost_usd=None), True, "unknown"  # type: ignore[arg-type]


class _Named(Struct, frozen=True):
    path: str
    attempt: int


def after(node: Node, data: Struct) -> tuple[Node, Decision[State]]:
    """What follows from a record; a timer comes when it is due."""
    at_ms = node.at_ms + 1
    if isinstance(data, TimerFired) and node.state is not None:
        due = [t.due_ms for t in node.state.timers if t.timer_id == data.timer_id]
        at_ms = max(at_ms, *due)
    received = Received(
        tenant="local", subject="c1", offset=node.offset, at_ms=at_ms, id=f"e{node.offset}",
        data=data,
    )  # fmt: skip
    decision = decide_module.decide(node.state, received)
    return Node(decision.state, node.offset + 1, at_ms), decision


def check(node: Node, decision: Decision[State], *, data: Struct, words: bool, code: str) -> None:
    """What holds for each step from one state to the next."""
    state = decision.state
    assert node.state is not None
    assert state is not None
    kinds = [kind_of(NAMES[type(event)]) for event in decision.events]
    ends = [kind for kind in kinds if kind in TERMINAL_KINDS]
    with promised("one terminal event, and nothing after it"):
        assert len(ends) == (state.status in TERMINAL and node.state.status not in TERMINAL)
        assert not (node.state.status in TERMINAL and kinds)
    with promised("nothing gets stuck"):
        wakes = [timer for timer in state.timers if timer.name != "deadline"]
        assert state.status in TERMINAL or step_of(state).open or wakes
    with promised("attempts are bounded"):
        assert step_of(state).attempts <= MOST_ATTEMPTS
    with promised("no other model after the first word"):
        for event in decision.events:
            if isinstance(event, StepScheduled) and event.reason == "fallback":
                assert not words or code == "refusal"
    if code == "late":
        with promised("a report of an attempt that is over changes nothing"):
            assert (decision.events, decision.commands) == ((), ())


def explore() -> int:
    """See every state; returns how many there are. Raises BrokenPromiseError."""
    start, _ = after(Node(None, 0, 1_700_000_000_000), requested(WANTED))
    seen, waiting = {shape(start)}, deque([start])
    while waiting:
        node = waiting.popleft()
        assert node.state is not None
        for data, words, code in inputs(node.state):
            following, decision = after(node, data)
            check(node, decision, data=data, words=words, code=code)
            if shape(following) not in seen:
                seen.add(shape(following))
                waiting.append(following)
        with promised("attempts are bounded"):
            assert len(seen) < MOST_STATES
    return len(seen)


def test_every_order_keeps_its_promises() -> None:
    assert explore() > 300


MUTANTS: dict[str, tuple[str, Mutation]] = {
    "fallback after words": (
        "no other model",
        mutation(choices, "_wanted", ('endings.cut if trouble.said else "fallback"', '"fallback"')),
    ),
    "a silent stop is before the first word": (
        "no other model",
        mutation(recovery, "unanswered", ("        _retry(", "        _recover(")),
    ),
    "extensions are not counted": (
        "attempts are bounded",
        mutation(recovery, "_extended", ("step.extensions + 1", "step.extensions")),
    ),
    "rounds are not counted": (
        "attempts are bounded",
        mutation(recovery, "_retry", ("failures=failures, model_index", "failures=0, model_index")),
    ),
    "nobody wakes up for the next round": (
        "nothing gets stuck",
        mutation(recovery, "_wait", ("draft.arm(", "dict("), ('"retry", ', "")),
    ),
    "a late report counts": (
        "a report of an attempt",
        mutation(results, "on_attempt_reported", ("or step.open != report.attempt", "")),
    ),
}


@pytest.mark.parametrize("what", MUTANTS)
def test_a_broken_rule_is_found(what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    promise, broken = MUTANTS[what]
    broken.apply(monkeypatch)
    with pytest.raises(BrokenPromiseError, match=promise):
        explore()
