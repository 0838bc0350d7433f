"""One file of `models/`, checked field by field so that every fault has its line."""

import re
from collections.abc import Container, Mapping
from pathlib import Path
from typing import Any

import msgspec
import yaml
from msgspec import Struct

from facilitair_llm.dialect_registry import load_dialect
from facilitair_llm.dialects import Dialect
from facilitair_llm.errors import DialectError
from facilitair_llm.model_entries import SHARED_FIELDS, Said, read_entry, read_shared
from facilitair_llm.urls import url_problem
from facilitair_llm.yaml_nodes import NodeChecker, compose

BUILT_IN_DIALECTS = {
    "openai": ("openai-chat",),
    "ollama": ("openai-chat", "ollama-chat"),
    "simulator": ("openai-chat",),
}
"""The providers whose address variables of their own tell, and the dialects they may speak."""
RESERVED = "facilitair"
PROVIDER_NAME = re.compile(r"[a-z0-9][a-z0-9_.-]*")
FILE_FIELDS = (
    "provider",
    "dialect",
    "base_url",
    "options",
    "default",
    "models",
    "unlisted_models",
    *SHARED_FIELDS,
)
SEED_FIELDS = ("provider", "version", "models")


class ModelFile(Struct, frozen=True, kw_only=True):
    """A file's content; `places` has `file:line` of each model.

    `base_url` is None for a provider of BUILT_IN_DIALECTS. `options` are fit for the dialect.
    `shared` is said of all models of the provider, also of those that no file describes.
    `unlisted_models` says that such ones may be named.
    """

    name: str
    provider: str
    dialect: str
    base_url: str | None
    options: dict[str, object]
    default: str | None
    shared: Mapping[str, Any]
    unlisted_models: bool
    models: tuple[Said, ...]
    places: tuple[str, ...]

    @property
    def address(self) -> tuple[object, ...]:
        """How the provider is reached: what all files of one provider have to agree in."""
        return (self.dialect, self.base_url, self.options)


class SeedFile(Struct, frozen=True, kw_only=True):
    """What was taken of a provider's models from elsewhere; the provider's own file wins."""

    name: str
    provider: str
    models: tuple[Said, ...]
    places: tuple[str, ...]


def read_model_file(
    path: Path, faults: list[str], *, seeded: Mapping[str, Container[str]]
) -> ModelFile | None:
    """Return the file's models, or None after adding to `faults` all that is wrong with it.

    `seeded` has the names of models that seeds describe, by provider.
    """
    checker = NodeChecker(name=path.name)
    root = _root(path, faults)
    if root is None:
        return None
    fields = checker.mapping(root, allowed=FILE_FIELDS, required=("provider", "dialect"))
    provider = _read_provider(checker, fields.get("provider"))
    dialect = _read_dialect(checker, fields.get("dialect"), provider=provider)
    base_url = _read_base_url(checker, fields, provider=provider)
    options = _read_options(checker, fields.get("options"), dialect=dialect)
    nodes = checker.sequence(fields.get("models"))
    models = tuple(read_entry(checker, node) for node in nodes)
    default = _read_default(
        checker, fields.get("default"), models=models, seeded=seeded.get(provider)
    )
    if provider in BUILT_IN_DIALECTS and "models" not in fields and provider not in seeded:
        checker.fault(root, "field 'models' is missing")
    shared = read_shared(checker, fields)
    unlisted_models = "unlisted_models" in fields and checker.flag(fields["unlisted_models"])
    faults.extend(checker.faults())
    if checker.faults() or dialect is None:
        return None
    return ModelFile(
        name=path.name,
        provider=provider,
        dialect=dialect.name,
        base_url=base_url,
        options=options,
        default=default,
        shared=shared,
        unlisted_models=unlisted_models,
        models=models,
        places=tuple(checker.place(node) for node in nodes),
    )


def read_seed_file(path: Path, faults: list[str]) -> SeedFile | None:
    """Return what the generator wrote, or None after adding to `faults` what is wrong with it."""
    checker = NodeChecker(name=f"{path.parent.name}/{path.name}")
    root = _root(path, faults)
    if root is None:
        return None
    fields = checker.mapping(root, allowed=SEED_FIELDS, required=SEED_FIELDS)
    provider = _read_provider(checker, fields.get("provider"))
    version = checker.text(fields.get("version"))
    nodes = checker.sequence(fields.get("models"))
    models = tuple(read_entry(checker, node, version=version) for node in nodes)
    faults.extend(checker.faults())
    if checker.faults():
        return None
    places = tuple(checker.place(node) for node in nodes)
    return SeedFile(name=checker.name, provider=provider, models=models, places=places)


def _root(path: Path, faults: list[str]) -> yaml.Node | None:
    try:
        root = compose(path.read_text(encoding="utf-8"))
    except OSError as error:
        faults.append(f"{path.name}:1: cannot be read: {error.strerror}")
        return None
    except UnicodeDecodeError:
        faults.append(f"{path.name}:1: the file is not UTF-8")
        return None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark is not None else 1
        faults.append(f"{path.name}:{line}: not YAML: {error.problem}")
        return None
    except yaml.reader.ReaderError as error:
        faults.append(f"{path.name}:1: not YAML: {error.reason}")
        return None
    if root is None:
        faults.append(f"{path.name}:1: the file is empty")
    return root


def _read_default(
    checker: NodeChecker,
    node: yaml.Node | None,
    *,
    models: tuple[Said, ...],
    seeded: Container[str] | None,
) -> str | None:
    if node is None:
        return None
    default = checker.text(node)
    listed = bool(models) or seeded is not None
    if (
        listed
        and default not in {said["name"] for said in models}
        and default not in (seeded or ())
    ):
        checker.fault(node, f"the default {default!r} is not among the models of this provider")
    return default


def _read_provider(checker: NodeChecker, node: yaml.Node | None) -> str:
    name = checker.text(node)
    if node is not None and name and not PROVIDER_NAME.fullmatch(name):
        checker.fault(node, f"{name!r} is no name of a provider: use a-z, 0-9, '-', '_' and '.'")
    if node is not None and name == RESERVED:
        checker.fault(node, f"{name!r} stands for workflows in names of models; use another name")
    return name


def _read_dialect(checker: NodeChecker, node: yaml.Node | None, *, provider: str) -> Dialect | None:
    name = checker.text(node)
    if node is None or not name:
        return None
    allowed = BUILT_IN_DIALECTS.get(provider)
    if allowed is not None and name not in allowed:
        checker.fault(node, f"{name!r} is not one of {', '.join(allowed)}")
        return None
    try:
        return load_dialect(name)
    except DialectError as error:
        checker.fault(node, str(error))
        return None


def _read_base_url(
    checker: NodeChecker, fields: dict[str, yaml.Node], *, provider: str
) -> str | None:
    node = fields.get("base_url")
    if provider in BUILT_IN_DIALECTS or "provider" not in fields:
        if node is not None:
            checker.fault(node, f"the address of {provider} is told by its variable, not here")
        return None
    if node is None:
        checker.fault(fields["provider"], "field 'base_url' is missing")
        return None
    url = checker.text(node)
    problem = url_problem(url) if url else None
    if problem is not None:
        checker.fault(node, problem)
    return url.rstrip("/")


def _read_options(
    checker: NodeChecker, node: yaml.Node | None, *, dialect: Dialect | None
) -> dict[str, object]:
    if node is None or dialect is None:
        return {}
    try:
        options = yaml.SafeLoader("").construct_document(node)
        msgspec.convert(options, dialect.options)
    except (yaml.YAMLError, msgspec.ValidationError) as error:
        told = " ".join(str(error).split())
        checker.fault(node, f"{dialect.name} takes no such options: {told}")
        return {}
    return dict(options)
