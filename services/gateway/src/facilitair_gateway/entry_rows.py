"""Entries of a tenant's books as lines of CSV or JSON. Pure.

Every entry names the call that it is about, and how much that call has counted before.
"""

import csv
import io
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final, Literal

import msgspec

from facilitair_events.books import CallReconciled, CallSettled
from facilitair_events.requests import Usage
from facilitair_gateway.fanout import Cursor
from facilitair_gateway.views import plain

Format = Literal["csv", "jsonl"]
Entry = CallSettled | CallReconciled
Row = dict[str, Any]

COLUMNS: Final = (
    "cursor", "seq", "at", "kind", "collaboration", "call_id", "path", "attempt", "agent",
    "workflow", "project", "actor", "provider", "model", "outcome", "charged_usd", "was_usd",
    "change_usd", "cost_usd", "priced", "price_version", "reserved_usd", "late", "simulated",
    "input_tokens", "output_tokens", "cached_input_tokens", "reasoning_tokens",
    "cache_write_tokens", "cache_write_1h_tokens", "estimated", "source", "reason", "fault",
)  # fmt: skip
"""The fields of a row, in the order of CSV; what an entry does not have is null or empty.

``kind`` is ``settled``, ``reconciled``, or ``unreadable`` with a ``fault``.
``change_usd`` is what the entry adds to what was spent; it may be negative.
"""

_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")
_USAGE: Final = tuple(field.name for field in msgspec.structs.fields(Usage))
_encoder: Final = msgspec.json.Encoder(decimal_format="string")


def row_of(entry: Entry, cursor: Cursor) -> Row:
    """An entry as a row; ``cursor`` is where an export reads on behind it."""
    known = msgspec.structs.asdict(entry)
    usage = known.pop("usage", None)
    reason = known.pop("reason", None)
    row = dict.fromkeys(COLUMNS) | {name: plain(v) for name, v in known.items() if name in _NAMES}
    row["cursor"] = str(cursor)
    row["kind"] = "settled" if isinstance(entry, CallSettled) else "reconciled"
    row["change_usd"] = plain(entry.charged_usd - (entry.was_usd or Decimal(0)))
    if usage is not None:
        row |= {name: getattr(usage, name) for name in _USAGE}
    if reason is not None:
        row["reason"] = reason.v if reason.k is None else None
    return row


def unreadable_row(cursor: Cursor, *, fault: str) -> Row:
    """What stands for an entry that cannot be read; ``fault`` says why it names no call."""
    return dict.fromkeys(COLUMNS) | {"cursor": str(cursor), "kind": "unreadable", "fault": fault}


def heading(form: Format) -> bytes:
    """What stands before the first row of a whole export."""
    return _csv_line(COLUMNS) if form == "csv" else b""


def line(row: Mapping[str, Any], form: Format) -> bytes:
    """A row with its line end.

    In CSV a text that a spreadsheet would take for a formula begins with an apostrophe, and line
    breaks are spaces: a row is one line of the file, whatever somebody gave as a reason.
    """
    if form == "jsonl":
        return _encoder.encode(row) + b"\n"
    return _csv_line(tuple(_cell(name, row[name]) for name in COLUMNS))


def _cell(name: str, value: Any) -> Any:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    # Amounts are digits: a change may begin with a minus, and is no text.
    if not isinstance(value, str) or name.endswith("_usd"):
        return value
    text = " ".join(value.splitlines())
    return f"'{text}" if text.startswith(_FORMULA) else text


def _csv_line(cells: tuple[Any, ...]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerow(cells)
    return text.getvalue().encode()


_NAMES: Final = frozenset(COLUMNS)
