"""D12: a service lives while its loop moves and, where records wait, some are finished."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facilitair_messaging.ports import TopicPartition
from facilitair_runtime.liveness import Backlog, Beat, Limits, Place, measured, not_live

TP = TopicPartition("inbox", 3)
OTHER = TopicPartition("inbox", 4)
LIMITS = Limits(silent_s=5, stuck_s=60)


def backlog(*, since: float, position: int = 7, end: int = 10) -> Backlog:
    return Backlog(tp=TP, place=Place(position=position, end=end), since=since)


@pytest.mark.parametrize(("now", "fails"), [(104.9, False), (105, True), (500, True)])
def test_d12_a_loop_has_to_move(now: float, *, fails: bool) -> None:
    failing = not_live([Beat(loop="tasks", moved_at=100)], [], now=now, limits=LIMITS)
    assert bool(failing) is fails
    if fails:
        assert (failing[0].condition, failing[0].since) == ("loop_silent", 100)
        assert f"the loop of tasks has not moved for {now - 100:.0f} s" in failing[0].detail


def test_d12_a_loop_that_has_not_begun_is_no_fault() -> None:
    assert not_live([Beat(loop="tasks", moved_at=None)], [], now=1e6, limits=LIMITS) == ()


@pytest.mark.parametrize(("now", "fails"), [(159.9, False), (160, True)])
def test_d12_records_that_wait_have_to_be_finished_now_and_then(now: float, *, fails: bool) -> None:
    failing = not_live([], [backlog(since=100)], now=now, limits=LIMITS)
    assert bool(failing) is fails
    if fails:
        assert (failing[0].condition, failing[0].since) == ("no_progress", 100)
        assert "3 records wait in inbox[3] and none was finished for 60 s" in failing[0].detail


def test_d12_both_limits_count() -> None:
    beat = Beat(loop="tasks", moved_at=100)
    tight = Limits(silent_s=1, stuck_s=2)
    assert len(not_live([beat], [backlog(since=100)], now=102, limits=tight)) == 2
    assert not_live([beat], [backlog(since=100)], now=102, limits=LIMITS) == ()


def test_d12_every_fault_is_told() -> None:
    beats = [Beat(loop=name, moved_at=0) for name in ("stream", "catalog")]
    failing = not_live(beats, [backlog(since=0)], now=100, limits=LIMITS)
    assert [one.condition for one in failing] == ["loop_silent", "loop_silent", "no_progress"]


def test_a_partition_that_stands_still_goes_on_waiting_from_when_it_began() -> None:
    first = measured([], {TP: Place(position=7, end=8)}, now=10)
    assert [one.since for one in first] == [10]
    later = measured(first, {TP: Place(position=7, end=5000)}, now=20)
    assert [(one.since, one.place.end) for one in later] == [(10, 5000)]


def test_lag_is_no_fault_while_something_is_finished() -> None:
    found = measured([], {TP: Place(position=0, end=100_000)}, now=0)
    for look in range(1, 100):
        found = measured(found, {TP: Place(position=look, end=100_000 + 10 * look)}, now=50 * look)
        assert not_live([], found, now=50 * look, limits=LIMITS) == ()


def test_what_was_caught_up_or_lost_meanwhile_begins_anew() -> None:
    found = measured([], {TP: Place(position=7, end=8), OTHER: Place(position=0, end=1)}, now=0)
    found = measured(found, {TP: Place(position=8, end=8)}, now=50)
    assert found == ()
    found = measured(found, {TP: Place(position=8, end=9), OTHER: Place(position=0, end=1)}, now=99)
    assert {one.since for one in found} == {99}


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), max_size=30))
def test_the_wait_is_as_long_as_the_position_has_stood_with_something_before_it(looks) -> None:
    found: tuple[Backlog, ...] = ()
    stood_since: float | None = None
    last = None
    for now, (position, lag) in enumerate(looks):
        place = Place(position=position, end=position + lag)
        found = measured(found, {TP: place}, now=now)
        if lag == 0:
            stood_since = None
        elif stood_since is None or position != last:
            stood_since = now
        last = position
        assert [one.since for one in found] == ([] if stood_since is None else [stood_since])
