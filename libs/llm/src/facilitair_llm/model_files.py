"""One file of `models/`, checked field by field so that every fault has its line."""

import re
from decimal import Decimal, InvalidOperation
from pathlib import Path

import msgspec
import yaml
from msgspec import Struct

from facilitair_events.definitions import Model, Prices
from facilitair_llm.dialect_registry import load_dialect
from facilitair_llm.dialects import Dialect
from facilitair_llm.errors import DialectError
from facilitair_llm.urls import url_problem

BUILT_IN_DIALECTS = {
    "openai": ("openai-chat",),
    "ollama": ("openai-chat", "ollama-chat"),
    "simulator": ("openai-chat",),
}
"""The providers whose address variables of their own tell, and the dialects they may speak."""
PROVIDER_NAME = re.compile(r"[a-z0-9][a-z0-9_.-]*")
FILE_FIELDS = ("provider", "dialect", "base_url", "options", "default", "models")
MODEL_FIELDS = ("name", "context_window", "max_output_tokens", "prices")
PRICE_FIELDS = ("input", "output", "cached_input", "reasoning")


class ModelFile(Struct, frozen=True):
    """A file's content; `places` has `file:line` of each model.

    `base_url` is None for a provider of BUILT_IN_DIALECTS. `options` are fit for the dialect.
    """

    name: str
    provider: str
    dialect: str
    base_url: str | None
    options: dict[str, object]
    default: str | None
    models: tuple[Model, ...]
    places: tuple[str, ...]

    @property
    def address(self) -> tuple[object, ...]:
        """How the provider is reached: what all files of one provider have to agree in."""
        return (self.dialect, self.base_url, self.options)


def read_model_file(path: Path, faults: list[str]) -> ModelFile | None:
    """Return the file's models, or None after adding to `faults` all that is wrong with it."""
    checker = _Checker(name=path.name)
    try:
        root = yaml.compose(path.read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
    except UnicodeDecodeError:
        faults.append(f"{path.name}:1: the file is not UTF-8")
        return None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark is not None else 1
        faults.append(f"{path.name}:{line}: not YAML: {error.problem}")
        return None
    if root is None:
        faults.append(f"{path.name}:1: the file is empty")
        return None
    fields = checker.mapping(root, allowed=FILE_FIELDS, required=("provider", "dialect"))
    provider = _read_provider(checker, fields.get("provider"))
    dialect = _read_dialect(checker, fields.get("dialect"), provider=provider)
    base_url = _read_base_url(checker, fields, provider=provider)
    options = _read_options(checker, fields.get("options"), dialect=dialect)
    default_node = fields.get("default")
    default = None if default_node is None else checker.text(default_node)
    nodes = checker.sequence(fields.get("models"))
    models = tuple(_read_model(checker, node, provider=provider) for node in nodes)
    if default_node is not None and models and default not in {model.name for model in models}:
        checker.fault(default_node, f"the default {default!r} is not among the models of this file")
    if provider in BUILT_IN_DIALECTS and "models" not in fields:
        checker.fault(root, "field 'models' is missing")
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
        models=models,
        places=tuple(checker.place(node) for node in nodes),
    )


def _read_provider(checker: "_Checker", node: yaml.Node | None) -> str:
    name = checker.text(node)
    if node is not None and name and not PROVIDER_NAME.fullmatch(name):
        checker.fault(node, f"{name!r} is no name of a provider: use a-z, 0-9, '-', '_' and '.'")
    return name


def _read_dialect(checker: "_Checker", node: yaml.Node | None, *, provider: str) -> Dialect | None:
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
    checker: "_Checker", fields: dict[str, yaml.Node], *, provider: str
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
    checker: "_Checker", node: yaml.Node | None, *, dialect: Dialect | None
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


def _read_model(checker: "_Checker", node: yaml.Node, *, provider: str) -> Model:
    fields = checker.mapping(node, allowed=MODEL_FIELDS, required=("name",))
    prices_node = fields.get("prices")
    prices = None
    if prices_node is not None and not _is_null(prices_node):
        price_fields = checker.mapping(prices_node, allowed=PRICE_FIELDS, required=())
        prices = Prices(**{name: checker.price(price) for name, price in price_fields.items()})
    return Model(
        name=checker.text(fields.get("name")),
        provider=provider,
        context_window=checker.count(fields.get("context_window")),
        max_output_tokens=checker.count(fields.get("max_output_tokens")),
        prices=prices,
        simulated=provider == "simulator",
    )


class _Checker:
    """Takes values out of YAML nodes; what is wrong becomes a fault and an empty value."""

    def __init__(self, *, name: str) -> None:
        self._name = name
        self._faults: list[tuple[int, str]] = []

    def faults(self) -> list[str]:
        """Return what was found so far, by line."""
        return [f"{self._name}:{line}: {problem}" for line, problem in sorted(self._faults)]

    def place(self, node: yaml.Node) -> str:
        return f"{self._name}:{node.start_mark.line + 1}"

    def fault(self, node: yaml.Node, problem: str) -> None:
        self._faults.append((node.start_mark.line + 1, problem))

    def mapping(
        self, node: yaml.Node, *, allowed: tuple[str, ...], required: tuple[str, ...]
    ) -> dict[str, yaml.Node]:
        if not isinstance(node, yaml.MappingNode):
            self.fault(node, f"expected fields ({', '.join(allowed)})")
            return {}
        found: dict[str, yaml.Node] = {}
        for key, value in node.value:
            name = key.value if isinstance(key, yaml.ScalarNode) else ""
            if name not in allowed:
                self.fault(key, f"unknown field {name!r}; there are {', '.join(allowed)}")
            elif name in found:
                self.fault(key, f"field {name!r} stands here twice")
            else:
                found[name] = value
        for name in required:
            if name not in found:
                self.fault(node, f"field {name!r} is missing")
        return found

    def sequence(self, node: yaml.Node | None) -> list[yaml.Node]:
        if node is None:
            return []
        if not isinstance(node, yaml.SequenceNode) or not node.value:
            self.fault(node, "expected a list with at least one entry")
            return []
        return list(node.value)

    def text(self, node: yaml.Node | None) -> str:
        if node is None:
            return ""
        if not isinstance(node, yaml.ScalarNode) or not node.tag.endswith(":str") or not node.value:
            self.fault(node, "expected a text")
            return ""
        return str(node.value)

    def choice(self, node: yaml.Node | None, known: tuple[str, ...]) -> str:
        text = self.text(node)
        if node is not None and text and text not in known:
            self.fault(node, f"{text!r} is not one of {', '.join(known)}")
        return text

    def count(self, node: yaml.Node | None) -> int | None:
        if node is None or _is_null(node):
            return None
        if isinstance(node, yaml.ScalarNode) and node.value.isdecimal() and int(node.value) > 0:
            return int(node.value)
        self.fault(node, "expected a whole number above 0, or null where it is unknown")
        return None

    def price(self, node: yaml.Node) -> Decimal | None:
        if _is_null(node):
            return None
        if isinstance(node, yaml.ScalarNode) and node.tag.endswith(":str"):
            try:
                price = Decimal(node.value)
            except InvalidOperation:
                price = Decimal("NaN")
            if price.is_finite() and price >= 0:
                return price
        self.fault(
            node,
            "expected USD for a million tokens as a quoted number such as '0.25', "
            "or null where it is unknown",
        )
        return None


def _is_null(node: yaml.Node) -> bool:
    return isinstance(node, yaml.ScalarNode) and bool(node.tag.endswith(":null"))
