"""Backoff grows, is capped and ends."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facilitair_messaging.errors import LoopSettingsError
from facilitair_messaging.retry import RetryPolicy, delays


def test_delays_grow_up_to_the_cap():
    policy = RetryPolicy(retries=5, first_delay_s=0.5, factor=3, max_delay_s=4)

    assert list(delays(policy)) == [0.5, 1.5, 4, 4, 4]


def test_the_default_gives_up_before_five_seconds():
    assert sum(delays(RetryPolicy())) < 5


def test_no_retries_means_no_delays():
    assert list(delays(RetryPolicy(retries=0))) == []


@given(
    retries=st.integers(min_value=0, max_value=2_000),
    first=st.floats(min_value=0, max_value=1e6),
    factor=st.floats(min_value=1, max_value=1e6),
    cap=st.floats(min_value=0, max_value=1e6),
)
def test_any_policy_is_bounded(retries, first, factor, cap):
    policy = RetryPolicy(retries=retries, first_delay_s=first, factor=factor, max_delay_s=cap)
    found = list(delays(policy))

    assert len(found) == retries
    assert found == sorted(found)
    assert all(0 <= delay <= cap for delay in found)


@pytest.mark.parametrize(
    "wrong", [{"retries": -1}, {"first_delay_s": -0.1}, {"factor": 0.9}, {"max_delay_s": -1}]
)
def test_a_policy_that_makes_no_sense_names_its_knob(wrong):
    with pytest.raises(LoopSettingsError, match=rf"{next(iter(wrong))} is at least"):
        RetryPolicy(**wrong)
