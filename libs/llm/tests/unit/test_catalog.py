from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facilitair_events.definitions import Model, Prices
from facilitair_llm.calls import Usage
from facilitair_llm.catalog import cost_usd, load_models
from facilitair_llm.errors import CatalogError

SHIPPED = Path(__file__).parents[4] / "models"
GOOD = """\
provider: openai
dialect: openai-chat
default: a
models:
  - name: a
    context_window: 1000
    max_output_tokens: null
    prices:
      input: "0.25"
      output: null
  - name: b
"""
PRICES = Prices(
    input=Decimal("0.25"),
    output=Decimal(2),
    cached_input=Decimal("0.025"),
    reasoning=Decimal(3),
)


def faults_of(directory, **files):
    for name, text in files.items():
        (directory / f"{name}.yaml").write_text(text)
    with pytest.raises(CatalogError) as caught:
        load_models(directory)
    return list(caught.value.faults)


def test_a_file_gives_its_models_and_its_default(tmp_path):
    (tmp_path / "x.yaml").write_text(GOOD)
    catalog = load_models(tmp_path)
    priced = Prices(input=Decimal("0.25"))
    assert catalog.models == (
        Model(name="a", provider="openai", context_window=1000, prices=priced),
        Model(name="b", provider="openai"),
    )
    assert catalog.defaults == {"openai": "a"}


def test_a_model_that_no_file_describes_is_usable_with_unknown_price(tmp_path):
    (tmp_path / "x.yaml").write_text(GOOD)
    found = load_models(tmp_path).find(provider="openai", name="brand-new")
    assert found == Model(name="brand-new", provider="openai")


def test_the_shipped_files_have_a_default_for_each_provider_and_prices_for_the_simulator_alone():
    catalog = load_models(SHIPPED)
    asked_for_a_model = {"lmstudio", "vllm"}
    providers = {path.stem for path in SHIPPED.glob("*.yaml")} - {"simulated"} | {"simulator"}
    assert set(catalog.defaults) == providers - asked_for_a_model
    assert {model.provider for model in catalog.models if model.prices} == {"simulator"}
    assert {model.provider for model in catalog.models if model.simulated} == {"simulator"}


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("provider: openai", "provider: other", "1: field 'base_url' is missing"),
        ("provider: openai", "provider: Other", "1: 'Other' is no name of a provider"),
        ("dialect: openai-chat", "dialect: smoke", "2: 'smoke' is not one of openai-chat"),
        ("dialect: openai-chat\n", "", "1: field 'dialect' is missing"),
        ("default: a", "default: c", "3: the default 'c' is not among the models"),
        ("- name: b", "- nam: b", "11: unknown field 'nam'"),
        ("- name: b", "- context_window: 4", "11: field 'name' is missing"),
        ("- name: b", "- name: 4", "11: expected a text"),
        ("- name: b", "- name: a", "11: model 'a' of openai stands at x.yaml:5 already"),
        ("- name: b", "- b", "11: expected fields"),
        ("default: a", "default: a\ndefault: b", "4: field 'default' stands here twice"),
        ("1000", "-5", "6: expected a whole number above 0"),
        ("1000", "many", "6: expected a whole number above 0"),
        ('"0.25"', "0.25", "9: expected USD for a million tokens as a quoted number"),
        ('"0.25"', '"-1"', "9: expected USD"),
        ('"0.25"', '"inf"', "9: expected USD"),
        ('"0.25"', '"free"', "9: expected USD"),
        ("models:", "models: [\nx:", "not YAML"),
    ],
)
def test_a_fault_is_named_with_file_and_line(tmp_path, old, new, fault):
    assert old in GOOD
    found = faults_of(tmp_path, x=GOOD.replace(old, new))
    assert any(f"x.yaml:{fault}" in line or fault in line for line in found), found
    assert all(line.startswith("x.yaml:") for line in found)


def test_the_faults_of_all_files_come_at_once(tmp_path):
    bad = GOOD.replace("1000", "x").replace('"0.25"', "1").replace("default: a", "default: z")
    found = faults_of(tmp_path, one=bad, two=bad)
    assert [line.partition(" ")[0] for line in found] == [
        "one.yaml:3:",
        "one.yaml:6:",
        "one.yaml:9:",
        "two.yaml:3:",
        "two.yaml:6:",
        "two.yaml:9:",
    ]


@pytest.mark.parametrize("text", ["", "[]", "models: []\nprovider: openai\ndialect: openai-chat"])
def test_a_file_without_models_is_a_fault(tmp_path, text):
    assert faults_of(tmp_path, x=text)


def test_a_folder_without_files_and_a_file_that_is_no_text_are_faults(tmp_path):
    assert "there is no file" in faults_of(tmp_path)[0]
    (tmp_path / "x.yaml").write_bytes(b"\xff")
    assert faults_of(tmp_path) == ["x.yaml:1: the file is not UTF-8"]


def test_each_kind_of_token_has_its_own_price():
    usage = Usage(
        input_tokens=3_000_000,
        cached_input_tokens=1_000_000,
        output_tokens=2_000_000,
        reasoning_tokens=1_000_000,
    )
    assert cost_usd(PRICES, usage) == Decimal("5.525")


@pytest.mark.parametrize(
    ("prices", "usage"),
    [
        (None, Usage()),
        (Prices(), Usage(input_tokens=1)),
        (Prices(input=Decimal(1)), Usage(output_tokens=1)),
        (
            Prices(input=Decimal(1), output=Decimal(1)),
            Usage(input_tokens=2, cached_input_tokens=1),
        ),
        (Prices(input=Decimal(1), output=Decimal(1)), Usage(output_tokens=2, reasoning_tokens=1)),
        (PRICES, Usage(input_tokens=1, cached_input_tokens=2)),
    ],
)
def test_what_has_no_known_price_costs_an_unknown_amount_and_never_0(prices, usage):
    assert cost_usd(prices, usage) is None


def test_tokens_that_were_not_used_need_no_price():
    assert cost_usd(Prices(input=Decimal(1)), Usage(input_tokens=500_000)) == Decimal("0.5")


@given(parts=st.lists(st.integers(0, 10**7), min_size=1, max_size=6))
def test_the_cost_of_a_sum_is_the_sum_of_the_costs(parts):
    each = [cost_usd(PRICES, Usage(input_tokens=n, output_tokens=n)) for n in parts]
    assert sum(each) == cost_usd(PRICES, Usage(input_tokens=sum(parts), output_tokens=sum(parts)))
