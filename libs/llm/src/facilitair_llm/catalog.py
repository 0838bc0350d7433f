"""Models as data: which there are, what they hold and what they cost.

`models/<provider>.yaml` says how a provider is reached, and whatever is known here of its models.
`models/seed/<provider>.yaml` was taken from elsewhere (`python -m tools.model_prices`).
What a provider's own file says wins over its seed, field by field.
"""

from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

import msgspec
from msgspec import Struct

from facilitair_events.definitions import Model
from facilitair_llm.errors import CatalogError
from facilitair_llm.model_entries import merged
from facilitair_llm.model_files import (
    ModelFile,
    SeedFile,
    read_model_file,
    read_seed_file,
)
from facilitair_llm.pricing import cost_usd

__all__ = ["SEED", "ModelCatalog", "ModelNames", "cost_usd", "load_models", "read_model_files"]

SEED = "seed"
_SIMULATOR = "simulator"


class ModelCatalog(Struct, frozen=True):
    """All models that the files describe, in the order of files and entries, a seed's last.

    `defaults` has for each provider the model to use where none is named.
    `unlisted` has for each provider what is known of a model that no file describes.
    `open_providers` have models that nobody lists here.
    """

    models: tuple[Model, ...]
    defaults: dict[str, str]
    unlisted: dict[str, Model] = {}
    open_providers: frozenset[str] = frozenset()

    def find(self, *, provider: str, name: str) -> Model:
        """Return the model; one that no file describes is usable, with its numbers unknown."""
        for model in self.models:
            if (model.provider, model.name) == (provider, name):
                return model
        known = self.unlisted.get(provider) or _blank(provider)
        return msgspec.structs.replace(known, name=name)

    @property
    def names(self) -> "ModelNames":
        """The names `provider/name` that may be used here."""
        return ModelNames(self)

    def with_named(self, names: Iterable[str]) -> "ModelCatalog":
        """Return a catalog that lists what is named too, of providers that have other models."""
        known = {f"{model.provider}/{model.name}" for model in self.models}
        added = {}
        for name in names:
            provider, _, own = name.partition("/")
            if name not in known and own and provider in self.open_providers:
                added[name] = self.find(provider=provider, name=own)
        return msgspec.structs.replace(self, models=(*self.models, *added.values()))


class ModelNames(Collection[str]):
    """What agents may name: the models that are listed, and any of a provider that has others."""

    def __init__(self, catalog: ModelCatalog) -> None:
        self._listed = {f"{model.provider}/{model.name}" for model in catalog.models}
        self._open = catalog.open_providers

    def __contains__(self, name: object) -> bool:
        provider, _, own = str(name).partition("/")
        return name in self._listed or bool(own and provider in self._open)

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._listed))

    def __len__(self) -> int:
        return len(self._listed)


def load_models(directory: Path) -> ModelCatalog:
    """Read `*.yaml` of the directory in the order of their names, and of its folder `seed`.

    Raises CatalogError with the faults of all files together.
    """
    files, seeds = _read_all(directory)
    listed = tuple(_models(files, seeds).values())
    return ModelCatalog(
        models=listed,
        defaults={file.provider: file.default for file in files if file.default is not None},
        unlisted={file.provider: merged(_blank(file.provider), file.shared) for file in files},
        open_providers=frozenset(
            file.provider
            for file in files
            if file.unlisted_models or file.provider not in {model.provider for model in listed}
        ),
    )


def read_model_files(directory: Path) -> list[ModelFile]:
    """Read `*.yaml` of the directory in the order of their names. Raises CatalogError as above."""
    return _read_all(directory)[0]


def _read_all(directory: Path) -> tuple[list[ModelFile], list[SeedFile]]:
    faults: list[str] = []
    found = [read_seed_file(path, faults) for path in sorted((directory / SEED).glob("*.yaml"))]
    seeds = [seed for seed in found if seed is not None]
    seeded = {seed.provider: {said["name"] for said in seed.models} for seed in seeds}
    paths = sorted(directory.glob("*.yaml"))
    if not paths:
        faults.append(f"{directory}: there is no file *.yaml")
    faults += [
        f"{path.name}:1: is not read; rename it to end in .yaml"
        for path in sorted(directory.glob("*.yml"))
    ]
    read = [read_model_file(path, faults, seeded=seeded) for path in paths]
    files = [file for file in read if file is not None]
    faults += _repeated(seeds)
    faults += _repeated(files)
    faults += _contradicting(files)
    if not faults:
        known = {file.provider for file in files}
        faults += [
            f"{seed.name}:1: {seed.provider} has no file in the folder above"
            for seed in seeds
            if seed.provider not in known
        ]
    if faults:
        raise CatalogError(faults=tuple(faults))
    return files, seeds


def _blank(provider: str, name: str = "") -> Model:
    return Model(name=name, provider=provider, simulated=provider == _SIMULATOR)


def _models(files: list[ModelFile], seeds: list[SeedFile]) -> dict[tuple[str, str], Model]:
    """Return every model: what its seed says, then its provider's file, then its own entry."""
    shared = {file.provider: file.shared for file in reversed(files)}
    seeded = {
        (seed.provider, said["name"]): merged(_blank(seed.provider, said["name"]), said)
        for seed in seeds
        for said in seed.models
    }
    found: dict[tuple[str, str], Model] = {}
    for file in files:
        for said in file.models:
            key = (file.provider, said["name"])
            model = seeded.get(key) or _blank(*key)
            found[key] = merged(merged(model, shared[file.provider]), said)
    for key, model in seeded.items():
        found.setdefault(key, merged(model, shared.get(key[0], {})))
    return found


def _repeated(files: list[ModelFile] | list[SeedFile]) -> list[str]:
    faults: list[str] = []
    first: dict[tuple[str, str], str] = {}
    for file in files:
        for said, place in zip(file.models, file.places, strict=True):
            earlier = first.setdefault((file.provider, said["name"]), place)
            if earlier != place:
                name = said["name"]
                faults.append(
                    f"{place}: model {name!r} of {file.provider} stands at {earlier} already"
                )
    return faults


def _contradicting(files: list[ModelFile]) -> list[str]:
    """Return a fault for each file that reaches a provider otherwise than the first one does."""
    first: dict[str, ModelFile] = {}
    return [
        f"{file.name}:1: {file.provider} has another dialect, base_url or options in {known.name}"
        for file in files
        if (known := first.setdefault(file.provider, file)).address != file.address
    ]
