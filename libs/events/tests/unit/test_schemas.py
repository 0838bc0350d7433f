import json
import re

import jsonschema
import msgspec
import pytest
from msgspec import inspect

from facilitair_events.codec import decode, encode
from facilitair_events.collaboration import PublicEvent
from facilitair_events.errors import DecodeError, UnknownTypeError
from facilitair_events.layout import checkout_root, topics_dir
from facilitair_events.registry import Registry
from facilitair_events.schemas import DIALECT, TYPE_NAME, schema_file, schema_of
from facilitair_events.text import Personal
from facilitair_events.types import TYPES

EXAMPLES = checkout_root() / "schemas" / "examples"
VALID = sorted(EXAMPLES.glob("*/valid/*.json"))
INVALID = sorted(EXAMPLES.glob("*/invalid/*.json"))
EVERY_TYPE = pytest.mark.parametrize("name", TYPES)


def named(path):
    return f"{path.parts[-3]}/{path.stem}"


def structs():
    """Every Struct that travels, with its type information."""
    waiting = [inspect.type_info(struct) for struct in TYPES.values()]
    found = {}
    while waiting:
        kind = waiting.pop()
        if isinstance(kind, inspect.StructType):
            if kind.cls in found:
                continue
            found[kind.cls] = kind
            waiting += [field.type for field in kind.fields]
        for inner in ("types", "type", "item_type", "value_type"):
            part = getattr(kind, inner, ())
            waiting += part if isinstance(part, tuple) else [part]
    return found


@pytest.mark.parametrize("path", VALID, ids=named)
def test_golden_bytes_are_read_and_written_again(path):
    name = path.parts[-3]
    golden = path.read_bytes()
    assert encode(decode(name, golden)) == golden
    jsonschema.Draft202012Validator(schema_of(name)).validate(json.loads(golden))


@pytest.mark.parametrize("path", INVALID, ids=named)
def test_a_mutated_example_is_refused_with_the_field(path):
    """The file name ends with the field at fault: ``missing-seq.json``, ``wrong-seq.json``."""
    name, field = path.parts[-3], path.stem.partition("-")[2]
    with pytest.raises(DecodeError, match=rf"[`.]{re.escape(field)}\b"):
        decode(name, path.read_bytes())
    errors = jsonschema.Draft202012Validator(schema_of(name)).iter_errors(
        json.loads(path.read_bytes())
    )
    assert any(field in error.json_path or repr(field) in error.message for error in errors)


@EVERY_TYPE
def test_every_type_has_examples(name):
    full = json.loads((EXAMPLES / name / "valid" / "full.json").read_bytes())
    minimal = json.loads((EXAMPLES / name / "valid" / "minimal.json").read_bytes())
    fields = msgspec.structs.fields(TYPES[name])
    assert set(minimal) == {field.encode_name for field in fields if field.required}
    assert set(full) <= {field.encode_name for field in fields}
    assert set(full) >= set(minimal)
    assert list((EXAMPLES / name / "invalid").glob("*.json"))


def test_there_is_no_orphan_example():
    assert {path.name for path in EXAMPLES.iterdir()} == set(TYPES)
    assert all(path.parts[-2] in {"valid", "invalid"} for path in EXAMPLES.rglob("*.json"))
    assert {*VALID, *INVALID} == {path for path in EXAMPLES.rglob("*") if path.is_file()}


@EVERY_TYPE
def test_a_schema_is_valid_and_names_no_host(name):
    schema = schema_of(name)
    jsonschema.Draft202012Validator.check_schema(schema)
    assert schema["$id"] == f"urn:facilitair:event:{name}"
    assert re.findall(r"\w+://[^\"]*", json.dumps(schema)) == [DIALECT]
    assert schema == schema_of(name)


@EVERY_TYPE
def test_names_and_files_have_one_form(name):
    assert TYPE_NAME.fullmatch(name)
    file = schema_file(name)
    assert re.fullmatch(r"[a-z]+/[a-z]+(-[a-z]+)?\.v\d+\.schema\.json", str(file))
    assert (checkout_root() / "schemas" / "events" / file).is_file()


def test_other_names_are_no_type_names():
    for bad in ("step.completed.v1", "facilitair.Step.done.v1", "facilitair.step.v0", "x"):
        assert TYPE_NAME.fullmatch(bad) is None
    with pytest.raises(UnknownTypeError):
        schema_of("facilitair.step.undone.v1")


def test_schema_files_are_unique():
    assert len({schema_file(name) for name in TYPES}) == len(TYPES)


def test_every_type_is_carried_by_a_topic_and_every_topic_carries_types():
    topics = Registry.load(topics_dir()).topics.values()
    assert {name for topic in topics for name in topic.types} == set(TYPES)
    assert all(topic.types and topic.producers for topic in topics)


def test_public_events_lie_on_their_topic_and_on_the_stream():
    registry = Registry.load(topics_dir())
    public = {name for name, struct in TYPES.items() if issubclass(struct, PublicEvent)}
    assert set(registry.spec("collaboration-events").types) == public
    stream = set(registry.spec("collaboration-stream").types)
    assert stream - public == {
        "facilitair.token.v1",
        "facilitair.attempt.started.v1",
        "facilitair.attempt.reset.v1",
    }


@EVERY_TYPE
def test_every_public_event_repeats_collaboration_seq_and_at(name):
    fields = [field.name for field in msgspec.structs.fields(TYPES[name])]
    if issubclass(TYPES[name], PublicEvent):
        assert fields[:3] == ["collaboration", "seq", "at"]


def test_what_travels_is_frozen_documented_and_grows_by_left_out_fields():
    for struct in structs():
        config = struct.__struct_config__
        assert config.frozen, struct
        assert struct.__doc__, struct
        assert not config.forbid_unknown_fields, struct
        optional = [f.name for f in msgspec.structs.fields(struct) if not f.required]
        # A new optional field must leave the bytes of old values as they are.
        assert config.omit_defaults or not optional, struct
    assert Personal in structs()


def test_r37_public_events_hold_free_text_only_in_personal_fields():
    """A new text of a public event is added here only when it is a name and no prose."""
    names_only = {
        "CollaborationAccepted": {"workflow", "workflow_version", "definition_digest", "project"},
        "AttemptUnknown": {"call_id"},
        "StepScheduled": {"reason", "model", "provider"},
        "BudgetRefused": {"policy"},
        "StepCompleted": {"partial"},
        "AttemptCompleted": {"model", "finish_reason", "partial"},
        "AttemptFailed": {"model", "provider"},
        "StepSkipped": {"reason"},
    }
    for struct in filter(lambda s: issubclass(s, PublicEvent), TYPES.values()):
        for field in inspect.type_info(struct).fields:
            kinds = getattr(field.type, "types", (field.type,))
            assert not any(isinstance(k, (inspect.AnyType, inspect.DictType)) for k in kinds)
            if any(isinstance(kind, inspect.StrType) for kind in kinds):
                known = {"collaboration", "step", "agent", "actor"}
                known |= names_only.get(struct.__name__, set())
                assert field.name in known, (struct, field.name)
