"""A consumer that rejects too much is told to stop, one that rejects a little is not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facilitair_messaging.errors import LoopSettingsError
from facilitair_messaging.rejections import RejectionLimit, Rejections


def outcomes(limit, pattern):
    rejections = Rejections(limit)
    found = []
    for accepted in pattern:
        if accepted:
            rejections.accept()
        else:
            found.append(rejections.reject())
    return found


def test_more_in_a_row_than_allowed_stops():
    limit = RejectionLimit(max_consecutive=2, max_ratio=1)

    assert outcomes(limit, [0, 0, 1, 0, 0, 0]) == [
        None, None, None, None, "3 records in a row were rejected",
    ]  # fmt: skip


def test_more_of_the_window_than_allowed_stops():
    limit = RejectionLimit(max_consecutive=9, max_ratio=0.25, window=4)

    assert outcomes(limit, [1, 0, 1, 1, 1, 0, 0]) == [
        None, None, "2 of the last 4 records were rejected",
    ]  # fmt: skip


def test_a_ratio_says_nothing_before_the_window_is_full():
    assert outcomes(RejectionLimit(max_ratio=0, window=3), [0, 1, 0]) == [
        None, "2 of the last 3 records were rejected",
    ]  # fmt: skip


@given(st.lists(st.booleans()), st.integers(1, 10), st.integers(0, 10), st.floats(0, 1))
def test_it_stops_exactly_when_a_limit_is_passed(pattern, window, consecutive, ratio):
    limit = RejectionLimit(max_consecutive=consecutive, max_ratio=ratio, window=window)
    expected = []
    for index, accepted in enumerate(pattern):
        if accepted:
            continue
        seen = pattern[: index + 1]
        row = len(seen) - (max((i for i, ok in enumerate(seen) if ok), default=-1) + 1)
        recent = seen[-window:]
        expected.append(
            row > consecutive or (len(recent) == window and recent.count(False) > ratio * window)
        )
    assert [reason is not None for reason in outcomes(limit, pattern)] == expected


@pytest.mark.parametrize("wrong", [{"max_consecutive": -1}, {"max_ratio": -0.1}, {"window": 0}])
def test_a_limit_that_makes_no_sense_names_its_knob(wrong):
    with pytest.raises(LoopSettingsError, match=next(iter(wrong))):
        RejectionLimit(**wrong)
