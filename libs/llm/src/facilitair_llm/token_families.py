"""Which vocabulary a model's tokens are of, and how far a count by it may be off."""

import re
from typing import Final, Literal

from msgspec import Struct

Fit = Literal["own", "near"]


class Family(Struct, frozen=True, kw_only=True):
    """A kind of models by their names, without the provider's part.

    `fit` says whether `vocabulary` is the models' `own`, or one that is `near` to it because theirs
    is not public or not known to be the same.
    `factor` is how many of their tokens one of the vocabulary stands for.
    `error` is the bound of the relative error that we expect of a text's count; 0 where the count
    is exact.
    """

    names: str
    vocabulary: str
    fit: Fit = "own"
    factor: float = 1.0
    error: float = 0.0


FAMILIES: Final = (
    Family(names=r"gpt-(3\.5|4(?!o|\.1|\.5))|text-embedding", vocabulary="cl100k_base"),
    Family(names=r"(chat)?gpt-(4o|4\.1|4\.5|5(?!\.)|oss)|o[134](-|$)", vocabulary="o200k_base"),
    Family(names=r"gpt-|codex|simulated$", vocabulary="o200k_base", fit="near", error=0.15),
    # Their vocabulary is not public. Of their older one 1.05 to 1.9 tokens stand for one of these.
    Family(names=r"claude", vocabulary="o200k_base", fit="near", factor=1.25, error=0.5),
    Family(names=r"gemma-?3", vocabulary="gemma3"),
    Family(names=r"gemini|gemma", vocabulary="gemma3", fit="near", error=0.2),
    Family(names=r"(meta-)?llama-?3", vocabulary="llama3"),
    Family(names=r"(meta-)?llama", vocabulary="llama3", fit="near", error=0.2),
    Family(names=r"qwen-?(2|2\.5|3)(?![.\d])", vocabulary="qwen3"),
    Family(names=r"qwen|qwq", vocabulary="qwen3", fit="near", error=0.2),
    Family(names=r"deepseek-(chat-)?(v3|r1)", vocabulary="deepseek_v3"),
    Family(names=r"deepseek", vocabulary="deepseek_v3", fit="near", error=0.2),
    Family(
        names=r"(mi[sx]tral|ministral|codestral|devstral|magistral)",
        vocabulary="mistral_v3",
        fit="near",
        error=0.25,
    ),
    Family(names=r"kimi", vocabulary="kimi_k2", fit="near", error=0.15),
    Family(names=r"glm", vocabulary="glm4", fit="near", error=0.15),
    Family(names=r"phi-?4", vocabulary="phi4"),
)
"""The first whose names begin a model's name counts."""


def family_of(name: str) -> Family | None:
    """Return the family of a model as its provider spells it; None for one that nobody knows."""
    own = name.lower().rpartition("/")[2]
    return next((family for family in FAMILIES if re.match(family.names, own)), None)
