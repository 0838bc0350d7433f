from hypothesis import given
from hypothesis import strategies as st

from facilitair_client import Patience
from facilitair_client.backoff import wait_s

PATIENCE = Patience(first_s=0.1, longest_s=5.0)
SHARES = st.floats(min_value=0, max_value=1)


@given(st.integers(min_value=1, max_value=10_000), SHARES)
def test_no_wait_is_longer_than_the_longest(failures, share):
    assert 0 < wait_s(PATIENCE, failures=failures, share=share) <= PATIENCE.longest_s


@given(st.integers(min_value=1, max_value=20), SHARES)
def test_waits_grow(failures, share):
    now = wait_s(PATIENCE, failures=failures, share=share)
    assert now <= wait_s(PATIENCE, failures=failures + 1, share=share)


def test_waits_differ_by_chance():
    assert wait_s(PATIENCE, failures=3, share=0.0) < wait_s(PATIENCE, failures=3, share=1.0)


@given(st.integers(min_value=1, max_value=20), SHARES, st.floats(min_value=0, max_value=100))
def test_what_the_server_asked_for_is_waited_for(failures, share, asked):
    assert wait_s(PATIENCE, failures=failures, share=share, asked_s=asked) >= asked
