import pytest
from hypothesis import given
from hypothesis import strategies as st

from facilitair_client import Event, EventsMissingError, Seen


def numbered(seq):
    return Event("0-0-0", "step.started", {"seq": seq, "step": "a", "attempt": 1})


def chunk(index, attempt=1, step="coder"):
    data = {"step": step, "attempt": attempt, "agent": "x", "index": index, "text": str(index)}
    return Event("0-0-0", "token", data)


def opening(attempt, kind="attempt.reset"):
    return Event("0-0-0", kind, {"step": "coder", "attempt": attempt, "agent": "x"})


def admitted(events):
    seen = Seen()
    return [event for event in events if seen.admit(event)]


def test_r12_a_smaller_number_is_dropped():
    assert admitted([numbered(1), numbered(2), numbered(2), numbered(1), numbered(3)]) == [
        numbered(1),
        numbered(2),
        numbered(3),
    ]


def test_r12_a_larger_number_stops_the_reader():
    seen = Seen()
    seen.admit(numbered(1))
    with pytest.raises(EventsMissingError, match="after number 1 came 3"):
        seen.admit(numbered(3))


def test_the_first_number_of_a_viewer_may_be_any():
    assert admitted([numbered(17)]) == [numbered(17)]


def test_r31_a_repeated_chunk_is_dropped():
    events = [chunk(0), chunk(1), chunk(0), chunk(1), chunk(2)]
    assert admitted(events) == [chunk(0), chunk(1), chunk(2)]


def test_r31_chunks_of_an_older_attempt_are_dropped_once_a_newer_one_began():
    events = [chunk(0), chunk(1), opening(2), chunk(2), chunk(0, attempt=2), opening(1)]
    assert admitted(events) == [chunk(0), chunk(1), opening(2), chunk(0, attempt=2)]


def test_a_repeated_announcement_is_dropped():
    first = opening(1, "attempt.started")
    assert admitted([first, chunk(0), first, chunk(1)]) == [first, chunk(0), chunk(1)]


def test_steps_do_not_disturb_each_other():
    events = [chunk(0), chunk(0, step="b"), chunk(1), chunk(1, step="b")]
    assert admitted(events) == events


def test_what_has_no_number_and_no_attempt_passes():
    event = Event(None, "later.kind", {"what": 1})
    assert admitted([event, event]) == [event, event]


STREAM = [
    numbered(1),
    opening(1, "attempt.started"),
    *(chunk(index) for index in range(4)),
    numbered(2),
    opening(2),
    *(chunk(index, attempt=2) for index in range(5)),
    numbered(3),
]


@given(st.lists(st.integers(min_value=0, max_value=len(STREAM)), max_size=6))
def test_r31_connections_that_each_repeat_some_of_the_past_give_every_event_once(drops):
    """A resume reads on from some earlier place; whatever that is, nothing comes twice."""
    sent = [event for drop in sorted(drops) for event in STREAM[:drop]] + STREAM
    assert admitted(sent) == STREAM
