"""The AsyncAPI document: the rules of version 3.0, and that it says what topics and Structs say."""

import copy
import json
import re
import shutil

import jsonschema
import pytest

from facilitair_events.layout import checkout_root, topics_dir
from facilitair_events.registry import Registry
from facilitair_events.schemas import schema_of
from facilitair_events.types import TYPES
from tools import asyncapi
from tools.asyncapi import FILE, ROOT, ClashError, document, main, text

COMPONENT_KEY = re.compile(r"[a-zA-Z0-9.\-_]+")
EXTENSION = re.compile(r"x-[\w.\-]+")
FIELDS = {
    "document": {"asyncapi", "id", "info", "defaultContentType", "channels", "operations",
                 "components"},
    "info": {"title", "version", "description", "license"},
    "channel": {"address", "messages", "title", "summary", "description", "bindings"},
    "operation": {"action", "channel", "title", "summary", "description", "tags", "messages"},
    "message": {"name", "title", "summary", "description", "headers", "payload", "bindings",
                "correlationId"},
    "channel binding": {"topic", "partitions", "topicConfiguration", "bindingVersion"},
    "topic": {"cleanup.policy", "retention.ms", "max.message.bytes"},
    "message binding": {"key", "bindingVersion"},
}  # fmt: skip
"""What 3.0 and the Kafka binding 0.5.0 know, as far as this document uses it."""

SCHEMA_WORDS = {
    "$ref", "additionalProperties", "anyOf", "default", "description", "enum", "format", "items",
    "maximum", "minimum", "pattern", "properties", "required", "title", "type",
}  # fmt: skip
"""Words that mean the same in draft 07, which AsyncAPI's own schemas build on."""


def unknown(part, kind):
    names = {name for name in part if EXTENSION.fullmatch(name) is None}
    return [f"{kind}: unknown field {name}" for name in sorted(names - FIELDS[kind])]


def references(part):
    if isinstance(part, dict):
        if isinstance(part.get("$ref"), str):
            yield part["$ref"]
        for value in part.values():
            yield from references(value)
    elif isinstance(part, list):
        for value in part:
            yield from references(value)


def resolve(made, reference):
    """The part that a reference names; None where there is nothing."""
    part = made
    for step in reference.removeprefix("#/").split("/"):
        part = part.get(step) if isinstance(part, dict) else None
    return part if reference.startswith("#/") else None


def channel_faults(name, channel):
    faults = unknown(channel, "channel")
    binding = channel["bindings"]["kafka"]
    faults += unknown(binding, "channel binding") + unknown(binding["topicConfiguration"], "topic")
    if channel["address"] != name or binding["topic"] != name:
        faults.append(f"channel {name}: has another address")
    if not isinstance(binding["partitions"], int) or binding["partitions"] < 1:
        faults.append(f"channel {name}: partitions must be positive")
    if not set(binding["topicConfiguration"]["cleanup.policy"]) <= {"compact", "delete"}:
        faults.append(f"channel {name}: unknown cleanup policy")
    if not all(set(message) == {"$ref"} for message in channel["messages"].values()):
        faults.append(f"channel {name}: messages must be references")
    return faults


def operation_faults(made, name, operation):
    faults = unknown(operation, "operation")
    if operation.get("action") not in {"send", "receive"}:
        faults.append(f"operation {name}: action must be send or receive")
    if set(operation["channel"]) != {"$ref"}:
        faults.append(f"operation {name}: channel must be a reference")
    elif not operation["channel"]["$ref"].startswith("#/channels/"):
        # Not under components: the standard wants the channel of the document itself.
        faults.append(f"operation {name}: channel must be one of #/channels")
    own = f"{operation['channel'].get('$ref')}/messages/"
    if not all(message["$ref"].startswith(own) for message in operation.get("messages", ())):
        faults.append(f"operation {name}: messages must be a subset of its channel's")
    return faults


def message_faults(name, message):
    faults = unknown(message, "message") + unknown(message["bindings"]["kafka"], "message binding")
    if message["name"] != name:
        faults.append(f"message {name}: has another name")
    location = message.get("correlationId", {}).get("location", "$message.header#/ce_type")
    header = location.removeprefix("$message.header#/")
    if header not in message["headers"]["properties"]:
        faults.append(f"message {name}: its correlation is in no header")
    return faults


def schema_faults(name, schema):
    faults = [f"schema {name}: word {word}" for word in schema if word not in SCHEMA_WORDS]
    for inner in schema.get("properties", {}).values():
        faults += schema_faults(name, inner)
    for inner in (schema.get("items"), schema.get("additionalProperties")):
        faults += schema_faults(name, inner) if isinstance(inner, dict) else []
    for inner in schema.get("anyOf", ()):
        faults += schema_faults(name, inner)
    return faults


def faults_of(made):
    """Everything by which a document breaks a rule of AsyncAPI 3.0."""
    faults = unknown(made, "document") + unknown(made["info"], "info")
    if made["asyncapi"] != "3.0.0" or not made["info"]["title"] or not made["info"]["version"]:
        faults.append("document: needs asyncapi, info.title and info.version")
    for name, channel in made["channels"].items():
        faults += channel_faults(name, channel)
    for name, operation in made["operations"].items():
        faults += operation_faults(made, name, operation)
    for name, message in made["components"]["messages"].items():
        faults += message_faults(name, message)
    for name, schema in made["components"]["schemas"].items():
        faults += schema_faults(name, schema)
    keys = [*made["components"]["messages"], *made["components"]["schemas"]]
    faults += [f"component {key}: bad name" for key in keys if not COMPONENT_KEY.fullmatch(key)]
    wanted = references(made)
    return faults + [f"{ref}: resolves to nothing" for ref in wanted if resolve(made, ref) is None]


@pytest.fixture(scope="module")
def registry():
    return Registry.load(topics_dir())


@pytest.fixture(scope="module")
def whole(registry):
    return document(registry)


@pytest.fixture
def made(whole):
    return copy.deepcopy(whole)


def test_the_document_keeps_the_rules_of_asyncapi_3(made):
    assert faults_of(made) == []


BREAKS = {
    "unknown field": lambda d: d.update(servres={}),
    "asyncapi": lambda d: d.update(asyncapi="2.6.0"),
    "another address": lambda d: d["channels"]["catalog"].update(address="x"),
    "positive": lambda d: d["channels"]["catalog"]["bindings"]["kafka"].update(partitions=0),
    "send or receive": lambda d: d["operations"]["gateway.send.catalog"].update(action="publish"),
    "one of #/channels": lambda d: d["operations"]["gateway.send.catalog"].update(
        channel={"$ref": "#/components/messages/facilitair.token.v1"}
    ),
    "subset": lambda d: d["operations"]["gateway.send.catalog"].update(
        messages=[{"$ref": "#/components/messages/facilitair.token.v1"}]
    ),
    "messages must be references": lambda d: d["channels"]["catalog"]["messages"].update(x={}),
    "resolves to nothing": lambda d: d["components"]["schemas"].pop("Token"),
    "in no header": lambda d: d["components"]["messages"]["facilitair.tenant.created.v1"].update(
        correlationId={"location": "$message.header#/nope"}
    ),
    "bad name": lambda d: d["components"]["schemas"].update({"a b": {}}),
    "word prefixItems": lambda d: d["components"]["schemas"]["Token"].update(prefixItems=[]),
}


@pytest.mark.parametrize("fault", BREAKS)
def test_each_rule_rejects_something(made, fault):
    BREAKS[fault](made)
    assert any(fault in found for found in faults_of(made))


def test_every_topic_is_a_channel_with_its_partitions_and_types(made, registry):
    assert set(made["channels"]) == set(registry.names)
    for name, channel in made["channels"].items():
        spec = registry.spec(name)
        binding = channel["bindings"]["kafka"]
        assert binding["partitions"] == spec.partitions
        assert binding["topicConfiguration"]["max.message.bytes"] == spec.max_record_bytes
        assert set(channel["messages"]) == set(spec.types)
        assert (channel["x-key"], channel["x-partition-by"]) == (spec.key, spec.partition_by)


def test_what_is_kept_for_ever_says_so_and_compacted_topics_have_no_retention(made):
    def configured(topic):
        return made["channels"][topic]["bindings"]["kafka"]["topicConfiguration"]

    events = configured("collaboration-events")
    assert (events["cleanup.policy"], events["retention.ms"]) == (["delete"], -1)
    assert configured("tenants")["cleanup.policy"] == ["compact"]
    assert "retention.ms" not in configured("tenants")
    assert configured("collaboration-inbox")["retention.ms"] == 29 * 24 * 3600 * 1000


def test_services_send_what_they_produce_and_receive_what_they_consume(made, registry):
    said = {
        (op["tags"][0]["name"], op["action"], op["channel"]["$ref"].rpartition("/")[2])
        for op in made["operations"].values()
    }
    assert len(said) == len(made["operations"])
    assert said == {
        (service, action, spec.name)
        for spec in registry.topics.values()
        for action, services in (("send", spec.producers), ("receive", spec.consumers))
        for service in services
    }


@pytest.mark.parametrize("name", TYPES)
def test_golden_examples_are_valid_against_the_message_of_their_type(whole, name):
    message = whole["components"]["messages"][name]
    schema = {"components": whole["components"], **message["payload"]}
    validator = jsonschema.Draft7Validator(schema)
    folder = checkout_root() / "schemas" / "examples" / name
    for path in folder.glob("valid/*.json"):
        validator.validate(json.loads(path.read_bytes()))
    for path in folder.glob("invalid/*.json"):
        assert list(validator.iter_errors(json.loads(path.read_bytes())))
    assert message["headers"]["properties"]["ce_type"]["const"] == name


def test_the_document_is_deterministic_and_names_no_host(registry):
    assert text(registry) == text(Registry.load(topics_dir()))
    assert "://" not in text(registry)


def test_the_committed_document_is_current(registry):
    assert (ROOT / FILE).read_text(encoding="utf-8") == text(registry)


def test_a_stale_or_missing_document_is_told_and_written(tmp_path, capsys):
    shutil.copytree(ROOT / "schemas" / "topics", tmp_path / "schemas" / "topics")
    assert main(["--check"], root=tmp_path) == 1
    assert "is stale" in capsys.readouterr().err
    assert not (tmp_path / FILE).exists()
    assert main([], root=tmp_path) == 0
    assert main(["--check"], root=tmp_path) == 0
    topic = tmp_path / "schemas" / "topics" / "catalog.yaml"
    topic.write_text(topic.read_text().replace("Immutable", "Fixed"))
    assert main(["--check"], root=tmp_path) == 1


def test_broken_topic_files_are_told(tmp_path, capsys):
    shutil.copytree(ROOT / "schemas" / "topics", tmp_path / "schemas" / "topics")
    (tmp_path / "schemas" / "topics" / "catalog.yaml").write_text("partitions: 0\n")
    assert main(["--check"], root=tmp_path) == 2
    assert "catalog.yaml:1" in capsys.readouterr().err


def test_two_structs_of_one_name_are_a_clash(registry, monkeypatch):
    def renamed(name):
        schema = schema_of(name)
        return schema | {"$defs": schema["$defs"] | {"Usage": {"type": name}}}

    monkeypatch.setattr(asyncapi, "schema_of", renamed)
    with pytest.raises(ClashError, match="another Struct of this name"):
        document(registry)


def test_a_type_of_two_topics_names_both_keys(registry):
    parked = document(registry)["components"]["messages"]["facilitair.key.parked.v1"]
    assert "tenant or tenant:collaboration" in str(parked["bindings"])
