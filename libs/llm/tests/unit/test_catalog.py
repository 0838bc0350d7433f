from datetime import UTC, datetime
from decimal import Decimal

import pytest

from facilitair_events.definitions import Model, RateLimits
from facilitair_llm.catalog import load_models
from facilitair_llm.errors import CatalogError

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


def faults_of(directory, **files):
    for name, text in files.items():
        (directory / f"{name}.yaml").write_text(text)
    with pytest.raises(CatalogError) as caught:
        load_models(directory)
    return list(caught.value.faults)


def test_a_file_gives_its_models_and_its_default(tmp_path):
    (tmp_path / "x.yaml").write_text(GOOD)
    catalog = load_models(tmp_path)
    [priced, _] = (model.prices for model in catalog.models)
    assert (priced.input, priced.output) == (Decimal("0.25"), None)
    assert catalog.models == (
        Model(name="a", provider="openai", context_window=1000, prices=priced),
        Model(name="b", provider="openai"),
    )
    assert catalog.defaults == {"openai": "a"}


def test_a_model_that_no_file_describes_is_usable_with_unknown_price(tmp_path):
    (tmp_path / "x.yaml").write_text(GOOD)
    found = load_models(tmp_path).find(provider="openai", name="brand-new")
    assert found == Model(name="brand-new", provider="openai")


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("provider: openai", "provider: other", "1: field 'base_url' is missing"),
        ("provider: openai", "provider: Other", "1: 'Other' is no name of a provider"),
        ("provider: openai", "provider: facilitair", "1: 'facilitair' stands for workflows"),
        ("default: a", "unlisted_models: maybe", "3: expected true or false"),
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
        ('"0.25"', '"1e400"', "9: expected USD"),
        ("1000", "9" * 5000, "6: expected a whole number above 0"),
        ("default: a", 'default: "\x1b"', "1: not YAML: "),
        ('"0.25"', '"0.123456789012345678901"', "9: expected USD"),
        ("models:", "models: [\nx:", "not YAML"),
    ],
)
def test_a_fault_is_named_with_file_and_line(tmp_path, old, new, fault):
    assert old in GOOD
    found = faults_of(tmp_path, x=GOOD.replace(old, new))
    assert any(f"x.yaml:{fault}" in line or fault in line for line in found), found
    assert all(line.startswith("x.yaml:") for line in found)


def test_a_file_that_cannot_or_will_not_be_read_is_named(tmp_path):
    (tmp_path / "gone.yaml").symlink_to(tmp_path / "nowhere")
    (tmp_path / "folder.yaml").mkdir()
    (tmp_path / "other.yml").write_text(GOOD)
    assert faults_of(tmp_path, good=GOOD) == [
        "other.yml:1: is not read; rename it to end in .yaml",
        "folder.yaml:1: cannot be read: Is a directory",
        "gone.yaml:1: cannot be read: No such file or directory",
    ]


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


SEED = """\
provider: openai
version: prices-of-somebody 1.0 of 2026-11-10
models:
  - name: a
    context_window: 2000
    max_output_tokens: 500
    capabilities: [tools, images]
    omit: [temperature]
    prices:
      input: "9"
      tiers:
        - {above_input_tokens: 200, input: "18"}
        - {above_input_tokens: 400, input: "36"}
      until: 2027-01-01
  - name: seeded
    prices: {input: "1"}
"""


def seeded(tmp_path, text=GOOD, seed=SEED):
    (tmp_path / "openai.yaml").write_text(text)
    (tmp_path / "seed").mkdir(exist_ok=True)
    (tmp_path / "seed" / "openai.yaml").write_text(seed)
    return load_models(tmp_path)


def test_a_providers_own_file_wins_over_its_seed_field_by_field_and_that_shows(tmp_path):
    catalog = seeded(tmp_path)
    own, other = (
        catalog.find(provider="openai", name="a"),
        catalog.find(provider="openai", name="b"),
    )
    assert own.prices.input == Decimal("0.25")
    assert own.prices.tiers == ()
    assert (own.context_window, own.max_output_tokens) == (1000, None)
    assert own.capabilities == ("tools", "images")
    assert own.omit == ("temperature",)
    assert own.overridden == ("context_window", "max_output_tokens", "prices")
    assert other.overridden == ()


def test_a_seed_gives_models_prices_and_their_version(tmp_path):
    text = "provider: openai\ndialect: openai-chat\ndefault: seeded\n"
    catalog = seeded(tmp_path, text=text)
    assert [model.name for model in catalog.models] == ["a", "seeded"]
    assert catalog.defaults == {"openai": "seeded"}
    first, second = (model.prices for model in catalog.models)
    assert first.version == second.version == "prices-of-somebody 1.0 of 2026-11-10"
    assert [(tier.above_input_tokens, tier.input) for tier in first.tiers] == [(200, 18), (400, 36)]
    assert first.until == datetime(2027, 1, 1, tzinfo=UTC)


def test_an_unknown_price_can_be_put_in_place_of_a_seeds(tmp_path):
    text = GOOD.replace(
        '    prices:\n      input: "0.25"\n      output: null\n', "    prices: null\n"
    )
    model = seeded(tmp_path, text=text).find(provider="openai", name="a")
    assert model.prices is None
    assert "prices" in model.overridden


def test_prices_of_an_own_file_have_a_version_that_changes_with_them(tmp_path):
    def version(text):
        (tmp_path / "x.yaml").write_text(text)
        return load_models(tmp_path).models[0].prices.version

    first = version(GOOD)
    assert first.startswith("x.yaml ")
    assert version(GOOD) == first
    assert version(GOOD.replace("0.25", "0.26")) != first
    named = GOOD.replace(
        '      input: "0.25"', '      input: "0.25"\n      version: contract of May'
    )
    assert version(named) == "contract of May"


LOCAL = """\
provider: here
dialect: openai-chat
base_url: http://127.0.0.1:9/v1
tags: [local, "residency:eu"]
limits: {requests_per_minute: 60, tokens_per_minute: 1000}
prices: {input: "0", output: "0"}
omit: [temperature]
models:
  - name: a
  - name: b
    tags: []
    limits: null
    prices: null
    omit: []
"""


def test_what_is_said_of_a_provider_counts_for_all_its_models_also_for_one_no_file_has(tmp_path):
    (tmp_path / "x.yaml").write_text(LOCAL)
    catalog = load_models(tmp_path)
    for name in ("a", "brand-new"):
        model = catalog.find(provider="here", name=name)
        assert model.name == name
        assert model.tags == ("local", "residency:eu")
        assert model.limits == RateLimits(requests_per_minute=60, tokens_per_minute=1000)
        assert model.prices.input == model.prices.output == 0
        assert model.omit == ("temperature",)
        assert model.overridden == ()
    other = catalog.find(provider="here", name="b")
    assert (other.tags, other.limits, other.prices, other.omit) == ((), None, None, ())


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("[tools, images]", "[tools, magic]", "7: 'magic' is not one of tools, json_schema"),
        ("[tools, images]", "[tools, tools]", "7: 'tools' stands here twice"),
        ("[tools, images]", "tools", "7: expected a list of texts"),
        ("[temperature]", "[top_p]", "8: 'top_p' is not one of temperature"),
        ("above_input_tokens: 400", "above_input_tokens: 200", "12: the bounds of tiers must rise"),
        ("above_input_tokens: 400, ", "", "13: field 'above_input_tokens' is missing"),
        ("2027-01-01", "soon", "14: expected a day such as 2027-01-31"),
        ("version: prices-of-somebody 1.0 of 2026-11-10\n", "", "1: field 'version' is missing"),
        ("provider: openai", "provider: nobody", "1: nobody has no file in the folder above"),
        ("- name: seeded", "- name: a", "15: model 'a' of openai stands at seed/openai.yaml:4"),
    ],
)
def test_a_fault_of_a_seed_is_named_with_file_and_line(tmp_path, old, new, fault):
    assert old in SEED
    with pytest.raises(CatalogError) as caught:
        seeded(tmp_path, seed=SEED.replace(old, new))
    assert any(line.startswith(f"seed/openai.yaml:{fault}") for line in caught.value.faults), (
        caught.value.faults
    )


@pytest.mark.parametrize("tag", ["Big", "a b", "-x", "a" * 65])
def test_a_tag_is_one_word(tmp_path, tag):
    [fault] = faults_of(tmp_path, x=LOCAL.replace("[local", f"[{tag!r}"))
    assert f"{tag!r} is no tag" in fault


@pytest.mark.parametrize(
    ("text", "is_open"),
    [
        (LOCAL, False),
        (f"{LOCAL}unlisted_models: true\n", True),
        (LOCAL[: LOCAL.index("models:")], True),
    ],
)
def test_a_provider_without_a_list_of_models_or_that_says_so_has_others_too(
    tmp_path, text, is_open
):
    (tmp_path / "x.yaml").write_text(text)
    assert load_models(tmp_path).open_providers == ({"here"} if is_open else set())


def test_agents_may_name_unlisted_models_of_open_providers_alone(tmp_path):
    (tmp_path / "here.yaml").write_text(f"{LOCAL}unlisted_models: true\n")
    (tmp_path / "openai.yaml").write_text(GOOD)
    catalog = load_models(tmp_path)
    assert "here/qwen3:8b" in catalog.names
    assert "openai/a" in catalog.names
    assert not [n for n in ("openai/x", "nobody/x", "here/", "here", "x") if n in catalog.names]
    assert sorted(catalog.names) == ["here/a", "here/b", "openai/a", "openai/b"]
    named = catalog.with_named(["here/qwen3:8b", "here/qwen3:8b", "here/a", "openai/x", "default"])
    assert len(named.models) == len(catalog.models) + 1
    assert named.models[-1].name == "qwen3:8b"
    assert named.models[-1].tags == ("local", "residency:eu")
