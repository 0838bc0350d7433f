"""Fields of a YAML mapping, taken one by one; what is wrong becomes a fault and reading goes on."""

import re
from typing import Final

from facilitair_workflows.findings import Findings
from facilitair_workflows.suggestions import near_miss
from facilitair_workflows.yaml_positions import YamlList, YamlMap, YamlNode, YamlScalar

STEP_ID: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
"""Of steps: no dot, because paths join ids and iteration numbers with dots."""

NAME: Final = re.compile(r"[a-z0-9][a-z0-9_.-]{0,62}")
"""Of workflows, agents, prompts and labels (R18)."""

MODEL: Final = re.compile(r"[a-z0-9][a-z0-9_.-]*/[A-Za-z0-9][A-Za-z0-9_./:@+-]{0,190}")
"""Of models that somebody names: the provider, and what it calls the model."""

HOUR_S: Final = 3600.0
DAY_S: Final = 24 * HOUR_S

_DURATION: Final = re.compile(r"([0-9]{1,6}(?:\.[0-9]{1,3})?)(ms|s|m|h|d)")
_SECONDS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


class Fields:
    """One mapping whose keys are known. Its methods give None where there is no usable value."""

    def __init__(
        self, node: YamlMap, *, known: tuple[str, ...], what: str, findings: Findings
    ) -> None:
        self.node = node
        self.what = what
        self.findings = findings
        for key, entry in node.entries.items():
            if key not in known:
                advice = near_miss(key, known) or f"; there are {', '.join(known)}"
                findings.add(entry.line, f"unknown key {key!r} in {what}{advice}")

    def has(self, key: str) -> bool:
        """Whether the key is written, whatever its value."""
        return key in self.node.entries

    def line(self, key: str) -> int:
        """The line of a key, or of the mapping when the key is not there."""
        entry = self.node.entries.get(key)
        return entry.line if entry else self.node.line

    def fault(self, key: str, message: str) -> None:
        """Add a fault at a key."""
        self.findings.add(self.line(key), message)

    def value(self, key: str, *, required: bool = False) -> YamlNode | None:
        """The node of a key; a missing one is a fault when it is required."""
        entry = self.node.entries.get(key)
        if entry is None:
            if required:
                self.findings.add(self.node.line, f"{self.what} has no {key!r}")
            return None
        return entry.value

    def text(self, key: str, *, required: bool = False) -> str | None:
        """A text that is not blank."""
        node = self.value(key, required=required)
        if node is None:
            return None
        if not isinstance(node, YamlScalar) or not isinstance(node.value, str):
            self.fault(key, f"{key!r} must be a text, is {kind_of(node)}{_quotes(node)}")
            return None
        if not node.value.strip():
            self.fault(key, f"{key!r} is empty")
            return None
        return node.value

    def word(self, key: str, *, of: tuple[str, ...]) -> str | None:
        """One of these words."""
        text = self.text(key)
        if text is not None and text not in of:
            advice = near_miss(text, of)
            self.fault(key, f"{key!r} must be one of {', '.join(of)}, is {text!r}{advice}")
            return None
        return text

    def name(
        self, key: str, *, pattern: re.Pattern[str] = NAME, required: bool = False
    ) -> str | None:
        """A text that names something; one that breaks the pattern is a fault and still given."""
        text = self.text(key, required=required)
        if text is not None and not pattern.fullmatch(text):
            self.fault(key, bad_name(text, pattern=pattern))
        return text

    def integer(self, key: str, *, low: int, high: int) -> int | None:
        """A whole number in a range, both ends included."""
        value = self._number(key, "a whole number", low=low, high=high)
        if isinstance(value, float):
            self.fault(key, f"{key!r} must be a whole number, is {value:g}")
            return None
        return value

    def number(self, key: str, *, low: float, high: float) -> float | None:
        """A number in a range, both ends included."""
        value = self._number(key, "a number", low=low, high=high)
        return None if value is None else float(value)

    def _number(self, key: str, kind: str, *, low: float, high: float) -> int | float | None:
        node = self.value(key)
        if node is None:
            return None
        value = node.value if isinstance(node, YamlScalar) else None
        if isinstance(value, bool) or not isinstance(value, int | float):
            self.fault(key, f"{key!r} must be {kind}, is {kind_of(node)}")
            return None
        if not low <= value <= high:
            self.fault(key, f"{key!r} must be from {low:g} to {high:g}, is {value:g}")
            return None
        return value

    def duration_s(self, key: str, *, low_s: float, high_s: float) -> float | None:
        """A duration such as ``90s`` or ``10m``, in seconds."""
        node = self.value(key)
        if node is None:
            return None
        value = node.value if isinstance(node, YamlScalar) else None
        match = _DURATION.fullmatch(value) if isinstance(value, str) else None
        if match is None:
            advice = f" (did you mean {value}s?)" if type(value) in (int, float) else ""
            self.fault(key, f"{key!r} must be a duration such as 500ms, 90s, 10m or 1h{advice}")
            return None
        seconds = float(match.group(1)) * _SECONDS[match.group(2)]
        if not low_s <= seconds <= high_s:
            self.fault(key, f"{key!r} must be from {low_s:g}s to {high_s:g}s, is {seconds:g}s")
            return None
        return seconds

    def mapping(self, key: str, *, required: bool = False) -> YamlMap | None:
        """A mapping."""
        node = self.value(key, required=required)
        if node is None or isinstance(node, YamlMap):
            return node
        self.fault(key, f"{key!r} must be a mapping, is {kind_of(node)}")
        return None

    def sequence(self, key: str, *, required: bool = False) -> YamlList | None:
        """A list with at least one item."""
        node = self.value(key, required=required)
        if node is None:
            return None
        if not isinstance(node, YamlList):
            self.fault(key, f"{key!r} must be a list, is {kind_of(node)}")
            return None
        if required and not node.items:
            self.fault(key, f"{key!r} is empty")
            return None
        return node

    def texts(self, key: str, *, required: bool = False) -> tuple[tuple[str, int], ...]:
        """The texts of a list, each with its line."""
        node = self.sequence(key, required=required)
        found: list[tuple[str, int]] = []
        for item in node.items if node else ():
            if isinstance(item, YamlScalar) and isinstance(item.value, str) and item.value.strip():
                found.append((item.value, item.line))
            else:
                self.findings.add(
                    item.line, f"{key!r} must hold texts, has {kind_of(item)}{_quotes(item)}"
                )
        return tuple(found)


def bad_name(text: str, *, pattern: re.Pattern[str]) -> str:
    """Why a text is no name."""
    signs = "_ and -" if pattern is STEP_ID else "_ . and -"
    return (
        f"{text!r} is not a name: use a-z, 0-9, {signs}, begin with a letter or digit, at most 63"
    )


def kind_of(node: YamlNode) -> str:
    """The kind of a node in words."""
    if isinstance(node, YamlMap):
        return "a mapping"
    if isinstance(node, YamlList):
        return "a list"
    value = node.value
    if value is None:
        return "empty"
    if isinstance(value, bool):
        return "true or false"
    return "a text" if isinstance(value, str) else "a number"


def _quotes(node: YamlNode) -> str:
    """Numbers and truth values that were meant as texts need quotes."""
    needs = isinstance(node, YamlScalar) and node.value is not None
    return "; put it in quotes" if needs else ""
