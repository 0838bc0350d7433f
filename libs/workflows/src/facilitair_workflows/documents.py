"""Definitions as the catalog carries them: one document per workflow, agent and prompt."""

import hashlib
from typing import Any, Final, Literal

import msgspec
from msgspec import Struct

from facilitair_events.catalog import CatalogKind, LabelMoved, VersionPublished
from facilitair_events.definitions import Step
from facilitair_events.numbers import Amount

ACTIVE: Final = "active"
"""The label that a reference without one means."""

PLATFORM: Final = "platform"
"""The tenant whose definitions every tenant may use."""

DEFAULT_MODEL: Final = "default"
"""Stands in an agent's models for whatever model this installation is set up with."""

VERSION_DIGITS: Final = 12

CatalogRecord = VersionPublished | LabelMoved


class WorkflowDocument(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A workflow before its agents are resolved. Without a budget it is the same as ever."""

    workflow: str
    description: str
    timeout_s: float
    output: str
    steps: tuple[Step, ...]
    budget_usd: Amount | None = None
    on_budget: Literal["finish", "pause", "cheaper"] = "finish"


class AgentDocument(Struct, frozen=True, kw_only=True):
    """An agent before its prompt and models are resolved. ``models`` are names or ``default``."""

    agent: str
    role: str
    description: str
    prompt: str
    models: tuple[str, ...]
    prompt_label: str = ACTIVE
    temperature: float | None = None
    max_output_tokens: int | None = None


class PromptDocument(Struct, frozen=True, kw_only=True):
    """A system prompt."""

    prompt: str
    text: str


class Documents(Struct, frozen=True, kw_only=True):
    """Everything a directory defines, by name."""

    workflows: dict[str, WorkflowDocument]
    agents: dict[str, AgentDocument]
    prompts: dict[str, PromptDocument]

    def records(self, tenant: str = PLATFORM) -> dict[str, CatalogRecord]:
        """The catalog's records by record key; what is referred to comes before what refers.

        Equal documents give equal keys and records, so writing them again changes nothing.
        """
        records: dict[str, CatalogRecord] = {}
        sources: list[tuple[CatalogKind, str, Struct]] = [
            *(("prompt", name, document) for name, document in sorted(self.prompts.items())),
            *(("agent", name, document) for name, document in sorted(self.agents.items())),
            *(("workflow", name, document) for name, document in sorted(self.workflows.items())),
        ]
        for kind, name, document in sources:
            version = published(kind, name, document)
            label = LabelMoved(kind=kind, name=name, label=ACTIVE, version=version.version)
            records[record_key(version, tenant=tenant)] = version
            records[record_key(label, tenant=tenant)] = label
        return records


def published(  # noqa: PLR0917 - the order of the key
    kind: CatalogKind, name: str, document: Struct
) -> VersionPublished:
    """The immutable version of a document; equal documents have equal versions."""
    # By way of JSON, so that the record equals what a reader of the topic gets.
    plain = msgspec.json.decode(msgspec.json.encode(document))
    digest = digest_of(plain)
    version = digest[:VERSION_DIGITS]
    return VersionPublished(kind=kind, name=name, version=version, digest=digest, document=plain)


def record_key(record: CatalogRecord, *, tenant: str = PLATFORM) -> str:
    """The key of a catalog record."""
    if isinstance(record, VersionPublished):
        return version_key(tenant, kind=record.kind, name=record.name, version=record.version)
    return label_key(tenant, kind=record.kind, name=record.name, label=record.label)


def version_key(tenant: str, *, kind: CatalogKind, name: str, version: str) -> str:
    """The key of one immutable version."""
    return f"{tenant}:version:{kind}:{name}:{version}"


def label_key(tenant: str, *, kind: CatalogKind, name: str, label: str) -> str:
    """The key of a label."""
    return f"{tenant}:label:{kind}:{name}:{label}"


def digest_of(value: Any) -> str:
    """Lower-case hex sha256 of the canonical JSON (sorted keys, no spaces) of a value or Struct."""
    plain = msgspec.to_builtins(value, str_keys=True)
    return hashlib.sha256(msgspec.json.encode(plain, order="sorted")).hexdigest()
