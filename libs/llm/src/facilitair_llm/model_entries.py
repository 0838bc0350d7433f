"""What a file says of one model, or of all models of a provider."""

import hashlib
import re
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import msgspec
import yaml

from facilitair_events.definitions import Model, Prices, PriceTier, RateLimits
from facilitair_llm.yaml_nodes import NodeChecker, is_null

CAPABILITIES = ("tools", "json_schema", "images", "reasoning")
OMITTED = ("temperature",)
"""What an agent may say and a model may refuse to be told."""
KINDS = ("input", "output", "cached_input", "cache_write", "cache_write_1h", "reasoning")
OWN_VERSION = re.compile(r".+\.ya?ml [0-9a-f]{12}")
PRICE_FIELDS = (*KINDS, "tiers", "version", "until")
LIMIT_FIELDS = ("requests_per_minute", "tokens_per_minute")
SHARED_FIELDS = ("prices", "limits", "tags", "omit")
"""What may be said of all models of a provider at once."""
MODEL_FIELDS = ("name", "context_window", "max_output_tokens", "capabilities", *SHARED_FIELDS)
TAG = re.compile(r"[a-z0-9][a-z0-9_.:-]{0,63}")

Said = Mapping[str, Any]
"""Fields of `Model` that a file gives, by name; what it does not mention is not among them."""


def read_entry(checker: NodeChecker, node: yaml.Node, *, version: str | None = None) -> Said:
    """Return what an entry of `models` says; `version` is of prices that name none."""
    fields = checker.mapping(node, allowed=MODEL_FIELDS, required=("name",))
    said: dict[str, Any] = {"name": checker.text(fields.get("name"))}
    for name in ("context_window", "max_output_tokens"):
        if name in fields:
            said[name] = checker.count(fields[name])
    if "capabilities" in fields:
        node = fields["capabilities"]
        said["capabilities"] = None if is_null(node) else checker.texts(node, known=CAPABILITIES)
    return said | read_shared(checker, fields, version=version)


def read_shared(
    checker: NodeChecker, fields: Mapping[str, yaml.Node], *, version: str | None = None
) -> dict[str, Any]:
    """Return those of SHARED_FIELDS that are given."""
    said: dict[str, Any] = {}
    if "prices" in fields:
        said["prices"] = _read_prices(checker, fields["prices"], version=version)
    if "limits" in fields:
        said["limits"] = _read_limits(checker, fields["limits"])
    if "tags" in fields:
        said["tags"] = _read_tags(checker, fields["tags"])
    if "omit" in fields:
        said["omit"] = checker.texts(fields["omit"], known=OMITTED)
    return said


def merged(model: Model, said: Said) -> Model:
    """Return the model with what is said of it; a seed's fields that change are noted."""
    changed = {
        name
        for name, value in said.items()
        if (before := getattr(model, name)) != value and before not in {None, ()}
    }
    overridden = tuple(sorted({*model.overridden, *changed}))
    return msgspec.structs.replace(model, **said, overridden=overridden)


def _read_prices(checker: NodeChecker, node: yaml.Node, *, version: str | None) -> Prices | None:
    if is_null(node):
        return None
    fields = checker.mapping(node, allowed=PRICE_FIELDS, required=())
    kinds = _read_kinds(checker, fields)
    prices = Prices(
        **kinds,
        tiers=_read_tiers(checker, fields.get("tiers")),
        until=checker.day(fields["until"]) if "until" in fields else None,
    )
    if "version" in fields:
        version = checker.text(fields["version"])
    return msgspec.structs.replace(prices, version=version or _own_version(checker.name, prices))


def _read_kinds(checker: NodeChecker, fields: Mapping[str, yaml.Node]) -> dict[str, Any]:
    return {name: checker.price(fields[name]) for name in KINDS if name in fields}


def is_own(prices: Prices) -> bool:
    """Return whether somebody wrote these prices here, and they are no seed's."""
    return OWN_VERSION.fullmatch(prices.version or "") is not None


def _own_version(file: str, prices: Prices) -> str:
    """Return a name for prices that somebody wrote here: it changes whenever they do."""
    return f"{file} {hashlib.sha256(msgspec.json.encode(prices)).hexdigest()[:12]}"


def _read_tiers(checker: NodeChecker, node: yaml.Node | None) -> tuple[PriceTier, ...]:
    tiers: list[PriceTier] = []
    for entry in checker.sequence(node):
        allowed = ("above_input_tokens", *KINDS)
        fields = checker.mapping(entry, allowed=allowed, required=allowed[:1])
        above = checker.count(fields.get("above_input_tokens"))
        kinds = _read_kinds(checker, fields)
        if above is not None:
            tiers.append(PriceTier(above_input_tokens=above, **kinds))
    if node is not None and any(
        low.above_input_tokens >= high.above_input_tokens for low, high in pairwise(tiers)
    ):
        checker.fault(node, "the bounds of tiers must rise")
    return tuple(tiers)


def _read_limits(checker: NodeChecker, node: yaml.Node) -> RateLimits | None:
    if is_null(node):
        return None
    fields = checker.mapping(node, allowed=LIMIT_FIELDS, required=())
    return RateLimits(**{name: checker.count(value) for name, value in fields.items()})


def _read_tags(checker: NodeChecker, node: yaml.Node) -> tuple[str, ...]:
    tags = checker.texts(node)
    for tag in tags:
        if tag and TAG.fullmatch(tag) is None:
            checker.fault(node, f"{tag!r} is no tag: use a-z, 0-9, '-', '_', '.' and ':'")
    return tags
