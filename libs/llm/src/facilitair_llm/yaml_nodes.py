"""Values taken out of YAML nodes, so that every fault has its file and line."""

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation

import yaml

# Bytes are read three times faster by libyaml, which not every build of PyYAML has.
Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

MAX_DECIMALS = 20
MAX_PRICE = 10**6
_COUNT = re.compile(r"[1-9][0-9]{0,14}")


def compose(text: str) -> yaml.Node | None:
    """Return the root of a YAML document, None for an empty one. Raises MarkedYAMLError."""
    return yaml.compose(text, Loader=Loader)


def is_null(node: yaml.Node) -> bool:
    """Return whether a value is there and is null, which means unknown."""
    return isinstance(node, yaml.ScalarNode) and node.tag.endswith(":null")


class NodeChecker:
    """Takes values out of YAML nodes; what is wrong becomes a fault and an empty value."""

    def __init__(self, *, name: str) -> None:
        self._name = name
        self._faults: list[tuple[int, str]] = []

    @property
    def name(self) -> str:
        """The file that is read."""
        return self._name

    def faults(self) -> list[str]:
        """Return what was found so far, by line."""
        return [f"{self._name}:{line}: {problem}" for line, problem in sorted(self._faults)]

    def place(self, node: yaml.Node) -> str:
        """Return `file:line` of a node."""
        return f"{self._name}:{node.start_mark.line + 1}"

    def fault(self, node: yaml.Node, problem: str) -> None:
        """Add what is wrong with a node."""
        self._faults.append((node.start_mark.line + 1, problem))

    def mapping(
        self, node: yaml.Node, *, allowed: tuple[str, ...], required: tuple[str, ...]
    ) -> dict[str, yaml.Node]:
        """Return the fields of a mapping by their names."""
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
        """Return the entries of a list that may be left out, but not empty."""
        if node is None:
            return []
        if not isinstance(node, yaml.SequenceNode) or not node.value:
            self.fault(node, "expected a list with at least one entry")
            return []
        return list(node.value)

    def texts(self, node: yaml.Node, *, known: Iterable[str] | None = None) -> tuple[str, ...]:
        """Return a list of different texts, possibly none, of those that are known."""
        if not isinstance(node, yaml.SequenceNode):
            self.fault(node, "expected a list of texts")
            return ()
        found: list[str] = []
        for entry in node.value:
            text = self.text(entry)
            if known is not None and text and text not in known:
                self.fault(entry, f"{text!r} is not one of {', '.join(known)}")
            elif text in found:
                self.fault(entry, f"{text!r} stands here twice")
            found.append(text)
        return tuple(found)

    def text(self, node: yaml.Node | None) -> str:
        """Return a text that is not empty."""
        if node is None:
            return ""
        if not isinstance(node, yaml.ScalarNode) or not node.tag.endswith(":str") or not node.value:
            self.fault(node, "expected a text")
            return ""
        return str(node.value)

    def flag(self, node: yaml.Node) -> bool:
        """Return a yes or no."""
        if isinstance(node, yaml.ScalarNode) and node.value in {"true", "false"}:
            return bool(node.value == "true")
        self.fault(node, "expected true or false")
        return False

    def count(self, node: yaml.Node | None) -> int | None:
        """Return a whole number above 0, or None."""
        if node is None or is_null(node):
            return None
        if isinstance(node, yaml.ScalarNode) and _COUNT.fullmatch(node.value):
            return int(node.value)
        self.fault(node, "expected a whole number above 0, or null where it is unknown")
        return None

    def price(self, node: yaml.Node) -> Decimal | None:
        """Return an exact price, or None."""
        if is_null(node):
            return None
        if isinstance(node, yaml.ScalarNode) and node.tag.endswith(":str"):
            try:
                price = Decimal(node.value)
            except InvalidOperation:
                price = Decimal("NaN")
            known = price.is_finite() and 0 <= price <= MAX_PRICE
            if known and -int(price.as_tuple().exponent) <= MAX_DECIMALS:
                return price
        self.fault(
            node,
            "expected USD for a million tokens as a quoted number such as '0.25' (at most "
            f"{MAX_DECIMALS} decimals and {MAX_PRICE:,}), or null where it is unknown",
        )
        return None

    def day(self, node: yaml.Node) -> datetime | None:
        """Return the start of a day in UTC, or None."""
        if is_null(node):
            return None
        try:
            return datetime.strptime(node.value, "%Y-%m-%d").replace(tzinfo=UTC)
        except (TypeError, ValueError):
            self.fault(node, "expected a day such as 2027-01-31")
            return None
