"""R9: what ``decide`` made of inboxes of the past it makes of them for ever, byte for byte."""

from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace

from facilitair_events.decision import Decision, Received
from facilitair_events.requests import CollaborationRequested
from facilitair_events.state import CollaborationState
from facilitair_events.types import NAMES, kind_of
from facilitair_testing.golden.files import Decide, differences, folder, followed, read, written
from facilitair_testing.golden.shapes import shapes_of, story_of
from facilitair_testing.inbox import reloaded
from facilitair_testing.mutation import Mutation, mutation
from facilitair_workflows.decide import KNOWN_LOGIC, decide
from facilitair_workflows.reducing import (
    choices,
    closing,
    ending,
    funds,
    funds_charges,
    funds_limits,
    funds_needs,
    funds_policy,
    progress,
    recovery,
    requests,
    results,
    time_limits,
)

FILES = [
    path for logic in range(1, KNOWN_LOGIC + 1) for path in sorted(folder(logic).glob("*.jsonl"))
]
MOST_BYTES = 6_500_000


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_r9_a_golden_inbox_is_answered_byte_for_byte(path) -> None:
    assert list(differences(read(path))) == []


def _by_new_owners(state: CollaborationState | None, received: Received) -> Any:
    return decide(reloaded(state), received)


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_r9_also_when_every_record_has_another_owner(path) -> None:
    assert list(differences(read(path), by=_by_new_owners)) == []


def test_r9_every_shape_is_kept_for_every_version() -> None:
    for logic in range(1, KNOWN_LOGIC + 1):
        assert {path.stem for path in folder(logic).glob("*.jsonl")} >= set(shapes_of(logic))
    assert sum(path.stat().st_size for path in FILES) < MOST_BYTES


@pytest.mark.parametrize(
    ("logic", "name"),
    [(logic, name) for logic in range(1, KNOWN_LOGIC + 1) for name in sorted(shapes_of(logic))],
)
def test_a_shape_still_tells_what_its_file_holds(logic: int, name: str) -> None:
    story = story_of(shapes_of(logic)[name], logic=logic)
    assert written(story.records) == (folder(logic) / f"{name}.jsonl").read_bytes()


def test_the_shapes_reach_every_event_that_decide_can_emit() -> None:
    """Measured against its own source, so that a new kind of event asks for a new shape."""
    reached = {event.type for path in FILES for line in read(path) for event in line.then.events}
    emitted = {
        name
        for module in (closing, ending, funds, funds_policy, progress, requests, results)
        for value in vars(module).values()
        if (name := NAMES.get(value) if isinstance(value, type) else None) and _is_event(value)
    }
    assert {kind_of(name) for name in emitted - reached} == set()


def _is_event(struct: type) -> bool:
    return struct.__module__ == "facilitair_events.collaboration" and hasattr(struct, "seq")


Mutant = Callable[[Decision[CollaborationState]], Decision[CollaborationState]]


def _state(decision: Decision[CollaborationState], **changes: Any) -> Any:
    if decision.state is None:
        return decision
    return replace(decision, state=replace(decision.state, **changes))


def _later_timers(decision: Decision[CollaborationState]) -> Any:
    if decision.state is None:
        return decision
    timers = tuple(replace(timer, due_ms=timer.due_ms + 1) for timer in decision.state.timers)
    return _state(decision, timers=timers)


MUTANTS: dict[str, Mutant] = {
    "an event is not emitted": lambda d: replace(d, events=d.events[:-1]),
    "events change places": lambda d: replace(d, events=d.events[::-1]),
    "a command is sent twice": lambda d: replace(d, commands=(*d.commands, *d.commands[:1])),
    "a command goes elsewhere": lambda d: replace(
        d, commands=tuple(replace(c, topic="agent-tasks-batch") for c in d.commands)
    ),
    "nobody is answered": lambda d: replace(d, replies=()),
    "timers are due a millisecond later": _later_timers,
    "the state forgets who cancelled": lambda d: _state(d, clients=()),
    "the state is another one, and nothing else": lambda d: _state(d, project="another"),
}


@pytest.mark.parametrize("what", MUTANTS)
def test_r9_a_decide_that_behaves_otherwise_is_told(what: str) -> None:
    def mutated(state: CollaborationState | None, received: Received) -> Any:
        return MUTANTS[what](decide(state, received))

    assert any(list(differences(read(path), by=mutated)) for path in FILES)


@pytest.mark.parametrize(
    ("module", "name", "value"),
    [
        (ending, "GRACE_MS", 14_999),
        (requests, "DEFINITION_LIMIT_BYTES", 100),
        (results, "for_state", lambda text: text),
        (choices, "ELSEWHERE", frozenset({"authentication"})),
        (time_limits, "LEAST_MS", 2_000),
        (requests, "view_of", lambda *_args, **_named: None),
    ],
)
def test_r9_a_small_change_inside_decide_is_told(monkeypatch, module, name, value) -> None:
    monkeypatch.setattr(module, name, value)
    assert any(list(differences(read(path))) for path in FILES)


POLICY_MUTANTS: dict[str, Mutation] = {
    "words are overheard": mutation(
        choices, "_wanted", ('endings.cut if trouble.said else "fallback"', '"fallback"')
    ),
    "a fallback is not taken": mutation(
        choices, "_wanted", ('endings.cut if trouble.said else "fallback"', "endings.cut")
    ),
    "the next but one is asked": mutation(recovery, "next_model", ("after + 1", "after + 2")),
    "a rest is forgotten": mutation(recovery, "rested", ("fault.retry_after_s or 0", "0")),
    "no use is no use only now": mutation(recovery, "rested", ("= NEVER", "= now_ms + 1")),
    "the round begins at the last": mutation(recovery, "next_round", ("one[0]))", "-one[0]))")),
    "no jitter": mutation(time_limits, "wait_s", ("1 - retry.jitter * share", "1")),
    "other jitter": mutation(time_limits, "wait_s", ('"jitter"', '"jitters"')),
    "three times larger": mutation(recovery, "larger_limit", ("min(2 * now", "min(3 * now")),
    "a text is not handed on": mutation(
        recovery, "_extended", ("for_state(trouble.answer) if trouble.answer else None", "None")
    ),
    "extensions are not counted": mutation(
        recovery, "_extended", ("step.extensions + 1", "step.extensions")
    ),
    "nothing is continued": mutation(
        recovery, "choose", ('wanted = "larger"  #', 'wanted = "continue"  #')
    ),
    "half of a JSON is taken": mutation(
        choices, "_acceptable", ('spec.output.kind == "text"', "True")
    ),
    "a part is not marked": mutation(
        closing, "complete", ("partial=partial)\n    done", ")\n    done")
    ),
    "the deadline is later": mutation(time_limits, "deadline_ms", ("* 1000)", "* 1001)")),
    "attempts outlast the deadline": mutation(
        time_limits, "attempt_timeout_s", ("return min(", "return max(")
    ),
    "rounds are not counted": mutation(
        recovery, "_retry", ("failures=failures, model_index", "failures=0, model_index")
    ),
    "a silent stop is a fallback": mutation(
        recovery, "unanswered", ("        _retry(", "        _recover(")
    ),
    "JSON is corrected in its middle": mutation(
        recovery, "failed", ("continued=None", "continued=step.continued")
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", POLICY_MUTANTS)
def test_r9_a_policy_that_is_changed_is_told(what: str, monkeypatch) -> None:
    POLICY_MUTANTS[what].apply(monkeypatch)
    assert any(list(differences(read(path))) for path in FILES if path.parent.name != "logic-1")
    assert not any(list(differences(read(path))) for path in FILES if path.parent.name == "logic-1")


MONEY_MUTANTS: dict[str, Mutation] = {
    "only the first call is asked for": mutation(
        funds, "_parts", ("len(found) == MOST_PARTS", "True")
    ),
    "slots are asked for one by one": mutation(
        funds, "_ask", ("width(draft.definition.steps) if first", "1 if first")
    ),
    "slots are asked for again": mutation(
        funds, "_ask", ("if first else 0", "if first else 1")
    ),
    "what is left is not used": mutation(
        funds_needs.Pool, "missing", ("usd=need.usd - has", "usd=need.usd")
    ),
    "a call without a price is free for ever": mutation(
        funds_needs.Pool, "take", ("return left > 0", "return True")
    ),
    "the first wait is as long as the later": mutation(
        funds, "_ask", ("LATER_WAIT_MS if begun else FIRST_WAIT_MS", "LATER_WAIT_MS")
    ),
    "the queue for a slot runs out": mutation(
        funds, "on_answered", ('    draft.disarm_named("reserve")\n', "")
    ),
    "the time counts from the request": mutation(
        funds, "_granted", ("        draft.arm_deadline()\n", "")
    ),
    "a small grant is asked again at once": mutation(
        funds, "_granted", ("short=len(answer.parts) < funds.parts", "short=False")
    ),
    "what is stale is refused": mutation(
        funds, "_refused", ("funds.stale < MOST_STALE", "False")
    ),
    "what is stale is asked for ever": mutation(
        funds, "_refused", ("funds.stale < MOST_STALE", "True")
    ),
    "a budget is refused while others run": mutation(
        funds, "_affordable", ("if waits(draft, limit):", "if False:")
    ),
    "groups have no budget": mutation(
        funds_limits, "limits_of", ("path = outer[0]", "return")
    ),
    "an iteration begins a new budget": mutation(
        funds_limits, "_within", ("paths.place(path)", "path")
    ),
    "the other budget counts": mutation(
        funds, "of_request", ("min(limits", "max(limits")
    ),
    "more is asked for than may be spent": mutation(
        funds, "_parts", ("left = room(draft)", "left = None")
    ),
    "nobody is asked before the start": mutation(
        funds_policy, "refuse", ('wanted == "pause" and begun', 'wanted == "pause"')
    ),
    "cheaper is the last": mutation(
        funds_policy, "_cheaper",
        ("in range(step.model_index + 1, len(models))", "in range(len(models) - 1, 0, -1)"),
    ),
    "cheaper does not have to fit": mutation(
        funds_policy, "_cheaper", ("usd <= left", "True")
    ),
    "a resume brings no budget": mutation(
        funds_policy, "on_resume", ("if request.budget_usd is None else request.budget_usd", "")
    ),
    "a resume is not remembered": mutation(
        funds_policy, "on_resume", ("clients=clients, ", "")
    ),
    "a pause keeps what it holds": mutation(
        funds, "follow_up", ("            give_back(draft)\n", "            pass\n")
    ),
    "finishing does not wait": mutation(
        funds, "follow_up",
        ("not _open_attempts(draft):\n            ending", "True:\n            ending"),
    ),
    "the end is not told": mutation(
        ending, "_finish", ("    funds_requests.close(draft)\n", "")
    ),
    "a return is always the last": mutation(
        funds, "give_back", ("close=False", "close=True")
    ),
    "silence is free": mutation(
        ending, "count_unknown", ("funds_charges.on_counted(draft, outcome)\n", "pass\n")
    ),
    "what was charged is forgotten": mutation(
        funds_charges, "on_counted", ("before.charged_usd if before is not None else None", "None")
    ),
    "a void call stays void": mutation(
        results, "on_call_reported", ('known.outcome == "void"', "False")
    ),
    "what was not used is lost": mutation(
        funds_charges, "released", ("        draft.set(funds=replace(funds, unused=unused))\n", "")
    ),
    "what was never asked stays charged": mutation(
        funds_charges, "never_asked", ('"unknown")\n', '"unknown!")\n')
    ),
    "short reservations are not counted": mutation(
        recovery, "_need_more", ("step.shorts + 1", "step.shorts")
    ),
    "what a worker counted is overheard": mutation(
        funds_needs, "need_of", ("usd = max(usd, step.needed_usd)", "pass")
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", MONEY_MUTANTS)
def test_r9_a_rule_of_money_that_is_changed_is_told(what: str, monkeypatch) -> None:
    MONEY_MUTANTS[what].apply(monkeypatch)
    assert any(list(differences(read(path))) for path in FILES if path.parent.name == "logic-3")
    assert not any(list(differences(read(path))) for path in FILES if path.parent.name != "logic-3")


def test_r9_without_accounts_logic_3_answers_as_logic_2() -> None:
    for path in sorted(folder(2).glob("*.jsonl")):
        state: CollaborationState | None = None
        for line in read(path):
            received = line.received()
            if isinstance(received.data, CollaborationRequested):
                received = replace(received, data=replace(received.data, logic=3))
            decision = decide(state, received)
            state = decision.state
            then = followed(decision, offset=line.offset)
            assert (then.events, then.commands, then.replies) == (
                line.then.events, line.then.commands, line.then.replies
            ), path.stem  # fmt: skip


def test_a_difference_is_told_with_both_bytes() -> None:
    def mutated(state: CollaborationState | None, received: Received) -> Any:
        decision = decide(state, received)
        return replace(decision, replies=())

    [told] = differences(read(folder(1) / "linear.jsonl"), by=mutated)
    assert told.startswith("record 0 (facilitair.collaboration.requested.v1): other replies\n")
    assert '"outcome":"accepted"' in told
    assert told.endswith("now []")


def test_a_decide_that_raises_is_told() -> None:
    def raising(_state: Any, _received: Received) -> Any:
        raise KeyError

    decide_of: Decide = raising
    [told] = differences(read(folder(1) / "linear.jsonl"), by=decide_of)
    assert "record 0 raises KeyError" in told


def test_r9_a_request_that_nobody_could_read_keeps_the_first_version(monkeypatch) -> None:
    """Else an orchestrator of tomorrow would leave a state at which one of today stops."""
    monkeypatch.setattr("facilitair_workflows.decide.KNOWN_LOGIC", KNOWN_LOGIC + 1)
    [first, *_] = read(folder(1) / "parked-at-the-first-record.jsonl")
    state = decide(None, first.received()).state
    assert state is not None
    assert state.logic == 1
