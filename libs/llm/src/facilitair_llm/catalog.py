"""Models as data: which there are, what they hold and what they cost."""

from decimal import Decimal
from pathlib import Path

from msgspec import Struct

from facilitair_events.definitions import Model, Prices
from facilitair_events.requests import Usage
from facilitair_llm.errors import CatalogError
from facilitair_llm.model_files import ModelFile, read_model_file

TOKENS_PER_PRICE = 1_000_000


class ModelCatalog(Struct, frozen=True):
    """All models that the files describe, in the order of files and entries.

    `defaults` has for each provider the model to use where none is named.
    """

    models: tuple[Model, ...]
    defaults: dict[str, str]

    def find(self, *, provider: str, name: str) -> Model:
        """Return the model; one that no file describes is usable, with all its numbers unknown."""
        for model in self.models:
            if (model.provider, model.name) == (provider, name):
                return model
        return Model(name=name, provider=provider, simulated=provider == "simulator")


def load_models(directory: Path) -> ModelCatalog:
    """Read `*.yaml` of the directory in the order of their names.

    Raises CatalogError with the faults of all files together.
    """
    files = read_model_files(directory)
    return ModelCatalog(
        models=tuple(model for file in files for model in file.models),
        defaults={file.provider: file.default for file in files if file.default is not None},
    )


def read_model_files(directory: Path) -> list[ModelFile]:
    """Read `*.yaml` of the directory in the order of their names. Raises CatalogError as above."""
    faults: list[str] = []
    files: list[ModelFile] = []
    paths = sorted(directory.glob("*.yaml"))
    if not paths:
        faults.append(f"{directory}: there is no file *.yaml")
    for path in paths:
        found = read_model_file(path, faults)
        if found is not None:
            files.append(found)
    faults += _repeated(files)
    faults += _contradicting(files)
    if faults:
        raise CatalogError(faults=tuple(faults))
    return files


def cost_usd(prices: Prices | None, usage: Usage) -> Decimal | None:
    """Return what the tokens cost, exactly; None where a price that they need is unknown.

    Cached tokens are paid at their own price instead of the input's, reasoning tokens instead of
    the output's.
    Counts that contradict each other cost an unknown amount too.
    """
    if prices is None:
        return None
    total = Decimal(0)
    for tokens, price in (
        (usage.input_tokens - usage.cached_input_tokens, prices.input),
        (usage.cached_input_tokens, prices.cached_input),
        (usage.output_tokens - usage.reasoning_tokens, prices.output),
        (usage.reasoning_tokens, prices.reasoning),
    ):
        if tokens < 0 or (tokens > 0 and price is None):
            return None
        if price is not None:
            total += price * tokens
    return total / TOKENS_PER_PRICE


def _repeated(files: list[ModelFile]) -> list[str]:
    faults: list[str] = []
    first: dict[tuple[str, str], str] = {}
    for file in files:
        for model, place in zip(file.models, file.places, strict=True):
            earlier = first.setdefault((model.provider, model.name), place)
            if earlier != place:
                faults.append(
                    f"{place}: model {model.name!r} of {model.provider} stands at {earlier} already"
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
