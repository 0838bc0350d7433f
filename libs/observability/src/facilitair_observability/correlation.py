"""Which request, tenant and record the running code works for: bound into every log line."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

from msgspec import Struct

from facilitair_observability.trace_context import parse


class Correlation(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What log lines say about their cause."""

    correlation: str
    tenant: str
    subject: str | None = None
    causation: str | None = None
    traceparent: str | None = None


_current: Final[ContextVar[Correlation | None]] = ContextVar("facilitair_correlation", default=None)
_service: Final[ContextVar[str | None]] = ContextVar("facilitair_service", default=None)


def current() -> Correlation | None:
    """What is bound in this task, if anything."""
    return _current.get()


def current_service() -> str | None:
    """The service whose code is running, where several share a process too; see ``serving``."""
    return _service.get()


@contextmanager
def bound(correlation: Correlation) -> Iterator[None]:
    """Bind for the body and for every task it starts; what was bound before comes back after."""
    token = _current.set(correlation)
    try:
        yield
    finally:
        _current.reset(token)


@contextmanager
def serving(service: str) -> Iterator[None]:
    """Name the service in every line of the body and of the tasks it starts.

    In solo many services share one process and one log set-up.
    """
    token = _service.set(service)
    try:
        yield
    finally:
        _service.reset(token)


def fields() -> dict[str, str]:
    """The fields for a log line; empty when nothing is bound."""
    found: dict[str, str] = {}
    service = _service.get()
    if service is not None:
        found["service"] = service
    correlation = _current.get()
    if correlation is None:
        return found
    found |= {"correlation": correlation.correlation, "tenant": correlation.tenant}
    if correlation.subject is not None:
        found["subject"] = correlation.subject
    if correlation.causation is not None:
        found["causation"] = correlation.causation
    trace = parse(correlation.traceparent)
    if trace is not None:
        found |= {"trace_id": trace.trace_id, "span_id": trace.span_id}
    return found
