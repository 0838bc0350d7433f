"""The models that come with the product: where their prices are from, and that sums are right."""

import hashlib
import json
import re
from datetime import datetime
from decimal import Decimal
from pathlib import Path

import pytest

from facilitair_events.requests import Usage
from facilitair_llm.catalog import load_models
from facilitair_llm.pricing import cost_usd, tier_for

SHIPPED = Path(__file__).parents[4] / "models"
RECORD = json.loads((SHIPPED / "seed" / "record.json").read_bytes())
GOLDEN = json.loads((Path(__file__).parent / "golden" / "costs.json").read_bytes())
CATALOG = load_models(SHIPPED)
SEEDED = {name.removesuffix(".yaml") for name in RECORD["files"]}


def test_every_provider_has_a_default_or_is_asked_for_its_model():
    asked_for_a_model = {"lmstudio", "vllm"}
    providers = {path.stem for path in SHIPPED.glob("*.yaml")} - {"simulated"} | {"simulator"}
    assert set(CATALOG.defaults) == providers - asked_for_a_model


@pytest.mark.parametrize("name", RECORD["files"])
def test_a_seed_is_what_the_record_says_was_taken(name):
    content = (SHIPPED / "seed" / name).read_bytes()
    told = RECORD["files"][name]
    assert hashlib.sha256(content).hexdigest() == told["sha256"], "seeds are not edited by hand"
    assert content.count(b"  - name: ") == told["models"]


def test_a_seeded_price_says_where_it_is_from_and_of_when():
    source = RECORD["sources"]["prices"]
    version = f"{source['package']} {source['version']} of {source['released']}"
    seeded = [m for m in CATALOG.models if m.provider in SEEDED and m.prices is not None]
    assert len(seeded) > 60
    assert {model.prices.version for model in seeded} == {version}
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", RECORD["taken"])


def test_a_local_model_is_not_free_because_nobody_declared_it():
    for provider in ("ollama", "lmstudio", "vllm"):
        assert CATALOG.find(provider=provider, name="any").prices is None


def test_only_the_simulator_is_simulated():
    assert {model.provider for model in CATALOG.models if model.simulated} == {"simulator"}


@pytest.mark.parametrize("provider", sorted(SEEDED))
def test_a_cost_is_what_the_source_of_the_prices_makes_of_it_or_unknown(provider):
    """The source pays a kind without a price at another kind's; to us that is unknown."""
    at = datetime.fromisoformat(f"{GOLDEN['at']}T00:00:00+00:00")
    rows = [row for row in GOLDEN["rows"] if row["provider"] == provider]
    assert rows
    for row in rows:
        usage = Usage(
            input_tokens=row["usage"]["input_tokens"],
            output_tokens=row["usage"]["output_tokens"],
            cached_input_tokens=row["usage"].get("cache_read_tokens", 0),
            cache_write_tokens=row["usage"].get("cache_write_tokens", 0),
            reasoning_tokens=row["usage"].get("output_reasoning_tokens", 0),
        )
        prices = CATALOG.find(provider=provider, name=row["model"]).prices
        table = tier_for(prices, input_tokens=usage.input_tokens)
        lacking = (usage.cached_input_tokens and table.cached_input is None) or (
            usage.cache_write_tokens and table.cache_write is None
        )
        expected = None if lacking else Decimal(row["cost_usd"])
        assert cost_usd(prices, usage, at=at) == expected, row
