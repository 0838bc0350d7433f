"""How many tokens a text has for a model, with how that was found and how far it may be off.

Vocabularies come with a library; nothing is ever fetched.
The first use of one takes tenths of a second and 30 to 50 MB, after which 100 kB take milliseconds:
who only has to be roughly right uses `estimate_tokens`.
"""

from functools import lru_cache
from typing import TYPE_CHECKING, Literal

from msgspec import Struct

from facilitair_events.definitions import Model
from facilitair_llm.token_calibration import Calibration
from facilitair_llm.token_families import Family, family_of

if TYPE_CHECKING:
    from splintr import AnyTokenizer

Method = Literal["vocabulary", "near_vocabulary", "bytes"]

BYTES_ERROR = 0.45
"""The bound of the relative error of `estimate_tokens`: docs/reference/token-counting.md."""
_LOADED_AT_MOST = 2


class TokenCount(Struct, frozen=True, kw_only=True):
    """A number of tokens.

    `error` is the bound of its relative error: 0.15 means that the true count is between 85 % and
    115 % of what the provider will count of this text.
    What a provider adds to a text (roles, tools) is not in it until calls were `calibrated`.
    """

    tokens: int
    method: Method
    error: float
    vocabulary: str | None = None
    calibrated: bool = False


def count_tokens(text: str, model: Model, *, calibration: Calibration | None = None) -> TokenCount:
    """Return how many tokens the model's provider will count.

    It does not wait, but may take the time of loading a vocabulary: not for an event loop.
    A model of no known family is estimated from bytes.
    Text that looks like a special token counts as text.
    """
    family = family_of(model.name)
    base = estimate_tokens(text) if family is None else _counted(text, family)
    learnt = (calibration or Calibration()).of(f"{model.provider}/{model.name}")
    if not learnt.calls:
        return base
    return TokenCount(
        tokens=round(base.tokens * learnt.factor),
        method=base.method,
        error=learnt.error if learnt.is_enough else base.error,
        vocabulary=base.vocabulary,
        calibrated=True,
    )


def estimate_tokens(text: str) -> TokenCount:
    """Return a rough count without any vocabulary, in microseconds.

    The weights are those of the vocabulary of GPT-4o on texts of many kinds.
    """
    encoded = text.encode(errors="replace")
    letters = _among(encoded, _LETTERS)
    ascii_only = _among(encoded, _ASCII)
    two, three, four = (_among(encoded, leads) for leads in (_TWO, _THREE, _FOUR))
    tokens = 0.21 * letters + 0.5 * (ascii_only - letters) + 0.33 * two + 0.8 * three + 2.5 * four
    return TokenCount(tokens=round(tokens), method="bytes", error=BYTES_ERROR)


def _counted(text: str, family: Family) -> TokenCount:
    tokens = len(_vocabulary(family.vocabulary).encode_ordinary(text))
    own = family.fit == "own"
    return TokenCount(
        tokens=round(tokens * family.factor),
        method="vocabulary" if own else "near_vocabulary",
        error=family.error,
        vocabulary=family.vocabulary,
    )


@lru_cache(maxsize=_LOADED_AT_MOST)
def _vocabulary(name: str) -> "AnyTokenizer":
    import splintr  # noqa: PLC0415 - 10 MB that a worker seldom needs

    return splintr.Tokenizer.from_pretrained(name)


# The first bytes of characters, by how many bytes a character has.
_LETTERS = bytes(c for c in range(128) if chr(c).isalpha()) + b" "
_ASCII = bytes(range(128))
_TWO = bytes(range(0xC0, 0xE0))
_THREE = bytes(range(0xE0, 0xF0))
_FOUR = bytes(range(0xF0, 0xF8))


def _among(encoded: bytes, wanted: bytes) -> int:
    return len(encoded) - len(encoded.translate(None, wanted))
