"""Print what genai-prices itself makes of some usages, as JSON (run by `tools.model_prices`).

Our own sums are compared with these.
It runs beside `model_snapshot.py` and imports nothing of ours.
"""

import datetime as dt
import importlib
import json
import sys
from typing import Any, Final

USAGES: Final[tuple[dict[str, int], ...]] = (
    {"input_tokens": 1_234, "output_tokens": 567},
    {"input_tokens": 100_001, "output_tokens": 3, "cache_read_tokens": 99_999},
    {"input_tokens": 250_000, "output_tokens": 70_001, "output_reasoning_tokens": 65_000},
    {
        "input_tokens": 300_007,
        "output_tokens": 11,
        "cache_read_tokens": 100_000,
        "cache_write_tokens": 50_003,
    },
)
"""Below and above the bounds of tiers, with and without a cache."""


def cost_of(provider: Any, model: str, *, usage: dict[str, int], at: dt.datetime) -> str:
    """The package's own sum."""
    calculate = importlib.import_module("genai_prices").calc_price
    counted = importlib.import_module("genai_prices").Usage(**usage)
    found = calculate(counted, model, provider_id=provider, genai_request_timestamp=at)
    return str(found.total_price.normalize())


def main() -> int:
    """Read `{"at": day, "models": {provider: [name]}}` from stdin and print a row for each cost."""
    asked = json.load(sys.stdin)
    at = dt.datetime.fromisoformat(asked["at"]).replace(tzinfo=dt.UTC)
    rows = [
        {"provider": provider, "model": model, "usage": usage, "cost_usd": cost}
        for provider, models in asked["models"].items()
        for model in models
        for usage in USAGES
        for cost in [cost_of(provider, model, usage=usage, at=at)]
    ]
    print(json.dumps(rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
