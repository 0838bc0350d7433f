"""A token bucket: it never gives more than its limit, and it follows what it hears."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facilitair_agent_worker.buckets import Bucket
from facilitair_llm.provider_faults import MAX_RETRY_AFTER_S
from facilitair_llm.rate_headers import Window


def test_without_a_limit_there_is_no_wait() -> None:
    bucket = Bucket(per_minute=None, now_s=0)
    for _ in range(1000):
        assert bucket.wait_s(1, now_s=0) == 0
        bucket.take(1, now_s=0)


def test_a_limit_gives_its_minute_at_once_and_then_its_rate() -> None:
    bucket = Bucket(per_minute=60, now_s=0)
    for _ in range(60):
        assert bucket.wait_s(1, now_s=0) == 0
        bucket.take(1, now_s=0)
    assert bucket.wait_s(1, now_s=0) == pytest.approx(1)
    assert bucket.wait_s(1, now_s=0.6) == pytest.approx(0.4)
    assert bucket.wait_s(3, now_s=1) == pytest.approx(2)


def test_who_comes_later_waits_longer() -> None:
    bucket = Bucket(per_minute=60, now_s=0)
    bucket.take(60, now_s=0)
    waits = []
    for _ in range(3):
        waits.append(bucket.wait_s(1, now_s=0))
        bucket.take(1, now_s=0)
    assert waits == pytest.approx([1, 2, 3])


def test_who_is_sent_away_comes_back_one_after_the_other() -> None:
    bucket = Bucket(per_minute=60, now_s=0)
    bucket.take(60, now_s=0)
    assert [bucket.promise(1, longest_s=600, now_s=0) for _ in range(3)] == pytest.approx([1, 2, 3])
    assert bucket.promise(1, longest_s=600, now_s=10) == 0, (
        "promises are forgotten at the rate they are kept"
    )


def test_a_crowd_is_not_sent_away_for_longer_than_anybody_waits() -> None:
    bucket = Bucket(per_minute=60, now_s=0)
    bucket.take(60, now_s=0)
    waits = [bucket.promise(1, longest_s=600, now_s=0) for _ in range(2000)]
    assert waits[:599] == pytest.approx(range(1, 600))
    assert set(waits[599:]) == {600}
    assert bucket.promise(1, longest_s=600, now_s=300) == pytest.approx(300, abs=2)


def test_what_was_estimated_too_high_comes_back_and_too_low_is_taken() -> None:
    bucket = Bucket(per_minute=600, now_s=0)
    bucket.take(600, now_s=0)
    bucket.put_back(500)
    assert bucket.wait_s(500, now_s=0) == 0
    bucket.put_back(-300)
    assert bucket.wait_s(500, now_s=0) == pytest.approx(30)


def test_more_than_it_holds_can_be_had_when_it_is_full() -> None:
    bucket = Bucket(per_minute=60, now_s=0)
    assert bucket.wait_s(10_000, now_s=0) == 0
    bucket.take(10_000, now_s=0)
    assert bucket.wait_s(10_000, now_s=0) == pytest.approx(60)


def test_headers_make_a_limit_where_there_was_none() -> None:
    bucket = Bucket(per_minute=None, now_s=0)
    bucket.learn(Window(limit=30, remaining=0, reset_s=60), now_s=0)
    assert bucket.per_minute == pytest.approx(30)
    assert bucket.wait_s(1, now_s=0) == pytest.approx(2)


def test_a_limit_of_a_day_is_not_taken_for_one_of_a_minute() -> None:
    bucket = Bucket(per_minute=None, now_s=0)
    bucket.learn(Window(limit=14_400, remaining=14_370, reset_s=180), now_s=0)
    assert bucket.per_minute == pytest.approx(10)
    assert bucket.wait_s(1, now_s=0) == 0


def test_a_reset_that_is_too_short_to_tell_counts_the_limit_for_a_minute() -> None:
    bucket = Bucket(per_minute=None, now_s=0)
    bucket.learn(Window(limit=4000, remaining=3999, reset_s=1), now_s=0)
    assert bucket.per_minute == pytest.approx(4000)


@pytest.mark.parametrize("amount", [1, 100])
@pytest.mark.parametrize("remaining", [0, 40, 99])
def test_an_absurd_reset_closes_nothing_for_good(amount: int, remaining: int) -> None:
    bucket = Bucket(per_minute=None, now_s=0)
    bucket.learn(Window(limit=100, remaining=remaining, reset_s=366 * 86_400), now_s=0)
    assert bucket.wait_s(amount, now_s=0) <= MAX_RETRY_AFTER_S


def test_headers_never_raise_a_limit_that_somebody_set() -> None:
    bucket = Bucket(per_minute=6, now_s=0)
    bucket.take(6, now_s=0)
    bucket.learn(Window(limit=10_000, remaining=10_000, reset_s=60), now_s=0)
    assert bucket.per_minute == pytest.approx(6)
    assert bucket.wait_s(1, now_s=0) == pytest.approx(10)


def test_what_others_used_up_counts() -> None:
    bucket = Bucket(per_minute=60, now_s=0)
    bucket.learn(Window(limit=60, remaining=2, reset_s=58), now_s=0)
    assert bucket.wait_s(2, now_s=0) == 0
    assert bucket.wait_s(3, now_s=0) == pytest.approx(1)


def test_a_provider_that_only_complains_is_asked_half_as_often() -> None:
    bucket = Bucket(per_minute=None, now_s=0)
    for second in range(300):
        bucket.take(2, now_s=second)
    bucket.slow_down(asked_s=299, now_s=300)
    assert bucket.per_minute == pytest.approx(60, rel=0.05)
    bucket.slow_down(asked_s=299, now_s=300.5)
    assert bucket.per_minute == pytest.approx(60, rel=0.05), "one burst halves once"
    bucket.slow_down(asked_s=301, now_s=302)
    assert bucket.per_minute == pytest.approx(30, rel=0.05)


def test_after_a_refusal_one_may_ask_at_once_and_then_at_least_ten_in_a_minute() -> None:
    bucket = Bucket(per_minute=None, now_s=0)
    bucket.take(1, now_s=0)
    bucket.slow_down(asked_s=0, now_s=0)
    assert bucket.wait_s(1, now_s=0) == 0
    bucket.take(1, now_s=0)
    assert bucket.wait_s(1, now_s=0) == pytest.approx(6)


def test_a_limit_below_ten_in_a_minute_is_not_raised_by_a_refusal() -> None:
    bucket = Bucket(per_minute=2, now_s=0)
    bucket.slow_down(asked_s=0, now_s=0)
    assert bucket.per_minute == pytest.approx(2)


def test_answers_give_a_limit_back_that_nobody_told() -> None:
    bucket = Bucket(per_minute=None, now_s=0)
    bucket.take(600, now_s=0)
    bucket.slow_down(asked_s=0, now_s=0)
    rates = []
    for second in range(1, 200):
        bucket.speed_up(now_s=second)
        rates.append(bucket.per_minute)
        if bucket.per_minute is None:
            break
    assert rates[-1] is None
    assert rates[:-1] == sorted(rates[:-1])


def test_answers_give_a_limit_back_up_to_what_was_set() -> None:
    bucket = Bucket(per_minute=60, now_s=0)
    bucket.slow_down(asked_s=0, now_s=0)
    assert bucket.per_minute == pytest.approx(30)
    for second in range(60):
        bucket.speed_up(now_s=second)
    assert bucket.per_minute == pytest.approx(60)


@given(
    st.integers(1, 600),
    st.lists(st.tuples(st.floats(0, 20), st.floats(0.5, 5)), min_size=1, max_size=80),
)
def test_no_more_flows_than_the_limit_allows(
    per_minute: int, asked: list[tuple[float, float]]
) -> None:
    """Whoever waits as told uses, in any time from the start, a full bucket and its rate."""
    bucket = Bucket(per_minute=per_minute, now_s=0)
    now_s, used = 0.0, 0.0
    for passed_s, amount in asked:
        now_s += passed_s
        now_s += bucket.wait_s(amount, now_s=now_s)
        bucket.take(amount, now_s=now_s)
        used += min(amount, per_minute)
        assert used <= per_minute + per_minute / 60 * now_s + 1e-6


@given(
    st.one_of(st.none(), st.integers(1, 1000)),
    st.lists(
        st.tuples(
            st.sampled_from(["take", "learn", "slow", "fast", "back", "promise"]),
            st.floats(0, 100),
            st.integers(1, 500),
            st.integers(0, 500),
            st.one_of(st.none(), st.floats(0, 1e5)),
        ),
        max_size=60,
    ),
)
def test_no_history_makes_a_wait_that_is_no_number(
    per_minute: int | None, steps: list[tuple[str, float, int, int, float | None]]
) -> None:
    bucket, now_s = Bucket(per_minute=per_minute, now_s=0), 0.0
    for step, passed_s, limit, left, reset_s in steps:
        now_s += passed_s
        match step:
            case "take":
                bucket.take(limit, now_s=now_s)
            case "learn":
                window = Window(limit=limit, remaining=min(left, limit), reset_s=reset_s)
                bucket.learn(window, now_s=now_s)
            case "slow":
                bucket.slow_down(asked_s=now_s - 1, now_s=now_s)
            case "fast":
                bucket.speed_up(now_s=now_s)
            case "back":
                bucket.put_back(left - limit)
            case _:
                assert bucket.promise(1, longest_s=600, now_s=now_s) >= 0
        wait_s = bucket.wait_s(1, now_s=now_s)
        assert 0 <= wait_s < float("inf")
        rate = bucket.per_minute
        assert rate is None or rate > 0
        assert per_minute is None or (rate is not None and rate <= per_minute * (1 + 1e-9))
        if wait_s > 0:
            now_s += wait_s
            assert bucket.wait_s(1, now_s=now_s) <= 1e-6 * (1 + wait_s)
