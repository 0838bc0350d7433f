"""Which ProviderError an answer of a provider means; pure.

The body decides before the status: providers send errors with status 200, and one status for
different things (429 is "slow down" and also "your account is empty").
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from math import isfinite

import orjson

from facilitair_llm.errors import ProviderError, ProviderErrorKind

MAX_RETRY_AFTER_S = 600.0
"""Longer wishes are cut: the caller's own deadline decides what to do with them."""

STATUS_SITE_OVERLOADED = 529
KINDS_BY_STATUS: dict[int, ProviderErrorKind] = {
    HTTPStatus.UNAUTHORIZED: "authentication",
    HTTPStatus.PAYMENT_REQUIRED: "quota",
    HTTPStatus.FORBIDDEN: "refused_by_provider",
    HTTPStatus.REQUEST_TIMEOUT: "timeout",
    HTTPStatus.CONFLICT: "unavailable",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "context_length",
    HTTPStatus.TOO_EARLY: "unavailable",
    HTTPStatus.TOO_MANY_REQUESTS: "rate_limited",
    HTTPStatus.UNAVAILABLE_FOR_LEGAL_REASONS: "refused_by_provider",
    HTTPStatus.SERVICE_UNAVAILABLE: "overloaded",
    HTTPStatus.GATEWAY_TIMEOUT: "timeout",
    STATUS_SITE_OVERLOADED: "overloaded",
}
PRECISE_WORDS: tuple[tuple[re.Pattern[str], ProviderErrorKind], ...] = (
    (
        re.compile(
            r"insufficient_(quota|credits|balance)|billing_(error|hard_limit|not_active)"
            r"|credit balance is too low"
        ),
        "quota",
    ),
    (
        re.compile(
            r"context_(length|window)|maximum context length|prompt is too long"
            r"|exceeds? the (available |maximum )?context|exceed_context|request_too_large"
        ),
        "context_length",
    ),
    (re.compile(r"content_(filter|policy)|moderation_blocked|responsibleai"), "content_filter"),
    (re.compile(r"invalid_api_key|incorrect api key|authentication_error"), "authentication"),
    (re.compile(r"unsupported_country|access_terminated|account_deact"), "refused_by_provider"),
)
"""Looked for in code, type and message."""
GENERIC_WORDS: tuple[tuple[re.Pattern[str], ProviderErrorKind], ...] = (
    (re.compile(r"rate_limit|too_many_requests|resource_exhausted"), "rate_limited"),
    (re.compile(r"overloaded"), "overloaded"),
    (re.compile(r"timeout"), "timeout"),
    (re.compile(r"permission"), "refused_by_provider"),
    (re.compile(r"invalid_request|not_found|unsupported_|bad_request"), "invalid_request"),
    (re.compile(r"server_error|internal|api_error"), "unavailable"),
)
"""Looked for in code and type only: a message may quote the caller's own words."""
SECRET = re.compile(
    r"(?i)\b(?:sk|pk|rk|gsk|key|token)[-_][\w*.-]{6,}|\bbearer\s+\S+|\bAIza[\w-]{10,}"
)


def error_from_response(*, status: int, headers: Mapping[str, str], body: bytes) -> ProviderError:
    """Return what a whole response, not a stream, means."""
    retry_after_s = parse_retry_after(headers)
    document = _parse_object(body)
    if document is not None and "error" in document:
        return error_from_body(document["error"], status=status, retry_after_s=retry_after_s)
    text = document.get("message", document.get("detail")) if document else None
    shown = text if isinstance(text, str) else body.decode("utf-8", "replace")
    if status == HTTPStatus.OK:
        kind: ProviderErrorKind = "malformed"
        shown = f"the server did not answer with a stream of events: {shown}"
    else:
        kind = _kind_of_status(status)
        if HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST:
            shown = "the server redirects and redirects are not followed: correct the base URL"
    return ProviderError(
        kind=kind, message=scrub(shown) or "no message", status=status, retry_after_s=retry_after_s
    )


def error_from_body(
    error: object, *, status: int | None = None, retry_after_s: float | None = None
) -> ProviderError:
    """Return what the `error` of a body or of a stream's event means."""
    fields = error if isinstance(error, dict) else {"message": error}
    message = fields.get("message")
    shown = message if isinstance(message, str) else orjson.dumps(fields, default=str).decode()
    code = fields.get("code")
    if type(code) is int and status in {None, HTTPStatus.OK}:
        status = code
    named = " ".join(str(fields.get(name, "")) for name in ("code", "type", "status")).lower()
    kind = (
        _first_match(PRECISE_WORDS, f"{named} {shown.lower()}")
        or _first_match(GENERIC_WORDS, named)
        or _kind_of_status(status)
    )
    if kind == "unavailable" and status is not None and status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        kind = _kind_of_status(status)  # "server_error" says less than 503 or 504
    return ProviderError(
        kind=kind, message=scrub(shown) or "no message", status=status, retry_after_s=retry_after_s
    )


def parse_retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the wait in seconds, 0 to MAX_RETRY_AFTER_S, or None if there is none to read.

    A date is compared with the response's own `Date`, so that no clock of ours counts.
    Header names are compared as the mapping compares them.
    """
    milliseconds = finite_number(headers.get("Retry-After-Ms", ""))
    if milliseconds is not None:
        return _capped(milliseconds / 1000)
    value = headers.get("Retry-After", "").strip()
    seconds = finite_number(value)
    if seconds is not None:
        return _capped(seconds)
    until, sent = parse_date(value), parse_date(headers.get("Date", ""))
    if until is None or sent is None:
        return None
    return _capped((until - sent).total_seconds())


def scrub(text: str) -> str:
    """Return one line of the text without what looks like a credential."""
    return SECRET.sub("[removed]", " ".join(text.split()))


def _first_match(
    words: tuple[tuple[re.Pattern[str], ProviderErrorKind], ...], text: str
) -> ProviderErrorKind | None:
    return next((kind for pattern, kind in words if pattern.search(text)), None)


def _kind_of_status(status: int | None) -> ProviderErrorKind:
    if status is None or status < HTTPStatus.MULTIPLE_CHOICES:
        return "unavailable"
    known = KINDS_BY_STATUS.get(status)
    if known is not None:
        return known
    return "unavailable" if status >= HTTPStatus.INTERNAL_SERVER_ERROR else "invalid_request"


def _parse_object(body: bytes) -> dict[str, object] | None:
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    if isinstance(document, list) and document:  # Gemini's compatible endpoint wraps its errors
        document = document[0]
    return document if isinstance(document, dict) else None


def parse_date(value: str) -> datetime | None:
    """Return the moment that a header names as HTTP does; None for anything else."""
    try:
        moment = parsedate_to_datetime(value)
    except (ValueError, OverflowError):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def finite_number(text: str) -> float | None:
    """Return the number that a text is; None for anything else."""
    try:
        number = float(text)
    except ValueError:
        return None
    return number if isfinite(number) else None


def _capped(seconds: float) -> float:
    return min(max(seconds, 0.0), MAX_RETRY_AFTER_S)
