"""Replays of ``decide``: what R6 promises about any inbox that can happen."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from facilitair_events.decision import Received
from facilitair_events.definitions import Definition, Endings, Output, Repeat, Retry, Step
from facilitair_events.text import inline
from facilitair_events.types import TERMINAL_KINDS
from facilitair_testing.inbox import (
    VERDICT,
    Inbox,
    call_reported,
    cancel,
    chained,
    definition,
    describe,
    output_bytes,
    reloaded,
    requested,
    review_loop,
    step,
)
from facilitair_workflows.decide import KNOWN_LOGIC, decide

QUICK = Retry(max_attempts=2, max_lost=2, backoff_s=0.1)

DEFINITIONS = [
    review_loop(2),
    definition(step("a", retry=QUICK), step("b", retry=QUICK), step("c", "a", "b"), output="c"),
    definition(step("a", when="inputs.go == true", retry=QUICK), step("b", "a"), output="b"),
    definition(
        step("a", output=Output(kind="json", json_schema=VERDICT, corrections=1), retry=QUICK),
        Step(
            id="g",
            needs=("a",),
            steps=(step("x", retry=QUICK), step("y", "x", when="iteration == 1")),
            repeat=Repeat(until="iteration >= 2", max=3),
        ),
        output="x",
    ),
    chained(
        step("a", retry=QUICK, endings=Endings(length="continue", cut="continue", max=2)),
        step("b", retry=QUICK, endings=Endings(length="larger", cut="partial", refusal="fallback")),
        limit=50,
    ),
]

ACTIONS = st.sampled_from(
    [
        "answer",
        "reject",
        "call",
        "fail",
        "retryable",
        "invalid",
        "cut",
        "length",
        "refusal",
        "unknown",
        "void",
        "cancel",
        "describe",
        "timer",
        "again",
        "stale",
        "late_money",
    ]
)


def act(inbox: Inbox, name: str, *, pick: int) -> None:
    """One thing that can happen to a collaboration, if it can happen now."""
    assert inbox.state is not None
    if name in {"cancel", "describe"}:
        inbox.feed(cancel(f"k{pick % 2}") if name == "cancel" else describe())
    elif name == "again":
        inbox.feed(inbox.records[pick % len(inbox.records)].data)
    elif name == "timer" and inbox.state.timers:
        inbox.fire(inbox.state.timers[pick % len(inbox.state.timers)].name, early_ms=pick % 2)
    elif name in {"stale", "late_money"} and inbox.tasks:
        task = inbox.tasks[pick % len(inbox.tasks)]
        inbox.answer(task, "late") if name == "stale" else inbox.call(task, outcome="failed")
    elif inbox.open_tasks:
        _report(inbox, name, pick=pick)


def _report(inbox: Inbox, name: str, *, pick: int) -> None:
    task = inbox.open_tasks[pick % len(inbox.open_tasks)]
    approved: Any = {"approved": name == "answer"} if task.output.kind == "json" else None
    if name in {"answer", "reject"}:
        inbox.answer(task, "text", value=approved)
    elif name == "call":
        inbox.call(task, output=inline("text"))
    elif name in {"unknown", "void"}:
        inbox.feed(call_reported(task, outcome=name, usage=None, cost_usd=None))
    elif name == "invalid":
        inbox.fail(task, "output_invalid", output=inline("text"), retryable=True)
    elif name in {"cut", "length", "refusal"}:
        words = "words " * (1 + pick % 3)
        code = "truncated" if name == "cut" else name
        inbox.fail(task, code, retryable=name == "cut", output=inline(words))
    else:
        inbox.fail(task, "overloaded", retryable=name == "retryable")


@st.composite
def histories(draw: st.DrawFn) -> Inbox:
    """An inbox that one worker, one user and the timers could have written."""
    inbox = Inbox()
    wanted: Definition = draw(st.sampled_from(DEFINITIONS))
    logic = draw(st.integers(1, KNOWN_LOGIC))
    inbox.feed(requested(wanted, inputs={"go": draw(st.booleans())}, logic=logic))
    for name, pick in draw(st.lists(st.tuples(ACTIONS, st.integers(0, 99)), max_size=30)):
        act(inbox, name, pick=pick)
    return inbox


def replay(records: list[Received], *, reload_at: set[int] | None = None) -> list[list[bytes]]:
    """Decide again from nothing; where told, the state goes through its snapshot first."""
    state, outputs = None, []
    for number, record in enumerate(records):
        if reload_at is not None and number in reload_at:
            state = reloaded(state)
        decision = decide(state, record)
        state = decision.state
        outputs.append(output_bytes(decision))
    return outputs


@given(histories())
@settings(max_examples=150)
def test_r06_a_replay_writes_the_same_bytes(inbox: Inbox) -> None:
    assert replay(inbox.records) == [output_bytes(decision) for decision in inbox.decisions]


@given(histories(), st.sets(st.integers(0, 31)))
@settings(max_examples=150)
def test_r06_any_split_by_snapshots_writes_the_same_bytes(inbox: Inbox, cuts: set[int]) -> None:
    assert replay(inbox.records, reload_at=cuts) == replay(inbox.records)


@given(histories(), st.integers(0, 31))
@settings(max_examples=100)
def test_r06_the_outputs_of_a_prefix_are_a_prefix_of_the_outputs(inbox: Inbox, cut: int) -> None:
    assert replay(inbox.records[:cut]) == replay(inbox.records)[:cut]


@given(histories())
@settings(max_examples=150)
def test_r12_seq_is_dense_and_r14_one_terminal_event_is_the_last(inbox: Inbox) -> None:
    assert [event.seq for event in inbox.events] == list(range(1, len(inbox.events) + 1))
    terminal = [number for number, kind in enumerate(inbox.kinds) if kind in TERMINAL_KINDS]
    assert terminal in ([], [len(inbox.kinds) - 1])


@given(histories())
@settings(max_examples=150)
def test_every_history_can_be_brought_to_its_end(inbox: Inbox) -> None:
    assert inbox.state is not None
    for _ in range(200):
        if inbox.kinds[-1] in TERMINAL_KINDS:
            return
        if inbox.open_tasks:
            act(inbox, "answer", pick=0)
        else:
            act(inbox, "timer", pick=0)
    raise AssertionError(inbox.kinds)


@given(histories())
@settings(max_examples=100)
def test_r17_no_attempt_is_dispatched_twice(inbox: Inbox) -> None:
    attempts = [(task.path, task.attempt) for task in inbox.tasks]
    assert len(attempts) == len(set(attempts))
