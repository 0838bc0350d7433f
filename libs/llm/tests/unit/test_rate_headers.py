"""What headers say of rate limits, in the forms of each provider."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from facilitair_llm.rate_headers import Rates, Window, read_rates

DATE = "Sat, 21 Nov 2026 12:00:00 GMT"


def rates(**headers: str) -> Rates:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return read_rates(CIMultiDict({"Date": DATE} | named))


def test_openai_tells_durations() -> None:
    told = rates(
        x_ratelimit_limit_requests="500",
        x_ratelimit_remaining_requests="499",
        x_ratelimit_reset_requests="120ms",
        x_ratelimit_limit_tokens="30000",
        x_ratelimit_remaining_tokens="1000",
        x_ratelimit_reset_tokens="1m30s",
    )
    assert told.requests == Window(limit=500, remaining=499, reset_s=0.12)
    assert told.tokens == Window(limit=30_000, remaining=1000, reset_s=90.0)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("20ms", 0.02), ("7.66s", 7.66), ("6m0s", 360.0), ("2m59.56s", 179.56), ("1h2m3s", 3723.0),
        ("1d", 86_400.0), ("12", 12.0), ("0.5", 0.5), ("0", 0.0),
        ("2026-11-21T12:01:30Z", 90.0), ("2026-11-21T14:01:30+02:00", 90.0),
        ("2026-11-21T11:00:00Z", 0.0), ("1795262430", 30.0), ("1795262430500", 30.5),
        ("99999999999999h", 366 * 86_400.0),
        ("", None), ("soon", None), ("1m30", None), ("-5", None), ("nan", None), ("inf", None),
    ],
)  # fmt: skip
def test_every_form_of_a_reset(text: str, seconds: float | None) -> None:
    told = rates(
        x_ratelimit_limit_requests="10",
        x_ratelimit_remaining_requests="1",
        x_ratelimit_reset_requests=text,
    )
    assert told.requests is not None
    assert told.requests.reset_s == (None if seconds is None else pytest.approx(seconds))


def test_anthropic_tells_moments_and_each_kind_of_tokens() -> None:
    told = rates(
        anthropic_ratelimit_requests_limit="50",
        anthropic_ratelimit_requests_remaining="48",
        anthropic_ratelimit_requests_reset="2026-11-21T12:00:03Z",
        anthropic_ratelimit_input_tokens_limit="40000",
        anthropic_ratelimit_input_tokens_remaining="39000",
        anthropic_ratelimit_input_tokens_reset="2026-11-21T12:00:02Z",
    )
    assert told.requests == Window(limit=50, remaining=48, reset_s=3.0)
    assert told.tokens == Window(limit=40_000, remaining=39_000, reset_s=2.0)


def test_openrouter_tells_a_fixed_window_in_milliseconds() -> None:
    told = rates(
        X_RateLimit_Limit="20", X_RateLimit_Remaining="0", X_RateLimit_Reset="1795262460000"
    )
    assert told.requests == Window(limit=20, remaining=0, reset_s=60.0, fixed=True)


def test_a_moment_without_the_date_of_the_response_is_not_told() -> None:
    told = read_rates(
        CIMultiDict(
            {
                "x-ratelimit-limit": "20",
                "x-ratelimit-remaining": "0",
                "x-ratelimit-reset": "1795262460000",
            }
        )
    )
    assert told.requests == Window(limit=20, remaining=0, reset_s=None, fixed=True)


@pytest.mark.parametrize("limit", ["0", "", "many", "-1", "nan", "1e30"])
def test_an_unreadable_limit_is_none(limit: str) -> None:
    assert rates(x_ratelimit_limit_requests=limit, x_ratelimit_remaining_requests="1") == Rates()


def test_more_left_than_there_is_counts_as_all_of_it() -> None:
    told = rates(x_ratelimit_limit_tokens="10", x_ratelimit_remaining_tokens="99")
    assert told.tokens == Window(limit=10, remaining=10)


@given(
    st.dictionaries(
        st.sampled_from(
            [
                "x-ratelimit-limit-requests",
                "x-ratelimit-remaining-requests",
                "x-ratelimit-reset-requests",
                "anthropic-ratelimit-tokens-limit",
                "anthropic-ratelimit-tokens-remaining",
                "anthropic-ratelimit-tokens-reset",
                "x-ratelimit-reset",
                "Date",
            ]
        ),
        st.text(max_size=30) | st.floats().map(str) | st.integers().map(str),
    )
)
def test_no_header_raises_and_every_number_is_in_its_bounds(headers: dict[str, str]) -> None:
    told = read_rates(CIMultiDict(headers))
    for window in (told.requests, told.tokens):
        if window is not None:
            assert 0 <= window.remaining <= window.limit
            assert window.reset_s is None or 0 <= window.reset_s <= 366 * 86_400
