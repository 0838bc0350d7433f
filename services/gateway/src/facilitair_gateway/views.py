"""What the API shows of a collaboration. Pure: Structs in, plain JSON values out."""

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec
from msgspec import Struct

from facilitair_events.collaboration import Totals
from facilitair_events.replies import CallView, CollaborationView, RequestAnswered
from facilitair_events.requests import Usage

_UNKNOWN = "unknown"


def plain(value: Any) -> Any:
    """A Struct as JSON values, every field present: what is unknown is null, never left out.

    Money is a decimal string, an instant RFC 3339 in UTC.
    """
    if isinstance(value, Struct):
        fields = msgspec.structs.fields(value)
        return {field.encode_name: plain(getattr(value, field.name)) for field in fields}
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, datetime):
        return value.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    if isinstance(value, dict):
        return {name: plain(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return value


def stream_path(collaboration: str) -> str:
    """Where a collaboration can be watched."""
    return f"/v1/collaborations/{collaboration}/stream"


def collaboration_body(answer: RequestAnswered, view: CollaborationView) -> dict[str, Any]:
    """The body of ``GET /v1/collaborations/{id}``; its money is under ``…/cost``."""
    shown: dict[str, Any] = plain(view)
    del shown["calls"]
    return shown | {"last_seq": answer.last_seq, "stream": stream_path(view.id)}


def cost_body(view: CollaborationView) -> dict[str, Any]:
    """The body of ``GET …/cost``: totals, and the same by step, agent, model and call.

    A cost is null as soon as one of its calls has no known price.
    """
    return {
        "id": view.id,
        "status": view.status,
        "currency": "USD",
        "totals": plain(view.totals),
        "steps": [
            {"step": step.step, "path": step.path, "agent": step.agent, "status": step.status}
            | plain(step.totals)
            for step in view.steps
            if step.totals.calls
        ],
        "agents": [{"agent": n} | plain(t) for n, t in _grouped(view.calls, by="agent")],
        "models": [{"model": n} | plain(t) for n, t in _grouped(view.calls, by="model")],
        "calls": [
            {
                "call_id": call.call_id,
                "path": call.path,
                "attempt": call.attempt,
                "outcome": call.outcome,
                "agent": call.agent,
                "model": call.model,
            }
            | plain(call.totals)
            for call in view.calls
        ],
    }


def _grouped(calls: Iterable[CallView], *, by: str) -> list[tuple[str, Totals]]:
    groups: dict[str, list[Totals]] = {}
    for call in calls:
        groups.setdefault(getattr(call, by) or _UNKNOWN, []).append(call.totals)
    return [(name, _sum(totals)) for name, totals in sorted(groups.items())]


def _sum(all_totals: list[Totals]) -> Totals:
    costs = [totals.cost_usd for totals in all_totals]
    known = [cost for cost in costs if cost is not None]
    return Totals(
        usage=Usage(
            input_tokens=sum(t.usage.input_tokens for t in all_totals),
            output_tokens=sum(t.usage.output_tokens for t in all_totals),
            cached_input_tokens=sum(t.usage.cached_input_tokens for t in all_totals),
            reasoning_tokens=sum(t.usage.reasoning_tokens for t in all_totals),
            cache_write_tokens=sum(t.usage.cache_write_tokens for t in all_totals),
            cache_write_1h_tokens=sum(t.usage.cache_write_1h_tokens for t in all_totals),
            estimated=any(t.usage.estimated for t in all_totals),
        ),
        calls=sum(t.calls for t in all_totals),
        cost_usd=sum(known, Decimal(0)) if len(known) == len(costs) else None,
        unknown_calls=sum(t.unknown_calls for t in all_totals),
        simulated=any(t.simulated for t in all_totals),
    )
