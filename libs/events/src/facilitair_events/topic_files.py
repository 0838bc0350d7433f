"""One topic file: read, and checked field by field so that all its faults are told at once."""

import re
from collections.abc import Callable
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final

from msgspec import Struct

from facilitair_events.errors import YamlError
from facilitair_events.topics import SERVICES
from facilitair_events.types import TYPES
from facilitair_events.yaml_lines import YamlDocument, parse

TOPIC_NAME: Final = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
"""Lower-case kebab without dots and underscores, as Kafka's metric names need it."""

_KEY: Final = re.compile(r"[a-z_]+([:|][a-z_]+)*")
_DURATION: Final = re.compile(r"([1-9][0-9]*)(s|m|h|d)")
_UNIT_MS: Final = {"s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}

Declared = dict[str, Any]


class Fault(Struct, frozen=True, kw_only=True):
    """Something wrong in a topic file; ``line`` counts from 1."""

    file: str
    line: int
    reason: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.reason}"


class _RefusedError(Exception):
    """A field's value is not ``expected``; ``index`` is the item at fault of a list."""

    def __init__(self, value: object, *, expected: str, index: int | None = None) -> None:
        self.index = index
        super().__init__(f"{value!r} is not {expected}")


def read_topic(path: Path) -> tuple[Declared, list[Fault]]:
    """The fields of ``TopicSpec`` but its name, whole only without faults; and all faults."""
    faults: list[Fault] = []
    if TOPIC_NAME.fullmatch(path.stem) is None:
        faults.append(Fault(file=path.name, line=1, reason=f"{path.stem!r} is not kebab-case"))
    try:
        document = parse(path.read_text(encoding="utf-8"))
    except UnicodeDecodeError:
        return {}, [*faults, Fault(file=path.name, line=1, reason="is not UTF-8")]
    except YamlError as error:
        return {}, [*faults, Fault(file=path.name, line=error.line, reason=error.reason)]
    if not isinstance(document.value, dict):
        return {}, [*faults, Fault(file=path.name, line=1, reason="must be a mapping of fields")]
    topic, found = _fields(path.name, document)
    if not found:
        found = _contradictions(path.name, document, topic=topic)
    return topic, faults + found


def _fields(file: str, document: YamlDocument) -> tuple[Declared, list[Fault]]:
    topic: Declared = {target: default for target, _, default in _OPTIONAL.values()}
    faults = []
    for key, value in document.value.items():
        field = _REQUIRED.get(key) or _OPTIONAL.get(key)
        if field is None:
            near = get_close_matches(key, [*_REQUIRED, *_OPTIONAL], n=1)
            hint = f", did you mean {near[0]}?" if near else ""
            reason = f"unknown field {key!r}{hint}"
            faults.append(Fault(file=file, line=document.line(key), reason=reason))
            continue
        try:
            topic[field[0]] = field[1](value)
        except _RefusedError as error:
            at = (key,) if error.index is None else (key, error.index)
            faults.append(Fault(file=file, line=document.line(*at), reason=f"{key}: {error}"))
    missing = [key for key in _REQUIRED if key not in document.value]
    faults += [Fault(file=file, line=1, reason=f"field {key!r} is missing") for key in missing]
    return topic, faults


def _contradictions(file: str, document: YamlDocument, *, topic: Declared) -> list[Fault]:
    """What each field allows and the fields together do not."""
    deletes, compacts = (kind in topic["cleanup"] for kind in ("delete", "compact"))
    checks = (
        ("retention", deletes != (topic["retention_ms"] is not None),
         "goes with cleanup delete, and only with it"),
        ("min_compaction_lag", topic["min_compaction_lag_ms"] is not None and not compacts,
         "needs cleanup compact"),
        ("partition_by", topic["partition_by"] == "prefix" and "|" not in topic["key"],
         "prefix needs a key with a '|'"),
        ("dead_letters", topic["dead_letters"] and not topic["consumers"],
         "needs a consumer that could refuse a record"),
        ("segment", _longer(topic["segment_ms"], topic["retention_ms"]),
         "is longer than the retention, which then never comes true"),
    )  # fmt: skip
    return [
        Fault(file=file, line=document.line(key), reason=f"{key}: {reason}")
        for key, wrong, reason in checks
        if wrong
    ]


def _longer(segment_ms: int | None, retention_ms: int | None) -> bool:
    return segment_ms is not None and retention_ms is not None and segment_ms > retention_ms


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise _RefusedError(value, expected="a text")
    return value.strip()


def _key_form(value: Any) -> str:
    if not isinstance(value, str) or _KEY.fullmatch(value) is None:
        raise _RefusedError(value, expected="a key like tenant:collaboration")
    return value


def _count(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise _RefusedError(value, expected="a whole number from 1")
    return value


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise _RefusedError(value, expected="true or false")
    return value


def _duration_ms(value: Any) -> int:
    match = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise _RefusedError(value, expected="a duration like 29d, 12h, 30m or 10s")
    return int(match[1]) * _UNIT_MS[match[2]]


def _one_of(*allowed: str) -> Callable[[Any], str]:
    def check(value: Any) -> str:
        if value not in allowed:
            raise _RefusedError(value, expected=f"one of {', '.join(allowed)}")
        return str(value)

    return check


def _some_of(allowed: frozenset[str], what: str) -> Callable[[Any], tuple[str, ...]]:
    def check(value: Any) -> tuple[str, ...]:
        if not isinstance(value, list):
            raise _RefusedError(value, expected=f"a list; each item is {what}")
        for index, item in enumerate(value):
            if not isinstance(item, str) or item not in allowed:
                near = get_close_matches(str(item), allowed, n=1)
                hint = f", did you mean {near[0]}?" if near else ""
                raise _RefusedError(item, expected=what + hint, index=index)
            if item in value[:index]:
                raise _RefusedError(item, expected="new, it stands above", index=index)
        return tuple(value)

    return check


Field = tuple[str, Callable[[Any], Any]]
_service_names = _some_of(SERVICES, "a service")

_REQUIRED: Final[dict[str, Field]] = {
    "description": ("description", _text),
    "key": ("key", _key_form),
    "partitions": ("partitions", _count),
    "cleanup": ("cleanup", _some_of(frozenset({"delete", "compact"}), "a cleanup policy")),
    "max_record_bytes": ("max_record_bytes", _count),
    "types": ("types", _some_of(frozenset(TYPES), "an event type")),
    "producers": ("producers", _service_names),
    "consumers": ("consumers", _service_names),
}
_OPTIONAL: Final[dict[str, tuple[str, Callable[[Any], Any], Any]]] = {
    "partition_by": ("partition_by", _one_of("key", "prefix"), "key"),
    "retention": ("retention_ms", _duration_ms, None),
    "segment": ("segment_ms", _duration_ms, None),
    "min_compaction_lag": ("min_compaction_lag_ms", _duration_ms, None),
    "dead_letters": ("dead_letters", _flag, False),
}
