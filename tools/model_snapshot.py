"""Print what genai-prices knows of some providers, as JSON (run by `tools.model_prices`).

It runs in an environment of its own that has that package, and imports nothing of ours.
"""

import hashlib
import importlib
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any


def value_of(price: Any) -> Any:
    """A price, or one with tiers, as plain data."""
    if not hasattr(price, "tiers"):
        return str(price)
    tiers = [[tier.start, str(tier.price)] for tier in price.tiers]
    return {"base": str(price.base), "tiers": tiers}


def prices_of(model: Any) -> list[dict[str, Any]]:
    """All prices of a model; ``start`` is the day from which they count, if it is a matter of days.

    ``hours`` says that they count at certain hours only.
    """
    given = model.prices if isinstance(model.prices, list) else [model]
    found = []
    for one in given:
        constraint = getattr(one, "constraint", None)
        start = getattr(constraint, "start_date", None)
        fields = vars(one.prices).items()
        found.append(
            {
                "start": None if start is None else start.isoformat(),
                "hours": constraint is not None and start is None,
                "kinds": {name: value_of(price) for name, price in fields if price is not None},
            }
        )
    return found


def main(wanted: Sequence[str]) -> int:
    """Print the snapshot of the wanted providers, and the digest of where it was read."""
    data = importlib.import_module("genai_prices.data")
    content = Path(str(data.__file__)).read_bytes()
    providers = {
        provider.id: {
            model.id: {
                "context_window": model.context_window,
                "deprecated": bool(model.deprecated),
                "prices": prices_of(model),
            }
            for model in provider.models
        }
        for provider in data.providers
        if provider.id in wanted
    }
    known = sum(len(provider.models) for provider in data.providers)
    digest = hashlib.sha256(content).hexdigest()
    print(json.dumps({"sha256": digest, "models": known, "providers": providers}))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
