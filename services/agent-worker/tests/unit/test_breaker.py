"""The breaker alone: when it opens, for how long, and that it probes once."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facilitair_agent_worker.breaker import Breaker, BreakerRules, Ending, Pass

RULES = BreakerRules(failures=5, open_s=10, growth=2, longest_s=25, barred_s=60)


def call(breaker: Breaker, ending: Ending, *, now_s: float = 0.0) -> None:
    leave = breaker.enter(now_s=now_s)
    assert leave is not None
    breaker.leave(leave, ending, reason="overloaded", now_s=now_s)


def opened(rules: BreakerRules = RULES) -> Breaker:
    breaker = Breaker(rules)
    for _ in range(rules.failures):
        call(breaker, "failed")
    return breaker


@pytest.mark.parametrize("failures", [1, 3, 5])
def test_it_opens_after_so_many_failures_in_a_row(failures: int) -> None:
    breaker = Breaker(BreakerRules(failures=failures))
    for _ in range(failures - 1):
        call(breaker, "failed")
    assert breaker.state == "closed"
    call(breaker, "failed")
    assert (breaker.state, breaker.enter(now_s=0.0)) == ("open", None)


def test_an_answer_between_failures_starts_the_count_again() -> None:
    breaker = Breaker(RULES)
    for ending in ("failed", "failed", "failed", "failed", "answered") * 3:
        call(breaker, ending)  # type: ignore[arg-type]
    assert breaker.state == "closed"


def test_what_says_nothing_of_the_provider_does_not_count() -> None:
    breaker = Breaker(RULES)
    for _ in range(4):
        call(breaker, "failed")
    for _ in range(50):
        call(breaker, "undecided")
    assert breaker.state == "closed"
    call(breaker, "failed")
    assert breaker.state == "open"


def test_a_refused_key_opens_it_at_once_and_for_longer() -> None:
    breaker = Breaker(RULES)
    call(breaker, "barred")
    assert (breaker.state, breaker.retry_after_s(now_s=0.0)) == ("open", 60)


def test_when_the_time_is_over_exactly_one_probe_goes_through() -> None:
    breaker = opened()
    assert breaker.enter(now_s=9.9) is None
    probe = breaker.enter(now_s=10.0)
    assert probe is not None
    assert (probe.probe, breaker.state) == (True, "half_open")
    assert [breaker.enter(now_s=1e6) for _ in range(100)] == [None] * 100
    breaker.leave(probe, "answered", reason="", now_s=11.0)
    assert breaker.state == "closed"
    assert breaker.enter(now_s=11.0) is not None


def test_a_probe_that_fails_opens_it_for_longer_each_time_up_to_the_longest() -> None:
    breaker, now_s, waits = opened(), 0.0, []
    for _ in range(4):
        wait_s = breaker.retry_after_s(now_s=now_s)
        assert wait_s is not None
        waits.append(wait_s)
        now_s += wait_s
        call(breaker, "failed", now_s=now_s)
    assert waits == [10, 20, 25, 25]


def test_a_recovery_starts_with_the_short_time_again() -> None:
    breaker = opened()
    call(breaker, "failed", now_s=10)
    call(breaker, "answered", now_s=30)
    for _ in range(5):
        call(breaker, "failed", now_s=30)
    assert breaker.retry_after_s(now_s=30) == 10


def test_a_probe_that_decides_nothing_leaves_the_next_call_to_probe() -> None:
    breaker = opened()
    call(breaker, "undecided", now_s=10)
    assert breaker.state == "half_open"
    second = breaker.enter(now_s=10)
    assert second is not None
    assert second.probe


@pytest.mark.parametrize("ending", ["answered", "failed", "barred"])
def test_calls_that_began_before_it_opened_change_nothing(ending: Ending) -> None:
    breaker = Breaker(RULES)
    early = breaker.enter(now_s=0)
    assert early is not None
    for _ in range(5):
        call(breaker, "failed")
    breaker.leave(early, ending, reason="", now_s=5)
    assert (breaker.state, breaker.retry_after_s(now_s=5)) == ("open", 5)


def test_a_first_time_longer_than_the_longest_is_kept() -> None:
    assert opened(BreakerRules(open_s=900, longest_s=300)).retry_after_s(now_s=0) == 900


def test_a_breaker_that_fails_for_ever_stays_finite() -> None:
    breaker, now_s = opened(BreakerRules(growth=10, longest_s=30)), 0.0
    for _ in range(500):
        now_s += 30
        call(breaker, "failed", now_s=now_s)
    assert breaker.retry_after_s(now_s=now_s) == 30


@given(
    st.integers(1, 5),
    st.lists(
        st.tuples(
            st.sampled_from(["enter", "answered", "failed", "barred", "undecided"]),
            st.floats(0, 40),
        ),
        max_size=120,
    ),
)
def test_properties_of_any_history(failures: int, steps: list[tuple[str, float]]) -> None:
    """One probe at most is out; no more calls end in failure in a row than the rules allow."""
    breaker = Breaker(BreakerRules(failures=failures, open_s=10, longest_s=40))
    out: list[Pass] = []
    now_s, in_a_row = 0.0, 0
    for step, passed_s in steps:
        now_s += passed_s
        if step == "enter":
            wait_s = breaker.retry_after_s(now_s=now_s)
            leave = breaker.enter(now_s=now_s)
            assert (leave is None) == (wait_s is not None)
            assert wait_s is None or 0 < wait_s <= 60
            if leave is not None:
                out.append(leave)
        elif out:
            leave = out.pop(0)
            before = breaker.state
            breaker.leave(leave, step, reason="x", now_s=now_s)  # type: ignore[arg-type]
            if step == "answered" and breaker.state == "closed":
                in_a_row = 0
            elif step == "failed" and before == "closed":
                in_a_row += 1
                assert in_a_row < failures or breaker.state == "open"
            if breaker.state != "closed":
                in_a_row = 0
        assert sum(leave.probe for leave in out) <= 1
