"""Which names are of the same model."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facilitair_llm.model_names import is_same_model


@pytest.mark.parametrize(
    ("asked", "answered"),
    [
        ("gpt-4o", "gpt-4o-2024-08-06"), ("gpt-4", "gpt-4-0613"), ("o3", "o3-2025-04-16"),
        ("claude-sonnet-4-5", "claude-sonnet-4-5-20250929"),
        ("claude-3-5-sonnet-latest", "claude-3-5-sonnet-20241022"),
        ("gemini-2.5-flash", "models/gemini-2.5-flash"), ("gemini-2.0", "gemini-2.0-001"),
        ("openai/gpt-4o", "gpt-4o-2024-08-06"), ("llama3.2", "llama3.2:latest"),
        ("Mistral-Large", "mistral-large"), ("mistral-large-latest", "mistral-large-2411"),
        ("gemini-2.5-pro", "gemini-2.5-pro-preview-05-06"),
    ],
)  # fmt: skip
def test_versions_of_a_model_are_it(asked: str, answered: str) -> None:
    assert is_same_model(asked, answered)
    assert is_same_model(answered, asked)


@pytest.mark.parametrize(
    ("asked", "answered"),
    [
        ("gpt-4o", "gpt-4o-mini"), ("gpt-4o", "gpt-4"), ("gpt-4o-mini", "gpt-4o-2024-08-06"),
        ("claude-opus-4-5", "claude-sonnet-4-5"), ("claude-opus-4-1", "claude-opus-4-5"),
        ("llama3.2:1b", "llama3.2:3b"), ("llama-3.3-70b", "llama-3.1-8b"), ("m", "other-model"),
        ("gemini-2.5-flash", "gemini-2.5-flash-lite"), ("", "x"), ("latest", "-latest"),
    ],
)  # fmt: skip
def test_siblings_are_not(asked: str, answered: str) -> None:
    assert not is_same_model(asked, answered)
    assert not is_same_model(answered, asked)


@given(st.text(max_size=40), st.text(max_size=40))
def test_it_is_symmetric_and_raises_for_no_name(one: str, other: str) -> None:
    assert is_same_model(one, one)
    assert is_same_model(one, other) == is_same_model(other, one)
