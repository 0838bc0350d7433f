"""What the API shows of a collaboration. Pure: Structs in, plain JSON values out."""

from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec
from msgspec import Struct

from facilitair_events.replies import CollaborationView, RequestAnswered


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
