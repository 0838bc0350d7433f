"""``doctor`` on models: what a run would ask, agent by agent, and whether each has a price."""

from collections.abc import Mapping
from typing import Final

from facilitair_cli.errors import StartError
from facilitair_cli.finding import Finding, Level
from facilitair_cli.service_settings import read_endpoints, read_settings
from facilitair_events.definitions import Model
from facilitair_gateway.definition_files import load_definitions
from facilitair_gateway.definitions import model_name
from facilitair_gateway.model_rules import ModelRules, rules_for
from facilitair_llm.catalog import ModelCatalog, load_models
from facilitair_llm.endpoints import Endpoints, needs_simulator, resolve_default_model
from facilitair_llm.errors import CatalogError, EndpointsError
from facilitair_llm.network import url_refusal
from facilitair_llm.urls import is_loopback
from facilitair_workflows.documents import DEFAULT_MODEL
from facilitair_workflows.findings import DefinitionsError

_NOWHERE: Final = "http://127.0.0.1:0"
"""Stands for a simulator that a run would start."""
_NAME: Final = "agents"


def default_model(environ: Mapping[str, str]) -> Finding:
    """Which model agents run on that name none."""
    try:
        endpoints, _, chosen = _set_up(environ)
    except (StartError, EndpointsError, CatalogError) as error:
        return Finding(name="model", level="fail", found="; ".join(error.faults))
    if needs_simulator(environ):
        remedy = "set a provider's key, such as OPENAI_API_KEY, or OLLAMA_HOST for real answers"
        found = f"{chosen.name}: no provider is set, so a simulator answers"
        return Finding(name="model", level="ok", found=found, remedy=remedy)
    place = endpoints.by_provider[endpoints.default_provider].base_url
    rules = read_settings(port=None).agent_worker.network_rules(loopback=is_loopback(place))
    refused = url_refusal(place, rules)
    if refused is not None:
        found = f"{chosen.name} at {place}, which will be refused: {refused}"
        return Finding(name="model", level="fail", found=found)
    return Finding(name="model", level="ok", found=f"{chosen.name} at {place}")


def agent_models(environ: Mapping[str, str]) -> list[Finding]:
    """A finding for each list of models that agents share; none where ``default_model`` fails."""
    try:
        settings = read_settings(port=None).gateway
        endpoints, _, default = _set_up(environ)
        documents, catalog = load_definitions(settings.definitions)
    except (StartError, EndpointsError, CatalogError):
        return []
    except DefinitionsError as error:
        return [Finding(name=_NAME, level="fail", found="; ".join(str(error).splitlines()))]
    rules = rules_for(
        endpoints,
        catalog,
        default_model=default,
        required_tags=settings.models.required_tags,
        allowed=settings.models.allowed,
    )
    agents: dict[tuple[str, ...], list[str]] = {}
    for name, agent in sorted(documents.agents.items()):
        chain = tuple(model_name(default) if m == DEFAULT_MODEL else m for m in agent.models)
        agents.setdefault(chain, []).append(name)
    models = {model_name(model): model for model in (*catalog.models, default)}
    return [
        _finding(names, [models[model] for model in chain], rules=rules)
        for chain, names in agents.items()
    ]


def _set_up(environ: Mapping[str, str]) -> tuple[Endpoints, ModelCatalog, Model]:
    simulated = needs_simulator(environ)
    endpoints = read_endpoints(environ, simulator_url=_NOWHERE if simulated else None)
    catalog = load_models(read_settings(port=None).gateway.definitions / "models")
    return endpoints, catalog, resolve_default_model(endpoints, catalog)


def _finding(agents: list[str], chain: list[Model], *, rules: ModelRules) -> Finding:
    looked = [_model(model, rules) for model in chain]
    told = "; then ".join(
        f"{model_name(model)}, {words}" for model, (words, _, _) in zip(chain, looked, strict=True)
    )
    remedies = dict.fromkeys(remedy for _, remedy, _ in looked if remedy)
    return Finding(
        name=_NAME,
        level=max((level for _, _, level in looked), key=_SEVERITY.index),
        found=f"{', '.join(agents)}: {told}",
        remedy="; ".join(remedies),
    )


_SEVERITY: Final[tuple[Level, ...]] = ("ok", "warn", "fail")


def _model(model: Model, rules: ModelRules) -> tuple[str, str, Level]:
    forbidden = rules.forbids(model)
    if forbidden is not None:
        return forbidden.message, "facilitair models ls shows which may be used", "fail"
    if model.provider not in rules.set_up:
        remedy = "facilitair models show tells of a model what is known of it"
        return f"whose provider {model.provider} is not set up", remedy, "warn"
    if model.prices is None:
        remedy = f"say its prices in models/{model.provider}.yaml"
        return "price unknown, and so will be what a run costs", remedy, "warn"
    return f"prices of {model.prices.version}", "", "ok"
