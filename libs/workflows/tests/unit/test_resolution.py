"""From catalog records to a complete definition."""

import re

import msgspec
import pytest

from facilitair_events.codec import decode, encode, type_name
from facilitair_events.definitions import Definition, Model, Step
from facilitair_workflows.documents import (
    AgentDocument,
    Documents,
    PromptDocument,
    WorkflowDocument,
    label_key,
    published,
    record_key,
)
from facilitair_workflows.resolution import ResolutionError, definition_digest, resolve
from facilitair_workflows.suggestions import model_advice

DEFAULT = Model(name="simulated", provider="simulator", simulated=True)
GPT = Model(name="gpt", provider="openai")
MODELS = {"openai/gpt": GPT, "simulator/simulated": DEFAULT}


def documents(*, prompt_text="Role: writer", models=("default",), agent="writer", label="active"):
    return Documents(
        workflows={
            "code": WorkflowDocument(
                workflow="code",
                description="d",
                timeout_s=60.0,
                output="a",
                steps=(
                    Step(id="a", agent=agent, input="x"),
                    Step(id="g", steps=(Step(id="b", agent="critic", input="x"),)),
                ),
            )
        },
        agents={
            name: AgentDocument(
                agent=name,
                role=name,
                description="",
                prompt="p",
                prompt_label=label,
                models=models,
                temperature=0.2,
                max_output_tokens=100,
            )
            for name in ("writer", "critic", "unused")
        },
        prompts={"p": PromptDocument(prompt="p", text=prompt_text)},
    )


def resolved(records=None, **changes):
    arguments = {
        "catalog": documents().records() if records is None else records,
        "workflow": "code",
        "default_model": DEFAULT,
        "models": MODELS,
        "overrides": {},
    }
    return resolve(**{**arguments, **changes})


def faults(records=None, **changes):
    with pytest.raises(ResolutionError) as caught:
        resolved(records, **changes)
    return [(fault.code, fault.field) for fault in caught.value.faults]


def test_r10_a_definition_is_complete():
    definition = resolved()
    assert set(definition.agents) == {"writer", "critic"}
    writer = definition.agents["writer"]
    assert (writer.prompt, writer.prompt_name, writer.role) == ("Role: writer", "p", "writer")
    assert (writer.temperature, writer.max_output_tokens) == (0.2, 100)
    assert writer.models == (DEFAULT,)
    assert (definition.workflow, definition.output, definition.timeout_s) == ("code", "a", 60.0)
    assert definition.steps[1].steps[0].id == "b"


def test_r10_versions_are_those_of_the_catalog():
    records = documents().records()
    definition = resolved(records)
    label = records[label_key("platform", kind="workflow", name="code", label="active")]
    assert definition.version == label.version
    assert len(definition.version) == 12
    writer = records[label_key("platform", kind="agent", name="writer", label="active")]
    assert definition.agents["writer"].version == writer.version


def test_the_digest_is_of_everything_else():
    definition = resolved()
    assert definition.digest == definition_digest(definition)
    assert definition_digest(msgspec.structs.replace(definition, digest="x")) == definition.digest
    other = resolved(documents(prompt_text="Role: other").records())
    assert other.digest != definition.digest
    assert resolved(overrides={"writer": "openai/gpt"}).digest != definition.digest


def test_resolving_twice_gives_the_same_bytes_from_the_wire_too():
    read_back = {
        key: decode(type_name(record), encode(record))
        for key, record in documents().records().items()
    }
    first, second = resolved(), resolved(read_back)
    assert msgspec.json.encode(first) == msgspec.json.encode(second)
    assert msgspec.json.decode(msgspec.json.encode(first), type=Definition) == first


def test_an_override_replaces_an_agents_models():
    definition = resolved(overrides={"writer": "openai/gpt"})
    assert definition.agents["writer"].models == (GPT,)
    assert definition.agents["critic"].models == (DEFAULT,)
    records = documents(models=("openai/gpt",)).records()
    assert resolved(records).agents["writer"].models == (GPT,)
    back = resolved(records, overrides={"writer": "default"})
    assert back.agents["writer"].models == (DEFAULT,)


def test_models_keep_their_order_and_a_repeated_one_is_asked_once():
    records = documents(models=("openai/gpt", "default", "simulator/simulated")).records()
    assert resolved(records).agents["writer"].models == (GPT, DEFAULT)


@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ("groq/lama", " (did you mean 'groq/llama'?)"),
        ("groq/xxxxxxxxxxxx", "; defined: groq/gemma, groq/llama"),
        ("nowhere/xxxxxxxxx", "; defined: acme/big, groq/gemma, groq/llama"),
    ],
)
def test_an_unknown_model_is_told_with_those_of_its_provider(name, advice):
    assert model_advice(name, ["acme/big", "groq/llama", "groq/gemma"]) == advice


def test_faults_of_many_and_long_names_stay_few_and_short():
    overrides = {f"{number}{'x' * 5000}": "y" * 5000 for number in range(500)}
    with pytest.raises(ResolutionError) as caught:
        resolved(overrides=overrides)
    assert 20 <= len(caught.value.faults) <= 21
    assert all(len(fault.message) + len(fault.field) < 1000 for fault in caught.value.faults)


def test_unknown_names_are_all_reported():
    assert faults(workflow="cod") == [("unknown_workflow", "workflow")]
    assert faults(overrides={"writr": "openai/gtp", "critic": "nope"}) == [
        ("unknown_model", "models.critic"),
        ("unknown_agent", "models.writr"),
        ("unknown_model", "models.writr"),
    ]
    records = documents(models=("openai/none",)).records()
    assert faults(records) == [("unknown_model", "workflow")] * 2


def test_an_agent_that_the_workflow_does_not_use_cannot_be_overridden():
    assert faults(overrides={"unused": "default"}) == [("unknown_agent", "models.unused")]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"workflow": "cod"}, "did you mean 'code'?"),
        ({"workflow": "zzz"}, "defined: code"),
        ({"workflow": ""}, "defined: code"),
        ({"workflow": "code@canary"}, "unknown workflow 'code@canary'"),
        ({"overrides": {"writr": "default"}}, "did you mean 'writer'?"),
        ({"overrides": {"zzz": "default"}}, "it has critic, writer"),
        ({"overrides": {"writer": "openai/gtp"}}, "did you mean 'openai/gpt'?"),
    ],
)
def test_faults_help(changes, message):
    with pytest.raises(ResolutionError, match=re.escape(message)):
        resolved(**changes)


def test_what_a_workflow_names_may_have_gone_missing():
    assert faults(documents(agent="gone").records()) == [("unknown_agent", "workflow")]
    assert faults(documents(label="canary").records()) == [("unknown_prompt", "workflow")] * 2
    assert faults({}) == [("unknown_workflow", "workflow")]


def test_a_label_without_its_version_is_unknown():
    records = documents().records()
    label = records[label_key("platform", kind="workflow", name="code", label="active")]
    moved = msgspec.structs.replace(label, version="0" * 12)
    assert faults({**records, record_key(moved): moved}) == [("unknown_workflow", "workflow")]


def test_a_label_chooses_the_version():
    records = documents().records()
    other = PromptDocument(prompt="p", text="Role: canary")
    version = published("prompt", "p", other)
    label = records[label_key("platform", kind="prompt", name="p", label="active")]
    canary = msgspec.structs.replace(label, label="canary", version=version.version)
    records |= {record_key(version): version, record_key(canary): canary}
    assert resolved(records).agents["writer"].prompt == "Role: writer"
    records |= documents(label="canary").records()
    assert resolved(records).agents["writer"].prompt == "Role: canary"


def test_a_tenants_own_definition_comes_before_the_platforms():
    records = documents().records()
    records |= documents(prompt_text="Role: ours").records("acme")
    assert resolved(records, tenant="acme").agents["writer"].prompt == "Role: ours"
    assert resolved(records, tenant="other").agents["writer"].prompt == "Role: writer"
    own = documents().records("acme")
    assert faults(own, tenant="other") == [("unknown_workflow", "workflow")]


def test_a_document_of_another_shape_is_a_fault():
    records = documents().records()
    key = next(key for key in records if ":version:workflow:" in key)
    records[key] = msgspec.structs.replace(records[key], document={"workflow": 5})
    assert faults(records) == [("definition_unreadable", "workflow")]


def test_records_are_equal_for_equal_documents_and_ordered_by_use():
    records = documents().records()
    assert list(records) == list(documents().records())
    assert records == documents().records()
    kinds = [key.split(":")[2] for key in records]
    assert kinds == sorted(kinds, key=["prompt", "agent", "workflow"].index)
    assert all(key == record_key(record) for key, record in records.items())
    assert set(records).isdisjoint(documents().records("acme"))
