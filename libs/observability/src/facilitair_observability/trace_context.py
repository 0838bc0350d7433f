"""W3C trace context, as the ``traceparent`` header carries it. Pure: fresh ids are arguments."""

import re
from typing import Final

from msgspec import Struct

_TRACEPARENT: Final = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_KNOWN_VERSION: Final = "00"
_FORBIDDEN_VERSION: Final = "ff"
_NO_TRACE: Final = "0" * 32
_NO_SPAN: Final = "0" * 16
_SAMPLED: Final = 0x01


class TraceContext(Struct, frozen=True, kw_only=True):
    """Where in which trace something happens; ids are lower-case hex, 32 and 16 digits."""

    trace_id: str
    span_id: str
    sampled: bool


def parse(traceparent: str | None) -> TraceContext | None:
    """Read a header. None for an absent or invalid one: the standard starts a new trace then.

    A later version is read by its first four fields, as the standard asks.
    """
    match = _TRACEPARENT.fullmatch(traceparent or "")
    if match is None:
        return None
    version, trace_id, span_id, flags, rest = match.groups()
    if version == _FORBIDDEN_VERSION or (version == _KNOWN_VERSION and rest is not None):
        return None
    if trace_id == _NO_TRACE or span_id == _NO_SPAN:
        return None
    sampled = bool(int(flags, 16) & _SAMPLED)
    return TraceContext(trace_id=trace_id, span_id=span_id, sampled=sampled)


def render(context: TraceContext) -> str:
    """The header of a context."""
    flags = "01" if context.sampled else "00"
    return f"{_KNOWN_VERSION}-{context.trace_id}-{context.span_id}-{flags}"


def child(parent: TraceContext, *, span_id: str) -> TraceContext:
    """A span below ``parent``: same trace, same sampling decision."""
    return TraceContext(trace_id=parent.trace_id, span_id=span_id, sampled=parent.sampled)
