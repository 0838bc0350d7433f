import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facilitair_llm.provider_faults import (
    MAX_RETRY_AFTER_S,
    error_from_body,
    error_from_response,
    parse_retry_after,
)

DATE = "Tue, 01 Dec 2026 10:00:00 GMT"


def respond(status, error=None, **headers):
    body = b"" if error is None else orjson.dumps({"error": error})
    return error_from_response(status=status, headers=headers, body=body)


@pytest.mark.parametrize(
    ("status", "error", "kind", "retryable"),
    [
        (429, {"message": "slow down", "code": "rate_limit_exceeded"}, "rate_limited", True),
        (429, {"message": "pay first", "code": "insufficient_quota"}, "quota", False),
        (429, None, "rate_limited", True),
        (402, None, "quota", False),
        (400, {"message": "too long", "code": "context_length_exceeded"}, "context_length", False),
        (
            400,
            {
                "message": "This model's maximum context length is 8",
                "type": "invalid_request_error",
            },
            "context_length",
            False,
        ),
        (400, {"message": "no", "code": "content_filter"}, "content_filter", False),
        (400, {"message": "bad field", "type": "invalid_request_error"}, "invalid_request", False),
        (400, {"message": "quotes rate_limit and overloaded"}, "invalid_request", False),
        (401, None, "authentication", False),
        (403, {"message": "x", "code": "invalid_api_key"}, "authentication", False),
        (403, {"message": "x", "code": "unsupported_country"}, "refused_by_provider", False),
        (404, {"message": "x", "code": "model_not_found"}, "invalid_request", False),
        (307, None, "invalid_request", False),
        (408, None, "timeout", True),
        (500, None, "unavailable", True),
        (500, {"message": "x", "type": "overloaded_error"}, "overloaded", True),
        (502, None, "unavailable", True),
        (503, None, "overloaded", True),
        (504, None, "timeout", True),
        (529, None, "overloaded", True),
        (503, {"message": "x", "type": "server_error"}, "overloaded", True),
        (504, {"message": "x", "type": "api_error"}, "timeout", True),
        (500, {"message": "x", "type": "server_error"}, "unavailable", True),
        (402, {"message": "x", "type": "billing_error"}, "quota", False),
        (
            400,
            {"message": "Your credit balance is too low", "type": "invalid_request_error"},
            "quota",
            False,
        ),
        (400, "the request exceeds the available context size", "context_length", False),
        (200, {"message": "x", "code": "rate_limit_exceeded"}, "rate_limited", True),
        (200, {"message": "x", "code": 503}, "overloaded", True),
        (200, "something broke", "unavailable", True),
        (200, None, "malformed", True),
    ],
)
def test_errors_are_classified_by_body_as_well_as_status(status, error, kind, retryable):
    found = respond(status, error)
    assert (found.kind, found.retryable) == (kind, retryable)


@pytest.mark.parametrize(
    ("headers", "wait"),
    [
        ({}, None),
        ({"Retry-After": "2"}, 2.0),
        ({"Retry-After": "0.5"}, 0.5),
        ({"Retry-After": "-4"}, 0.0),
        ({"Retry-After": "1e9"}, MAX_RETRY_AFTER_S),
        ({"Retry-After": "inf"}, None),
        ({"Retry-After": "nan"}, None),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": "Tue, 01 Dec 2026 10:00:30 GMT", "Date": DATE}, 30.0),
        ({"Retry-After": "Tue, 01 Dec 2026 09:00:00 GMT", "Date": DATE}, 0.0),
        ({"Retry-After": "Fri, 01 Jan 9999 00:00:00 GMT", "Date": DATE}, MAX_RETRY_AFTER_S),
        ({"Retry-After": "Tue, 01 Dec 2026 10:00:30 GMT"}, None),
        ({"Retry-After-Ms": "1500", "Retry-After": "9"}, 1.5),
    ],
)
def test_retry_after_is_read_and_capped(headers, wait):
    assert parse_retry_after(headers) == wait
    assert respond(429, **headers).retry_after_s == wait


@given(value=st.text(max_size=40))
def test_any_retry_after_is_none_or_within_bounds(value):
    wait = parse_retry_after({"Retry-After": value, "Date": DATE})
    assert wait is None or 0 <= wait <= MAX_RETRY_AFTER_S


@pytest.mark.parametrize(
    "secret", ["sk-proj-abcdef123456", "Bearer eyJhbGciOi.xyz", "gsk_a1b2c3d4"]
)
def test_a_credential_in_the_providers_message_is_removed(secret):
    found = respond(401, {"message": f"Incorrect API key provided: {secret}."})
    assert secret not in str(found)
    assert "[removed]" in found.message


def test_a_long_message_is_bounded_and_one_line():
    found = error_from_response(status=500, headers={}, body=b"<p>\n" * 9999)
    assert len(found.message) <= 400
    assert "\n" not in found.message


@given(body=st.binary(max_size=60) | st.just(b"[[]]") | st.just(b'{"error":null}'))
def test_any_body_gives_an_error_with_a_message(body):
    found = error_from_response(status=500, headers={}, body=body)
    assert found.message
    assert found.status == 500


@given(error=st.recursive(st.none() | st.integers(0, 600) | st.text(max_size=5), st.lists))
def test_any_error_value_of_a_stream_gives_an_error(error):
    assert error_from_body(error).message
    assert error_from_body({"message": error, "code": error}).message
