import time

import pytest

from facilitair_testing.bounded import TooLongError, at_most


def test_who_takes_longer_than_the_limit_and_the_slack_is_told() -> None:
    with (
        pytest.raises(TooLongError, match=r"^a wait took \d+\.\d s, it may take 0\.01 s$"),
        at_most(0.01, "a wait", slack_s=0.01),
    ):
        time.sleep(0.05)


def test_a_busy_machine_is_forgiven() -> None:
    with at_most(0.01, "a wait"):
        time.sleep(0.05)


def test_what_the_body_raises_wins() -> None:
    with pytest.raises(ZeroDivisionError), at_most(0, slack_s=0):
        raise ZeroDivisionError
