"""From the catalog's documents to one complete Definition (R10)."""

from collections.abc import Iterator, Mapping
from typing import Any, Final, TypeVar

import msgspec
from msgspec import Struct

from facilitair_events.catalog import CatalogKind, LabelMoved, VersionPublished
from facilitair_events.definitions import Agent, Definition, Model, Step
from facilitair_events.requests import Fault
from facilitair_workflows.documents import (
    ACTIVE,
    DEFAULT_MODEL,
    PLATFORM,
    AgentDocument,
    CatalogRecord,
    PromptDocument,
    WorkflowDocument,
    digest_of,
    label_key,
    version_key,
)
from facilitair_workflows.errors import WorkflowsError
from facilitair_workflows.suggestions import known_names, model_advice, near_miss

Document = TypeVar("Document", bound=Struct)


class ResolutionError(WorkflowsError):
    """A request names what does not exist. ``faults`` has all of it, in words for the user."""

    def __init__(self, *, faults: list[Fault]) -> None:
        self.faults = faults
        super().__init__("; ".join(fault.message for fault in faults))


class _Lookup(Struct, kw_only=True):
    """The catalog as one tenant sees it: its own definitions first, then the platform's."""

    catalog: Mapping[str, CatalogRecord]
    tenant: str
    faults: list[Fault]

    def fault(self, code: str, message: str, *, field: str) -> None:
        self.faults.append(Fault(code=code, message=message, field=field))

    def names(self, kind: CatalogKind) -> set[str]:
        """The names that have an active label."""
        return {
            record.name
            for key, record in self.catalog.items()
            if isinstance(record, LabelMoved)
            and (record.kind, record.label) == (kind, ACTIVE)
            and key.partition(":")[0] in (self.tenant, PLATFORM)
        }

    def version(self, kind: CatalogKind, name: str, *, label: str) -> VersionPublished | None:
        """The version that a label means; None when the label or its version is not there."""
        for tenant in dict.fromkeys((self.tenant, PLATFORM)):
            key = label_key(tenant, kind=kind, name=name, label=label)
            moved = self.catalog.get(key)
            if isinstance(moved, LabelMoved):
                key = version_key(tenant, kind=kind, name=name, version=moved.version)
                found = self.catalog.get(key)
                return found if isinstance(found, VersionPublished) else None
        return None

    def document(
        self, kind: CatalogKind, reference: str, *, type_: type[Document], field: str
    ) -> tuple[VersionPublished, Document] | None:
        """The document that ``name`` or ``name@label`` means; what is wrong becomes a fault."""
        name, _, label = reference.partition("@")
        version = self.version(kind, name, label=label or ACTIVE)
        if version is None:
            names = self.names(kind)
            advice = near_miss(name, names - {name}) or f"; {known_names(names)}"
            self.fault(f"unknown_{kind}", f"unknown {kind} {reference!r}{advice}", field=field)
            return None
        try:
            return version, msgspec.convert(version.document, type_)
        except msgspec.ValidationError as error:
            message = f"version {version.version} of {kind} {name!r} cannot be read: {error}"
            self.fault("definition_unreadable", message, field=field)
            return None


_MOST_FAULTS: Final = 20
"""Of overrides that are told; whoever sends more has sent the wrong thing."""

_SHOWN_CHARS: Final = 200


class _Known(Mapping[str, Model]):
    """All models by name, and the one that agents mean who name none."""

    def __init__(self, *, default: Model, models: Mapping[str, Model]) -> None:
        self._default = default
        self._models = models

    def __getitem__(self, name: str) -> Model:
        return self._default if name == DEFAULT_MODEL else self._models[name]

    def __iter__(self) -> Iterator[str]:
        yield DEFAULT_MODEL
        yield from self._models

    def __len__(self) -> int:
        return len(self._models) + 1


def resolve(
    *,
    catalog: Mapping[str, CatalogRecord],
    workflow: str,
    default_model: Model,
    models: Mapping[str, Model],
    overrides: Mapping[str, str],
    tenant: str = PLATFORM,
) -> Definition:
    """One complete, versioned workflow: nothing in it is looked up later.

    ``catalog`` maps record keys to records, ``models`` maps ``provider/name`` to models; these may
    be many, so only those that are named are looked up.
    ``workflow`` is a name or ``name@label``.
    ``overrides`` maps agents to the one model that each of them then runs on.
    Pure: equal arguments give equal digests.
    Raises ResolutionError with everything that is wrong.
    """
    lookup = _Lookup(catalog=catalog, tenant=tenant, faults=[])
    found = lookup.document("workflow", workflow, type_=WorkflowDocument, field="workflow")
    if found is None:
        raise ResolutionError(faults=lookup.faults)
    version, document = found
    names = sorted(set(_agents_of(document.steps)))
    known = _Known(default=default_model, models=models)
    _check_overrides(lookup, overrides, agents=names, models=known)
    agents = {name: _agent(lookup, name, models=known, overrides=overrides) for name in names}
    if lookup.faults:
        raise ResolutionError(faults=lookup.faults)
    definition = Definition(
        workflow=document.workflow,
        version=version.version,
        digest="",
        description=document.description,
        steps=document.steps,
        agents={name: agent for name, agent in agents.items() if agent is not None},
        output=document.output,
        timeout_s=document.timeout_s,
        budget_usd=document.budget_usd,
        on_budget=document.on_budget,
    )
    return msgspec.structs.replace(definition, digest=definition_digest(definition))


def definition_digest(definition: Definition) -> str:
    """The sha256 of the canonical JSON of everything but the digest itself."""
    plain: dict[str, Any] = msgspec.to_builtins(definition)
    del plain["digest"]
    return digest_of(plain)


def _agents_of(steps: tuple[Step, ...]) -> Iterator[str]:
    for step in steps:
        if step.agent is not None:
            yield step.agent
        yield from _agents_of(step.steps)


def _check_overrides(
    lookup: _Lookup,
    overrides: Mapping[str, str],
    *,
    agents: list[str],
    models: Mapping[str, Model],
) -> None:
    for agent, model in sorted(overrides.items()):
        if len(lookup.faults) >= _MOST_FAULTS:
            return
        field = f"models.{agent[:_SHOWN_CHARS]}"
        if agent not in agents:
            advice = near_miss(agent, agents) or f"; it has {', '.join(agents)}"
            message = f"the workflow has no agent {agent[:_SHOWN_CHARS]!r}{advice}"
            lookup.fault("unknown_agent", message, field=field)
        if model not in models:
            lookup.fault("unknown_model", _unknown_model(model, models), field=field)


def _unknown_model(model: str, models: Mapping[str, Model]) -> str:
    return f"unknown model {model[:_SHOWN_CHARS]!r}{model_advice(model, models)}"


def _agent(
    lookup: _Lookup, name: str, *, models: Mapping[str, Model], overrides: Mapping[str, str]
) -> Agent | None:
    found = lookup.document("agent", name, type_=AgentDocument, field="workflow")
    if found is None:
        return None
    version, document = found
    reference = f"{document.prompt}@{document.prompt_label}"
    prompt = lookup.document("prompt", reference, type_=PromptDocument, field="workflow")
    wanted = (overrides[name],) if name in overrides else document.models
    for model in wanted:
        if model not in models and name not in overrides:
            message = f"agent {name!r}: {_unknown_model(model, models)}"
            lookup.fault("unknown_model", message, field="workflow")
    if prompt is None:
        return None
    prompt_version, text = prompt
    chosen = {(model.provider, model.name): model for model in _known(wanted, models)}
    return Agent(
        name=name,
        version=version.version,
        role=document.role,
        prompt=text.text,
        prompt_name=document.prompt,
        prompt_version=prompt_version.version,
        models=tuple(chosen.values()),
        temperature=document.temperature,
        max_output_tokens=document.max_output_tokens,
    )


def _known(names: tuple[str, ...], models: Mapping[str, Model]) -> list[Model]:
    return [models[name] for name in names if name in models]
