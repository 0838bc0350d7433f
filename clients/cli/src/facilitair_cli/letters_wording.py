"""Dead letters in words and tables. Pure; nothing of a record can steer the terminal."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from rich.table import Table
from rich.text import Text

from facilitair_cli.terminal_text import harmless, one_line
from facilitair_client import DeadLetter

_REASON_CHARS: Final = 80
_SECONDS: Final = len("2026-01-01T00:00:00")
_WHY: Final = (
    ("state", "state"), ("why", "reason"), ("exception", "error"), ("attempts", "attempts"),
    ("first failed", "first_failed_at"), ("service", "service"), ("group", "group"),
    ("type", "type"), ("tenant", "tenant"), ("collaboration", "collaboration"), ("key", "key"),
    ("record of", "appended_at"), ("dead since", "dead_at"), ("edited by", "editor"),
)  # fmt: skip


def letters_table(found: Sequence[DeadLetter]) -> Table:
    """One row for each letter; ids are never cut."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("id", no_wrap=True, overflow="ignore")
    for name in ("state", "dead since", "group", "tenant", "reason"):
        table.add_column(name, overflow="fold")
    for letter in found:
        table.add_row(
            *(
                Text(harmless(told))
                for told in (
                    letter.id,
                    letter.state,
                    letter.dead_at[:_SECONDS].replace("T", " "),
                    letter.group or "?",
                    letter.tenant or "?",
                    one_line(letter.reason or "?", limit=_REASON_CHARS),
                )
            )
        )
    return table


def whole_lines(found: Mapping[str, Any]) -> Iterator[str]:
    """Everything about a letter."""
    yield f"{found['id']}, from {found['topic']}[{_or(found['partition'])}]@{_or(found['offset'])}"
    for name, field in _WHY:
        if found.get(field) is not None:
            yield harmless(f"  {name:<14} {found[field]}").replace("\n", " ")
    yield "headers"
    for header in found["headers"]:
        yield f"  {one_line(header['name'], limit=64):<24} {one_line(header['value'], limit=400)}"
    yield f"value, {_or(found['size'])} bytes"
    yield from value_lines(found["value"], indent="  ")
    if found["actions"]:
        yield "what was done"
    for action in found["actions"]:
        yield harmless(f"  {action['at']} {action['did']} by {action['by']}{_outcome(action)}")
    if len(found["lineage"]) > 1:
        yield "lineage"
        for link in found["lineage"]:
            yield harmless(f"  {_mark(link, found['id'])} {link['id']} {link['state']}")


def value_lines(value: Mapping[str, Any], *, indent: str = "") -> Iterator[str]:
    """A value as lines: indented JSON, or text."""
    if value.get("null"):
        yield f"{indent}(null)"
        return
    text = json.dumps(value["json"], indent=2, ensure_ascii=False) if "json" in value else (
        value["text"]
    )  # fmt: skip
    for line in harmless(text).split("\n"):
        yield f"{indent}{line}"


def done_lines(done: Mapping[str, Any]) -> Iterator[str]:
    """What putting a record back did, or would do."""
    place = done["result"]
    where = f"{place['topic']}[{place['partition']}]"
    if done["dry_run"]:
        yield harmless(f"{done['id']}: would be put back into {where}, time {done['replay']}")
        return
    where += "" if place["offset"] is None else f"@{place['offset']}"
    yield harmless(f"{done['id']}: put back as {where}, time {done['replay']}")
    yield harmless(f"  {done['note']}")


def _outcome(action: Mapping[str, Any]) -> str:
    if action["did"] == "discarded":
        return f": {one_line(action['reason'], limit=500)}"
    place = action["result"]
    edited = ", corrected" if action["value_sha256"] else ""
    offset = "" if place["offset"] is None else f"@{place['offset']}"
    return f" as {place['topic']}[{place['partition']}]{offset}{edited}"


def _mark(link: Mapping[str, Any], mine: str) -> str:
    return "*" if link["id"] == mine else " "


def _or(value: object) -> object:
    return "?" if value is None else value
