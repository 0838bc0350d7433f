"""Which models a collaboration may use here, and which can be reached. Pure."""

from collections.abc import Container, Iterable, Iterator, Mapping
from fnmatch import fnmatchcase

import msgspec
from msgspec import Struct

from facilitair_events.definitions import Definition, Model
from facilitair_events.requests import Fault
from facilitair_llm.catalog import ModelCatalog
from facilitair_llm.endpoints import OPENAI_URL, Endpoints
from facilitair_workflows.fields import MODEL


class ModelRules(Struct, frozen=True, kw_only=True):
    """What an operator allows.

    ``set_up`` are the providers that can be called; in local-only mode all of them are on this
    machine, and ``refused`` has the addresses of others that the environment tells.
    ``required_tags`` are what every model has to have, ``allowed`` patterns of ``provider/name`` of
    which one has to fit; without any, all do.
    ``open_providers`` have models that no file lists.
    ``defaults`` has what each provider that is set up is asked for when nobody names a model.
    """

    set_up: frozenset[str] = frozenset()
    refused: Mapping[str, str] = {}
    local_only: bool = False
    required_tags: tuple[str, ...] = ()
    allowed: tuple[str, ...] = ()
    open_providers: Mapping[str, Model] = {}
    defaults: Mapping[str, Model] = {}

    def forbids(self, model: Model) -> Fault | None:
        """Why a model must not be asked, whatever else."""
        name = f"{model.provider}/{model.name}"
        if self.local_only and model.provider not in self.set_up:
            place = self.refused.get(model.provider)
            where = f"{name} at {place}" if place else name
            message = (
                f"{where} is not on this machine, and FACILITAIR_LOCAL_ONLY allows nothing else;"
                f" set up here: {_listed(self.set_up)}"
            )
            return Fault(code="model_not_local", message=message)
        if self.allowed and not any(fnmatchcase(name, pattern) for pattern in self.allowed):
            message = f"{name} is not among the models that are allowed: {_listed(self.allowed)}"
            return Fault(code="model_not_allowed", message=message)
        missing = [tag for tag in self.required_tags if tag not in model.tags]
        if missing:
            has = f"it has {_listed(model.tags)}" if model.tags else "it has none"
            message = f"{name} lacks the required tags {_listed(missing)}; {has}"
            return Fault(code="model_lacks_tag", message=message)
        return None

    def why_not(self, model: Model) -> str | None:
        """Why a model cannot be used here; None when it can."""
        fault = self.forbids(model)
        if fault is not None:
            return fault.message
        if model.provider not in self.set_up:
            return f"the provider {model.provider} is not set up"
        return None


def rules_for(
    endpoints: Endpoints,
    catalog: ModelCatalog,
    *,
    default_model: Model,
    required_tags: tuple[str, ...],
    allowed: tuple[str, ...],
) -> ModelRules:
    """The rules of a gateway with these providers and models."""
    defaults = {
        provider: catalog.find(provider=provider, name=name)
        for provider, name in catalog.defaults.items()
        if provider in endpoints.by_provider
    }
    own_server = {
        name
        for name, endpoint in endpoints.by_provider.items()
        if name == "openai" and endpoint.base_url != OPENAI_URL
    }
    return ModelRules(
        set_up=frozenset(endpoints.by_provider),
        refused=endpoints.refused,
        local_only=endpoints.local_only,
        required_tags=required_tags,
        allowed=allowed,
        open_providers={
            name: catalog.unlisted[name]
            for name in catalog.open_providers | own_server
            if name in catalog.unlisted
        },
        defaults=defaults | {default_model.provider: default_model},
    )


def model_faults(
    definition: Definition, rules: ModelRules, *, overrides: Iterable[str]
) -> Iterator[Fault]:
    """A fault for each agent and model that the rules forbid.

    Every model of an agent counts, also those that it only falls back to.
    """
    for agent in definition.agents.values():
        for model in agent.models:
            fault = rules.forbids(model)
            if fault is not None:
                field = f"models.{agent.name}" if agent.name in overrides else "workflow"
                message = f"agent {agent.name!r}: {fault.message}"
                yield Fault(code=fault.code, message=message, field=field)


def unlisted(names: Iterable[str], rules: ModelRules, *, known: Container[str]) -> Iterator[Model]:
    """The models that are named and not in the catalog, and may be.

    They are of providers whose models nobody lists, or what is used when nobody names a model.
    """
    for model in rules.defaults.values():
        if f"{model.provider}/{model.name}" not in known:
            yield model
    for name in names:
        provider, _, own = name.partition("/")
        if name in known or MODEL.fullmatch(name) is None:
            continue
        if provider in rules.open_providers:
            yield msgspec.structs.replace(rules.open_providers[provider], name=own)


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names)) or "none"
