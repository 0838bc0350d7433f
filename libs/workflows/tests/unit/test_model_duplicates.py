"""What comes twice counts once (R11): ``mutant-duplicates-counted`` of the model of the reducer.

Records of one content at two offsets: a client that tried again, a worker that lost its ack, a
timer that rang for two owners.
"""

from collections.abc import Callable

import pytest
from msgspec import Struct

from facilitair_testing.inbox import Inbox, cancel, definition, step
from facilitair_testing.mutation import Mutation, mutation
from facilitair_testing.promises import BrokenPromiseError, promised
from facilitair_workflows import decide
from facilitair_workflows.reducing import requests, results

WANTED = definition(step("a"), step("b", "a"), output="b")


def asked(inbox: Inbox) -> None:
    inbox.request(WANTED)


def answered(inbox: Inbox) -> None:
    inbox.request(WANTED)
    inbox.answer(inbox.tasks[0], "x")


def called_in_vain(inbox: Inbox) -> None:
    inbox.request(WANTED)
    inbox.call(inbox.tasks[0], outcome="unknown")


def cancelled(inbox: Inbox) -> None:
    inbox.request(WANTED)
    inbox.feed(cancel())


def out_of_time(inbox: Inbox) -> None:
    inbox.request(WANTED)
    inbox.fire("attempt_timeout")


class Case(Struct, frozen=True):
    """``history`` ends with the record that comes again."""

    history: Callable[[Inbox], None]
    broken: Mutation


CASES = {
    "a request": Case(
        asked,
        mutation(
            requests, "on_repeated_request",
            ("same = ", "same = on_first_requested(draft, request) or "),
        ),
    ),
    "an answer": Case(
        answered,
        mutation(results, "on_attempt_reported", ("or step.open != report.attempt", "")),
    ),
    "a lost call": Case(
        called_in_vain,
        mutation(results, "on_call_reported", ("and step.open == report.attempt ", "")),
    ),
    "a cancel": Case(
        cancelled,
        mutation(
            requests, "on_cancel",
            ("if request.client_id in draft.state.clients:", "if False:"),
            ("if not draft.running:", "if False:"),
        ),
    ),
    "a timer": Case(
        out_of_time, mutation(decide, "_on_timer", ("draft.timers.remove(timer)", "pass"))
    ),
}  # fmt: skip


def play(case: Case) -> None:
    inbox = Inbox()
    case.history(inbox)
    again = inbox.feed(inbox.records[-1].data)
    with promised("a record counts twice"):
        assert (again.events, again.commands) == ((), ())
        assert {reply.data.outcome for reply in again.replies} <= {"duplicate"}


@pytest.mark.parametrize("name", CASES)
def test_r11_what_comes_twice_counts_once(name: str) -> None:
    play(CASES[name])


@pytest.mark.parametrize("name", CASES)
def test_r11_it_counts_twice_when_the_rule_is_broken(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    CASES[name].broken.apply(monkeypatch)
    with pytest.raises(BrokenPromiseError):
        play(CASES[name])
