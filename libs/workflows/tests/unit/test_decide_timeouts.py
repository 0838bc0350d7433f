"""An attempt that takes too long is stopped, and what it cost is waited for."""

from decimal import Decimal

from facilitair_events.definitions import Retry
from facilitair_events.requests import Usage
from facilitair_testing.inbox import Inbox, cancel, definition, step

ONCE = Retry(max_attempts=1)


def overdue(retry: Retry | None = None) -> Inbox:
    """A collaboration whose only attempt was just stopped for its time."""
    inbox = Inbox()
    inbox.request(definition(step("a", timeout_s=10, retry=retry or Retry()), output="a"))
    inbox.fire("attempt_timeout")
    return inbox


def test_an_attempt_that_takes_too_long_is_stopped_and_retried() -> None:
    inbox = overdue()
    assert [c.topic for c in inbox.decisions[-1].commands] == ["worker-control"]
    assert inbox.decisions[-1].events == ()
    [event] = inbox.fail(inbox.tasks[0], "stopped").events
    assert event.fault.code == "timeout"
    assert event.fault.message == "no answer within 10 s"
    inbox.fire("retry")
    assert [task.attempt for task in inbox.tasks] == [1, 2]


def test_r14_the_end_waits_for_the_call_of_an_attempt_that_took_too_long() -> None:
    inbox = overdue(ONCE)
    assert "collaboration.failed" not in inbox.kinds
    used = Usage(input_tokens=7, output_tokens=3)
    inbox.call(inbox.tasks[0], outcome="failed", usage=used, cost_usd=Decimal("0.02"))
    inbox.fail(inbox.tasks[0], "stopped")
    assert inbox.kinds[-3:] == ["attempt.failed", "step.failed", "collaboration.failed"]
    assert inbox.events[-3].totals.cost_usd == Decimal("0.02")
    assert (inbox.events[-1].totals.calls, inbox.events[-1].totals.usage) == (1, used)
    assert inbox.events[-1].fault.code == "timeout"


def test_r14_a_call_that_stays_silent_after_its_stop_is_unknown() -> None:
    inbox = overdue(ONCE)
    inbox.fire("attempt_stop")
    assert inbox.kinds[-3:] == ["attempt.failed", "step.failed", "collaboration.failed"]
    assert inbox.events[-3].fault.code == "timeout"
    assert inbox.events[-1].totals.unknown_calls == 1
    late = inbox.call(inbox.tasks[0], outcome="failed", cost_usd=Decimal("0.02"))
    assert late.state is not None
    assert next(iter(late.state.calls.values())).cost_usd == Decimal("0.02")


def test_an_answer_that_crosses_its_stop_counts() -> None:
    inbox = overdue(ONCE)
    inbox.answer(inbox.tasks[0], "just in time")
    assert inbox.kinds[-1] == "collaboration.completed"


def test_a_fault_of_its_own_is_told_as_it_is() -> None:
    inbox = overdue(ONCE)
    inbox.fail(inbox.tasks[0], "authentication")
    assert inbox.events[-1].fault.code == "authentication"


def test_a_cancel_does_not_wait_twice_for_an_attempt_that_took_too_long() -> None:
    inbox = overdue()
    inbox.feed(cancel())
    inbox.fail(inbox.tasks[0], "stopped")
    assert inbox.kinds[-2:] == ["attempt.failed", "collaboration.cancelled"]
    assert inbox.state is not None
    assert inbox.state.timers == ()
