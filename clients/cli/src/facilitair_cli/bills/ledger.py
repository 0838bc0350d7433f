"""What our books say of calls: each as its last entry left it. Pure."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from msgspec import Struct


class OurCall(Struct, frozen=True, kw_only=True):
    """A call in our books; ``at`` is when its outcome was noted.

    ``unknown`` says that it is charged at its reservation, which is the most that it may cost.
    """

    call_id: str
    at: datetime
    provider: str
    model: str
    charged_usd: Decimal
    unknown: bool
    input_tokens: int | None = None
    output_tokens: int | None = None


def calls_of(entries: Iterable[Mapping[str, Any]]) -> list[OurCall]:
    """The calls of the entries of a tenant's books, in the order of their first entries."""
    found: dict[str, OurCall] = {}
    for entry in entries:
        if entry["kind"] == "settled" and not entry.get("simulated"):
            found[entry["call_id"]] = _settled(entry, found.get(entry["call_id"]))
        elif entry["kind"] == "reconciled" and entry["call_id"] in found:
            known = found[entry["call_id"]]
            found[entry["call_id"]] = OurCall(
                call_id=known.call_id,
                at=known.at,
                provider=known.provider,
                model=known.model,
                charged_usd=Decimal(entry["charged_usd"]),
                unknown=False,
            )
    return list(found.values())


def _settled(entry: Mapping[str, Any], before: OurCall | None) -> OurCall:
    """A later entry of a call has another outcome; it is still billed when it was made."""
    return OurCall(
        call_id=entry["call_id"],
        at=before.at if before is not None else datetime.fromisoformat(entry["at"]),
        provider=entry.get("provider") or "",
        model=entry.get("model") or "",
        charged_usd=Decimal(entry["charged_usd"]),
        unknown=entry.get("outcome") == "unknown",
        input_tokens=entry.get("input_tokens"),
        output_tokens=entry.get("output_tokens"),
    )
