"""Letters as JSON: a row without any text of a tenant, and the whole of one. Pure."""

import base64
import hashlib
from datetime import UTC, datetime
from typing import Any

import msgspec

from facilitair_events.envelope import timestamp
from facilitair_events.letters import LetterDiscarded
from facilitair_gateway.letters.desk import Replayed
from facilitair_gateway.letters.letter import Letter
from facilitair_gateway.letters.lineage import Link
from facilitair_gateway.letters.notes import Action, Standing

_UNSHOWABLE = (msgspec.MsgspecError, UnicodeError, RecursionError, OverflowError, ValueError)


def row(letter: Letter, standing: Standing) -> dict[str, Any]:
    """What is known about a letter; nothing that a user or a model wrote."""
    value = letter.record.value
    return {
        "id": letter.id,
        "state": standing.state,
        "topic": letter.topic,
        "partition": letter.partition,
        "offset": letter.offset,
        "appended_at": None if letter.appended_ms is None else timestamp(letter.appended_ms),
        "dead_at": timestamp(letter.record.timestamp_ms),
        "key": None if letter.keyless else _text(letter.record.key or b""),
        "tenant": letter.tenant,
        "collaboration": letter.collaboration,
        "type": letter.type,
        "service": letter.service,
        "group": letter.group,
        "error": letter.error,
        "reason": letter.reason,
        "attempts": letter.attempts,
        "first_failed_at": letter.first_failed_at,
        "size": None if value is None else len(value),
        "parent": letter.parent,
        "replay": letter.replay,
    }


def whole(
    letter: Letter, standing: Standing, *, chain: list[Link], groups: tuple[str, ...]
) -> dict[str, Any]:
    """Everything about a letter, its record included."""
    return row(letter, standing) | {
        "dlq_id": letter.dlq_id,
        "editor": letter.editor,
        "groups": groups,
        "headers": [_header(name, value) for name, value in letter.record.headers],
        "value": _value(letter.record.value),
        "actions": [action_row(action) for action in standing.actions],
        "lineage": [msgspec.to_builtins(link) for link in chain],
    }


def action_row(action: Action) -> dict[str, Any]:
    """Something that was done about a letter."""
    shown: dict[str, Any] = {"did": action.did, "by": action.by, "at": _instant(action.at)}
    note = action.note
    if isinstance(note, LetterDiscarded):
        return shown | {"reason": note.reason}
    place = {"topic": note.topic, "partition": note.partition, "offset": note.offset}
    return shown | {"result": place, "replay": note.replay, "value_sha256": note.value_sha256}


def replayed(done: Replayed, *, groups: tuple[str, ...]) -> dict[str, Any]:
    """What putting a letter back did, or would do."""
    letter, correction = done.letter, done.correction
    readers = " and ".join(groups)
    shown = {
        "id": letter.id,
        "dry_run": done.at is None,
        "state": "open" if done.at is None else "replayed",
        "by": done.by,
        "at": None if done.at is None else _instant(done.at),
        "result": {"topic": done.topic, "partition": done.partition, "offset": done.offset},
        "replay": done.replay,
        "warnings": done.warnings,
        "note": f"everybody who reads {done.topic} ({readers}) sees the record again, not only"
        " the group that failed; a repeat is known by its id or offset and changes nothing",
    }
    if correction is None:
        return shown
    written = {"value": _value(correction.value), "value_sha256": correction.sha256}
    return shown | written | {"headers": [_header(name, v) for name, v in correction.headers]}


def _value(value: bytes | None) -> dict[str, Any]:
    """All bytes as ``base64``, and ``json`` or else ``text``, its unreadable bytes replaced."""
    if value is None:
        return {"null": True}
    about = {
        "size": len(value),
        "sha256": hashlib.sha256(value).hexdigest(),
        "base64": base64.b64encode(value).decode(),
    }
    try:
        shown = msgspec.json.decode(value)
        msgspec.json.encode(shown)
    except _UNSHOWABLE:
        return about | {"text": _text(value)}
    return about | {"json": shown}


def _header(name: str, value: bytes) -> dict[str, str]:
    shown = {"name": name, "value": _text(value)}
    if shown["value"].encode() != value:
        shown["base64"] = base64.b64encode(value).decode()
    return shown


def _text(value: bytes) -> str:
    return value.decode(errors="replace")


def _instant(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
