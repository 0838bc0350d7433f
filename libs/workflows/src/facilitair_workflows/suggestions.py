"""Near misses for names that somebody mistyped."""

from collections.abc import Iterable
from difflib import get_close_matches


def near_miss(name: str, known: Iterable[str]) -> str:
    """`` (did you mean 'x'?)`` for the closest known name, or nothing."""
    matches = get_close_matches(name, sorted(known), n=1, cutoff=0.6)
    return f" (did you mean {matches[0]!r}?)" if matches else ""


def model_advice(name: str, known: Iterable[str]) -> str:
    """What may be meant by the name of a model; else some of its provider, else of all."""
    models = sorted(known)
    own = [model for model in models if model.startswith(f"{name.partition('/')[0]}/")]
    return near_miss(name, models) or f"; {known_names(own or models)}"


def known_names(known: Iterable[str], *, shown: int = 10) -> str:
    """The known names in a sentence, at most ``shown`` of them."""
    names = sorted(known)
    if not names:
        return "none is defined"
    listed = ", ".join(names[:shown])
    return f"defined: {listed}" + (", …" if len(names) > shown else "")
