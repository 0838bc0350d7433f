"""Definitions in the catalog: what files add to it, and what requests read from it. Pure."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

import msgspec

from facilitair_events.catalog import CatalogKind, LabelMoved, VersionPublished
from facilitair_events.definitions import Definition, Model
from facilitair_gateway.errors import LogicUnknownError, RequestFaultsError
from facilitair_gateway.model_rules import ModelRules, model_faults, unlisted
from facilitair_llm.catalog import ModelCatalog
from facilitair_workflows.documents import (
    ACTIVE,
    PLATFORM,
    CatalogRecord,
    Documents,
    label_key,
    published,
    record_key,
    version_key,
)
from facilitair_workflows.resolution import ResolutionError, resolve

Catalog = Mapping[str, CatalogRecord]

FIRST_LOGIC: Final = 1
"""What a catalog keeps whose label is missing though others are there."""

LOGIC_KEY: Final = label_key(PLATFORM, kind="logic", name="decide", label=ACTIVE)


def model_name(model: Model) -> str:
    """How requests and agents name a model."""
    return f"{model.provider}/{model.name}"


def records_of(documents: Documents, models: ModelCatalog) -> dict[str, CatalogRecord]:
    """The catalog's records of all definition files, by key, models before what names them."""
    records: dict[str, CatalogRecord] = {}
    for model in models.models:
        version = published("model", model_name(model), model)
        label = LabelMoved(kind="model", name=version.name, label=ACTIVE, version=version.version)
        records[record_key(version)] = version
        records[record_key(label)] = label
    return records | documents.records()


def logic_label(version: int) -> LabelMoved:
    """The record that makes new collaborations keep a version of ``decide``."""
    return LabelMoved(kind="logic", name="decide", label=ACTIVE, version=str(version))


def to_apply(catalog: Catalog, wanted: Catalog, *, newest_logic: int) -> dict[str, CatalogRecord]:
    """What the catalog lacks of ``wanted``; applied twice, the second time it is empty.

    The label of the logic is set once and then an operator's (R9).
    An empty catalog gets the newest one, and gets it first: nobody runs an older one there.
    """
    missing: dict[str, CatalogRecord] = {}
    if LOGIC_KEY not in catalog:
        missing[LOGIC_KEY] = logic_label(FIRST_LOGIC if catalog else newest_logic)
    return missing | {key: record for key, record in wanted.items() if catalog.get(key) != record}


def logic_of(catalog: Catalog) -> int:
    """The version of ``decide`` that new collaborations keep (R9). Raises LogicUnknownError."""
    return version_of(catalog.get(LOGIC_KEY))


def version_of(label: CatalogRecord | None) -> int:
    """The version that the label of the logic names. Raises LogicUnknownError."""
    if not isinstance(label, LabelMoved) or not label.version.isdecimal():
        raise LogicUnknownError(key=LOGIC_KEY)
    return int(label.version)


def definition_for(
    catalog: Catalog,
    *,
    tenant: str,
    workflow: str,
    overrides: Mapping[str, str],
    default_model: Model,
    rules: ModelRules,
) -> Definition:
    """The complete workflow that a request names (R10), with models that the rules allow.

    Raises RequestFaultsError.
    """
    others = unlisted(overrides.values(), rules, known=CatalogModels(catalog))
    more = {model_name(model): model for model in others}
    try:
        definition = resolve(
            catalog=catalog,
            workflow=workflow,
            default_model=default_model,
            models=CatalogModels(catalog, more=more),
            overrides=overrides,
            tenant=tenant,
        )
    except ResolutionError as error:
        raise RequestFaultsError(faults=tuple(error.faults)) from error
    faults = tuple(model_faults(definition, rules, overrides=overrides))
    if faults:
        raise RequestFaultsError(faults=faults)
    return definition


class CatalogModels(Mapping[str, Model]):
    """Every model of the catalog by its name, and ``more``; decoded when it is asked for."""

    def __init__(self, catalog: Catalog, *, more: Mapping[str, Model] | None = None) -> None:
        self._catalog = catalog
        self._more = more or {}

    def __getitem__(self, name: str) -> Model:
        if name in self._more:
            return self._more[name]
        label = self._catalog[label_key(PLATFORM, kind="model", name=name, label=ACTIVE)]
        key = version_key(PLATFORM, kind="model", name=name, version=label.version)
        version = self._catalog[key]
        if not isinstance(version, VersionPublished):
            raise KeyError(name)
        return msgspec.convert(version.document, Model)

    def __iter__(self) -> Iterator[str]:
        listed = (one.name for one in active(self._catalog, "model", tenant=PLATFORM))
        return iter(dict.fromkeys((*listed, *self._more)))

    def __len__(self) -> int:
        return sum(1 for _ in self)


def active(catalog: Catalog, kind: CatalogKind, *, tenant: str) -> Iterator[VersionPublished]:
    """The active version of every definition of a kind that a tenant may use, by name.

    A tenant's own definition hides the platform's of the same name.
    """
    found: dict[str, VersionPublished] = {}
    for owner in dict.fromkeys((PLATFORM, tenant)):
        for key, label in catalog.items():
            if not isinstance(label, LabelMoved) or (label.kind, label.label) != (kind, ACTIVE):
                continue
            if key.partition(":")[0] != owner:
                continue
            version = catalog.get(
                version_key(owner, kind=kind, name=label.name, version=label.version)
            )
            if isinstance(version, VersionPublished):
                found[label.name] = version
    return iter(found[name] for name in sorted(found))


def listed(version: VersionPublished) -> dict[str, Any]:
    """A definition as the API lists it, by the name that requests use."""
    shown = {name: value for name, value in version.document.items() if name != version.kind}
    return shown | {"name": version.name, "version": version.version, "digest": version.digest}


def model_rows(
    catalog: Catalog, rules: ModelRules, *, named: Iterable[str] = ()
) -> list[dict[str, Any]]:
    """The models as the API lists them, by name; also what is used when nobody names one.

    ``named`` are rows too where their providers have models that nobody lists.
    """
    versions = {one.name: one for one in active(catalog, "model", tenant=PLATFORM)}
    for model in unlisted(named, rules, known=versions):
        name = model_name(model)
        versions[name] = published("model", name, model)
    return [_model_row(versions[name], rules) for name in sorted(versions)]


def _model_row(version: VersionPublished, rules: ModelRules) -> dict[str, Any]:
    """A model with the fields that clients of OpenAI's API read.

    ``id`` is what requests name; one of a workflow begins with ``facilitair/``.
    """
    model = msgspec.convert(version.document, Model)
    why_not = rules.why_not(model)
    default = rules.defaults.get(model.provider)
    return {
        "id": version.name,
        "object": "model",
        "created": 0,
        "owned_by": model.provider,
        "kind": "model",
        "model": model.name,
        "usable": why_not is None,
        "why_not": why_not,
        "default": default is not None and default.name == model.name,
    } | listed(version)
