import json
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facilitair_events.definitions import Model
from facilitair_llm.token_calibration import MOST_MODELS, Calibration, Learnt, learn
from facilitair_llm.token_counting import BYTES_ERROR, count_tokens, estimate_tokens
from facilitair_llm.token_families import FAMILIES, family_of

HERE = Path(__file__).parent
TEXTS = {path.stem: path.read_text("utf-8") for path in sorted((HERE / "texts").glob("*.txt"))}
GOLDEN = json.loads((HERE / "golden" / "token_counts.json").read_bytes())["counts"]
MODELS = {"o200k_base": "gpt-4.1-mini", "cl100k_base": "gpt-4-turbo"}


def model(name, provider="p"):
    return Model(name=name, provider=provider)


@pytest.mark.parametrize("vocabulary", GOLDEN)
@pytest.mark.parametrize("name", TEXTS)
def test_a_count_by_a_models_own_vocabulary_is_that_of_the_vocabularys_own_library(
    vocabulary, name
):
    found = count_tokens(TEXTS[name], model(MODELS[vocabulary]))
    assert found.tokens == GOLDEN[vocabulary][name]
    assert (found.method, found.error, found.vocabulary) == ("vocabulary", 0.0, vocabulary)


@pytest.mark.parametrize("vocabulary", GOLDEN)
@pytest.mark.parametrize("name", TEXTS)
def test_an_estimate_from_bytes_is_within_its_bound(vocabulary, name):
    found = estimate_tokens(TEXTS[name])
    assert abs(found.tokens / GOLDEN[vocabulary][name] - 1) <= BYTES_ERROR
    assert (found.method, found.error) == ("bytes", BYTES_ERROR)


def test_nothing_is_fetched(monkeypatch):
    def refuse(*_, **__):
        raise AssertionError

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    for family in FAMILIES:
        found = count_tokens("Über 素数", model(next(n for n, f in NAMES if f is family)))
        assert found.tokens > 0


NAMES = [
    (name, family_of(name))
    for name in (
        "gpt-3.5-turbo", "gpt-4o", "gpt-6.1-sol", "anthropic/claude-sonnet-4.6", "gemma3:4b",
        "gemini-2.5-flash", "llama3.2", "meta-llama/llama-4-scout", "qwen3:8b", "qwen3.8-flash",
        "deepseek/deepseek-r1", "deepseek-v4-pro", "mistral-small", "kimi-k3", "z-ai/glm-5.2",
        "phi4",
    )
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "vocabulary", "fit"),
    [
        ("gpt-4", "cl100k_base", "own"),
        ("gpt-4-turbo", "cl100k_base", "own"),
        ("gpt-4o-mini", "o200k_base", "own"),
        ("gpt-4.1", "o200k_base", "own"),
        ("gpt-5-mini", "o200k_base", "own"),
        ("openai/gpt-oss-120b", "o200k_base", "own"),
        ("o3", "o200k_base", "own"),
        ("gpt-5.6-terra", "o200k_base", "near"),
        ("claude-sonnet-4-6", "o200k_base", "near"),
        ("gemini-2.5-pro", "gemma3", "near"),
        ("gemma-3-27b-it", "gemma3", "own"),
        ("llama3.2", "llama3", "own"),
        ("meta-llama/llama-4-maverick", "llama3", "near"),
        ("qwen2.5-coder", "qwen3", "own"),
        ("qwen/qwen3.8-27b", "qwen3", "near"),
        ("deepseek-r1:7b", "deepseek_v3", "own"),
        ("mixtral-8x7b", "mistral_v3", "near"),
    ],
)
def test_a_model_is_of_the_family_of_its_name(name, vocabulary, fit):
    family = family_of(name)
    assert (family.vocabulary, family.fit) == (vocabulary, fit)
    assert (family.error == 0) == (fit == "own")


def test_every_family_has_a_name_that_is_its_own():
    assert {id(family) for _, family in NAMES} == {id(family) for family in FAMILIES}


def test_a_model_that_nobody_knows_is_estimated_from_bytes():
    found = count_tokens(TEXTS["english"], model("house-model"))
    assert found == estimate_tokens(TEXTS["english"])


def test_a_special_token_in_a_text_is_text():
    assert count_tokens("<|endoftext|>", model("gpt-4o")).tokens > 1


@given(st.text())
def test_any_text_can_be_counted(text):
    assert count_tokens(text, model("gpt-4o")).tokens >= 0
    assert estimate_tokens(text).tokens >= 0


@given(st.text(alphabet=st.characters(), min_size=1), st.text(min_size=1))
def test_an_estimate_of_two_texts_is_the_sum_of_both(one, other):
    both = estimate_tokens(one + other).tokens
    assert abs(both - estimate_tokens(one).tokens - estimate_tokens(other).tokens) <= 1


def calibrated(ratio, *, calls, name="claude-x", counted=1000):
    found = Calibration()
    for _ in range(calls):
        reported = round(counted * ratio)
        found = learn(found, f"p/{name}", counted=counted, reported=reported)
    return found


@pytest.mark.parametrize("ratio", [0.7, 1.0, 1.3, 1.9])
def test_a_factor_is_learnt_from_what_the_provider_counts(ratio):
    learnt = calibrated(ratio, calls=60).of("p/claude-x")
    assert learnt.factor == pytest.approx(ratio, rel=0.05)
    assert learnt.error < 0.06


def test_a_calibrated_count_says_so_and_has_the_error_of_the_calls():
    text, before = TEXTS["english"], count_tokens(TEXTS["english"], model("claude-x"))
    assert not before.calibrated
    one = count_tokens(text, model("claude-x"), calibration=calibrated(1.4, calls=1))
    assert (one.calibrated, one.error) == (True, before.error)
    many = count_tokens(text, model("claude-x"), calibration=calibrated(1.4, calls=50))
    assert many.tokens == pytest.approx(before.tokens * 1.4, rel=0.05)
    assert many.error < before.error
    other = count_tokens(text, model("claude-y"), calibration=calibrated(1.4, calls=50))
    assert other == before.__class__(**{f: getattr(before, f) for f in before.__struct_fields__})


def test_one_odd_call_does_not_turn_everything():
    assert calibrated(9.0, calls=1, counted=100).of("p/claude-x").factor < 1.5


def test_a_factor_has_bounds_and_a_call_without_tokens_teaches_nothing():
    assert calibrated(50.0, calls=50).of("p/claude-x").factor == 2.5
    assert calibrated(0.01, calls=50).of("p/claude-x").factor == 0.5
    assert learn(Calibration(), "m", counted=0, reported=9) == Calibration()
    assert learn(Calibration(), "m", counted=9, reported=0).of("m") == Learnt()


def test_as_many_models_are_remembered_as_there_is_room_for():
    found = Calibration()
    for number in range(MOST_MODELS + 3):
        found = learn(found, f"m{number}", counted=10, reported=10)
    assert len(found.by_model) == MOST_MODELS
    assert "m2" not in found.by_model


def test_an_estimate_needs_no_vocabulary_in_memory():
    program = (
        "import sys; from facilitair_llm.token_counting import estimate_tokens;"
        "estimate_tokens('a'); sys.exit('splintr' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
