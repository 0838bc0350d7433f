from typing import Annotated, Any, Literal

import msgspec
import pytest
from msgspec import Meta, Struct, defstruct

from facilitair_events.compatibility import (
    breaking_changes,
    breaking_set_changes,
    breaking_topic_changes,
)
from facilitair_events.schemas import schema_of, struct_schema
from facilitair_events.types import TYPES

NAME = "facilitair.thing.done.v1"


def struct(**fields: Any) -> type[Struct]:
    """A Struct with these fields: a type, or a type and its default."""
    listed = [(name, *(t if isinstance(t, tuple) else (t,))) for name, t in fields.items()]
    return defstruct("Thing", listed, kw_only=True, omit_defaults=True)


def changes(old: type[Struct], new: type[Struct]) -> list[str]:
    return breaking_changes(struct_schema(NAME, old), struct_schema(NAME, new))


def reads(reader: type[Struct], record: bytes) -> bool:
    try:
        msgspec.json.decode(record, type=reader)
    except msgspec.DecodeError:
        return False
    return True


class Inner(Struct):
    a: int


class InnerAsText(Struct):
    a: str


class Renamed(Struct):
    """The same under another name."""

    a: int


class Tree(Struct, omit_defaults=True):
    name: str
    parts: tuple["Tree", ...] = ()


class TreeOfNumbers(Struct, omit_defaults=True):
    name: int
    parts: tuple["TreeOfNumbers", ...] = ()


OLD = struct(x=str)
# Each with a record that one version writes and the other cannot read.
BROKEN = {
    "added required field": (
        OLD,
        struct(x=str, y=str),
        "$.y: a required field was added; records without it exist",
        b'{"x":"a"}',
    ),
    "removed required field": (
        struct(x=str, y=str),
        OLD,
        "$.y: the field was removed; a name is never dropped or reused",
        b'{"x":"a"}',
    ),
    "became required": (
        struct(x=str, y=(str | None, None)),
        struct(x=str, y=str | None),
        "$.y: became required; records without it exist",
        b'{"x":"a"}',
    ),
    "became optional": (
        OLD,
        struct(x=(str, "")),
        "$.x: became optional; readers of the old version need it",
        b"{}",
    ),
    "narrowed number": (
        struct(x=float),
        struct(x=int),
        "$.x: type narrowed from number to integer",
        b'{"x":1.5}',
    ),
    "narrowed nullable": (
        struct(x=str | None),
        OLD,
        "$.x: type narrowed from string | null to string",
        b'{"x":null}',
    ),
    "narrowed any": (
        struct(x=Any),
        OLD,
        "$.x: type narrowed from any to string",
        b'{"x":1}',
    ),
    "narrowed nullable number": (
        struct(x=float | None),
        struct(x=int | None),
        "$.x: type narrowed from number | null to integer | null",
        b'{"x":1.5}',
    ),
    "widened number": (
        struct(x=int),
        struct(x=float),
        "$.x: type widened; old readers refuse the rest: from integer to number",
        b'{"x":1.5}',
    ),
    "widened nullable": (
        OLD,
        struct(x=str | None),
        "$.x: type widened; old readers refuse the rest: from string to string | null",
        b'{"x":null}',
    ),
    "same name with another type": (
        OLD,
        struct(x=int),
        "$.x: type changed from string to integer",
        b'{"x":1}',
    ),
    "text that becomes an object": (
        OLD,
        struct(x=Inner),
        "$.x: type changed from string to object",
        b'{"x":{"a":1}}',
    ),
    "enum value removed": (
        struct(x=Literal["a", "b"]),
        struct(x=Literal["a"]),
        '$.x: value "b" was removed; records with it exist',
        b'{"x":"b"}',
    ),
    "enum value added": (
        struct(x=Literal["a"]),
        struct(x=Literal["a", "b"]),
        '$.x: value "b" was added; old readers refuse it',
        b'{"x":"b"}',
    ),
    "bound added": (
        struct(x=int),
        struct(x=Annotated[int, Meta(ge=1)]),
        '$.x: minimum changed from "nothing" to 1',
        b'{"x":0}',
    ),
    "bound moved": (
        struct(x=Annotated[int, Meta(le=1)]),
        struct(x=Annotated[int, Meta(le=2)]),
        "$.x: maximum changed from 1 to 2",
        b'{"x":2}',
    ),
    "bound of a nullable": (
        struct(x=Annotated[int, Meta(ge=0)] | None),
        struct(x=Annotated[int, Meta(ge=1)] | None),
        "$.x: minimum changed from 0 to 1",
        b'{"x":0}',
    ),
    "nested field": (
        struct(x=Inner),
        struct(x=InnerAsText),
        "$.x.a: type changed from integer to string",
        b'{"x":{"a":1}}',
    ),
    "item": (
        struct(x=tuple[int, ...]),
        struct(x=tuple[str, ...]),
        "$.x[]: type changed from integer to string",
        b'{"x":["a"]}',
    ),
    "mapping value": (
        struct(x=dict[str, int]),
        struct(x=dict[str, str]),
        "$.x[*]: type changed from integer to string",
        b'{"x":{"k":"a"}}',
    ),
    "any mapping narrowed": (
        struct(x=dict[str, Any]),
        struct(x=dict[str, str]),
        "$.x: additionalProperties changed",
        b'{"x":{"k":1}}',
    ),
    "recursive": (
        struct(x=Tree),
        struct(x=TreeOfNumbers),
        "$.x.name: type changed from string to integer",
        b'{"x":{"name":"a"}}',
    ),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_breaking_change_is_refused_with_its_reason(case):
    old, new, reason, record = BROKEN[case]
    assert reason in changes(old, new)
    assert reads(old, record) != reads(new, record), "the rule refuses what really breaks"


def test_an_optional_field_may_not_be_removed_either():
    """Every record stays readable, but the name could come back with another meaning."""
    gone = "$.y: the field was removed; a name is never dropped or reused"
    assert changes(struct(x=str, y=(int, 0)), OLD) == [gone]


def test_a_default_may_not_change():
    """Defaults are left out of records: old ones would say something new."""
    for old, new in ((1, 2), (None, 1), (1, None), ("a", "b"), (True, 1)):
        kind = int | str | bool | None
        reason = changes(struct(x=(kind, old)), struct(x=(kind, new)))
        assert len(reason) == 1
        assert reason[0].startswith("$.x: the default changed from ")
    assert not changes(struct(x=(int, 1)), struct(x=(int, 1)))


def test_all_changes_are_told():
    assert len(changes(struct(a=str, b=int, c=bool), struct(a=int, c=str, d=str))) == 4


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (OLD, struct(x=str, y=(int | None, None))),
        (OLD, struct(y=(str, "default"), x=str)),
        (struct(x=Inner), struct(x=Renamed)),
        (struct(x=Literal["a", "b"]), struct(x=Literal["b", "a"])),
        (struct(x=Tree), struct(x=Tree)),
    ],
    ids=["optional field", "field order", "class renamed", "enum order", "nothing"],
)
def test_a_legal_change_is_accepted(old, new):
    assert changes(old, new) == []


def test_other_words_are_no_change():
    new = defstruct("Thing", [("x", str)], namespace={"__doc__": "Better words."})
    assert struct_schema(NAME, OLD) != struct_schema(NAME, new)
    assert changes(OLD, new) == []


def test_a_field_named_like_a_keyword_is_a_field():
    old = struct(description=str, title=str, default=int, enum=int)
    assert changes(old, old) == []
    new = struct(description=int, title=str, default=int, enum=int)
    assert changes(old, new) == ["$.description: type changed from string to integer"]


@pytest.mark.parametrize("name", TYPES)
def test_every_schema_is_compatible_with_itself(name):
    assert breaking_changes(schema_of(name), schema_of(name)) == []


def test_types_come_and_never_go():
    one, two = struct_schema("a", OLD), struct_schema("b", struct(x=int))
    assert breaking_set_changes({"a": one}, {"a": one, "b": two}) == []
    assert breaking_set_changes({"a": one, "b": two}, {"a": one}) == ["b: the type was removed"]
    assert breaking_set_changes({"a": one}, {"a": two}) == [
        "a: $.x: type changed from string to integer"
    ]


def test_topics_keep_their_records_their_key_and_their_partitions():
    old = {"t": {"key": "tenant", "partitions": 12, "types": ["a", "b"], "retention": "7d"}}

    def changed(**fields):
        return breaking_topic_changes(old, {"t": {**old["t"], **fields}})

    assert changed() == changed(retention="9d", types=["c", "b", "a"]) == []
    assert breaking_topic_changes(old, {**old, "u": {"key": "x"}}) == []
    assert breaking_topic_changes(old, {}) == ["t: the topic was removed"]
    assert changed(key="tenant:x") == ["t: key changed from tenant to tenant:x"]
    assert changed(partitions=6) == ["t: partitions changed from 12 to 6"]
    assert changed(partition_by="prefix") == ["t: partition_by changed from None to prefix"]
    assert changed(types=["a"]) == ["t: no longer carries b, which may still lie there"]
