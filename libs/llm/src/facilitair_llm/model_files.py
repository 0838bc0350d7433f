"""One file of `models/`, checked field by field so that every fault has its line."""

from decimal import Decimal, InvalidOperation
from pathlib import Path

import yaml
from msgspec import Struct

from facilitair_events.definitions import Model, Prices

PROVIDERS = ("ollama", "openai", "simulator")
DIALECTS = ("openai-chat",)
FILE_FIELDS = ("provider", "dialect", "default", "models")
MODEL_FIELDS = ("name", "context_window", "max_output_tokens", "prices")
PRICE_FIELDS = ("input", "output", "cached_input", "reasoning")


class ModelFile(Struct, frozen=True):
    """A file's content; `places` has `file:line` of each model."""

    provider: str
    default: str | None
    models: tuple[Model, ...]
    places: tuple[str, ...]


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
    fields = checker.mapping(root, allowed=FILE_FIELDS, required=("provider", "dialect", "models"))
    provider = checker.choice(fields.get("provider"), PROVIDERS)
    checker.choice(fields.get("dialect"), DIALECTS)
    default_node = fields.get("default")
    default = None if default_node is None else checker.text(default_node)
    nodes = checker.sequence(fields.get("models"))
    models = tuple(_read_model(checker, node, provider=provider) for node in nodes)
    if default_node is not None and default not in {model.name for model in models}:
        checker.fault(default_node, f"the default {default!r} is not among the models of this file")
    faults.extend(checker.faults())
    if checker.faults():
        return None
    places = tuple(checker.place(node) for node in nodes)
    return ModelFile(provider=provider, default=default, models=models, places=places)


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
