"""Stops: remembered as long as a task may come, and told at once to who runs (R23)."""

from facilitair_agent_worker.days import DAY_MS
from facilitair_agent_worker.ledger import AttemptKey
from facilitair_agent_worker.stops import Stops
from facilitair_events.envelope import Envelope
from facilitair_events.work import AttemptRef, StopAttempts
from facilitair_messaging.messages import Incoming
from facilitair_messaging.ports import Record

CAUSE = Envelope(
    id="t", type="x", source="s", time="t", subject="c1", tenant="local", project="p", actor="a",
    correlation="r",
)  # fmt: skip
KEY = AttemptKey("local:c1:a", 1)


def stopped(path: str, *, day: int = 0) -> Incoming:
    record = Record("worker-control", 0, 0, day * DAY_MS, b"local:c1", b"", ())
    data = StopAttempts(collaboration="c1", attempts=(AttemptRef(path, 1),), reason="cancelled")
    return Incoming(record, CAUSE, data)


def test_r23_a_stop_names_attempts() -> None:
    stops = Stops(kept_ms=7 * DAY_MS)
    stops.apply(stopped("a"))
    assert stops.reason(KEY) == "cancelled"
    assert stops.reason(AttemptKey("local:c1:a", 2)) is None


def test_r23_who_watches_is_told_of_a_stop_before_and_after() -> None:
    stops, told = Stops(kept_ms=7 * DAY_MS), []
    stops.watch(KEY, lambda: told.append("later"))
    assert told == []
    stops.apply(stopped("a"))
    stops.watch(KEY, lambda: told.append("earlier"))
    assert told == ["later", "earlier"]
    stops.unwatch(KEY)
    stops.apply(stopped("a"))
    assert told == ["later", "earlier"]


def test_r23_a_stop_is_forgotten_with_the_tasks_it_may_meet() -> None:
    stops = Stops(kept_ms=7 * DAY_MS)
    stops.apply(stopped("a"))
    stops.apply(stopped("b", day=7))
    assert stops.reason(KEY) == "cancelled"
    stops.apply(stopped("b", day=30))
    assert stops.reason(KEY) is None
