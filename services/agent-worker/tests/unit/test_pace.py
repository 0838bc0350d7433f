import pytest

from facilitair_agent_worker.pace import (
    BUSY_RECORDS,
    BUSY_TICK_S,
    CREDIT_S,
    LIGHT_TICK_S,
    Pace,
)


def test_the_first_request_waits_for_nothing():
    assert Pace().wait_s(1000.0) == 0


def test_what_comes_no_more_often_than_the_ticks_never_waits():
    pace, now_s = Pace(), 5.0
    for _ in range(1000):
        assert pace.wait_s(now_s) == 0
        pace.sent(now_s, records=1)
        now_s += LIGHT_TICK_S


@pytest.mark.parametrize(
    ("records", "tick_s"),
    [(1, LIGHT_TICK_S), (BUSY_RECORDS - 1, LIGHT_TICK_S), (BUSY_RECORDS, BUSY_TICK_S)],
)
def test_under_load_requests_follow_the_tick_of_how_much_they_carry(records, tick_s):
    pace, now_s, sent = Pace(), 5.0, 0
    while now_s < 6.0:
        now_s += pace.wait_s(now_s)
        pace.sent(now_s, records=records)
        sent += 1
    assert sent == pytest.approx((1.0 + CREDIT_S) / tick_s, abs=2)


def test_a_pause_earns_no_more_than_the_credit():
    pace = Pace()
    for _ in range(100):
        pace.sent(5.0, records=1)
    ahead = 0
    while pace.wait_s(3600.0) == 0:
        pace.sent(3600.0, records=1)
        ahead += 1
    assert ahead == pytest.approx(CREDIT_S / LIGHT_TICK_S, abs=1)
