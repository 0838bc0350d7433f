"""The log's time is what its records say, and an outage is no silence."""

from hypothesis import given
from hypothesis import strategies as st

from facilitair_agent_worker.log_time import LogTime


def test_r20_time_goes_on_with_append_times_only() -> None:
    time = LogTime(longest_gap_ms=100)
    assert [time.advance(0, at_ms) for at_ms in (5_000, 5_040, 5_040, 5_100)] == [0, 40, 40, 100]
    assert time.now_ms(0) == 100
    assert time.now_ms(1) == 0


def test_r20_a_gap_in_which_the_log_took_nothing_counts_only_in_part() -> None:
    time = LogTime(longest_gap_ms=100)
    assert [time.advance(0, at_ms) for at_ms in (0, 60_000, 60_050)] == [0, 100, 150]


def test_r01_a_broker_whose_clock_is_behind_moves_nothing_back() -> None:
    time = LogTime(longest_gap_ms=100)
    assert [time.advance(0, at_ms) for at_ms in (1_000, 900, 950, 1_010)] == [0, 0, 0, 10]


@given(st.lists(st.integers(0, 10_000)), st.integers(1, 1_000))
def test_r20_it_never_runs_ahead_of_the_append_times(at: list[int], gap_ms: int) -> None:
    time, seen = LogTime(longest_gap_ms=gap_ms), [0]
    for at_ms in at:
        seen.append(time.advance(0, at_ms))
        assert seen[-1] >= seen[-2]
        assert seen[-1] <= max(at) - at[0]
