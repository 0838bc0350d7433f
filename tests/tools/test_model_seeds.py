"""The generator of `models/seed/`, on a tiny sample of what its sources say."""

import datetime as dt
import json

import pytest

from tools.model_seeds import current_prices, record, seed_text, take

TODAY = dt.date(2026, 11, 21)
SOURCE = {"package": "prices", "version": "1.2", "released": dt.date(2026, 11, 10)}


def always(**kinds):
    return [{"start": None, "hours": False, "kinds": kinds}]


def known(prices, *, window=1000, deprecated=False):
    return {"context_window": window, "deprecated": deprecated, "prices": prices}


TIERED = {"base": "2", "tiers": [[200_000, "4"]]}
SAMPLE = {
    "plain": known(always(input_mtok="2", output_mtok="8", cache_read_mtok="0.5")),
    "tiered": known(
        always(input_mtok=TIERED, output_mtok="8", cache_write_mtok="3", web_searches_kcount="10"),
        window=None,
    ),
    "changing": known(
        [
            {"start": None, "hours": False, "kinds": {"input_mtok": "9", "output_mtok": "9"}},
            {
                "start": "2026-05-01",
                "hours": False,
                "kinds": {"input_mtok": "1", "output_mtok": "1"},
            },
            {
                "start": "2027-01-01",
                "hours": False,
                "kinds": {"input_mtok": "5", "output_mtok": "5"},
            },
        ]
    ),
    "nightly": known([*always(input_mtok="1"), {"start": None, "hours": True, "kinds": {}}]),
    "by-request": known(always(input_mtok="1", output_mtok="1", requests_kcount="5")),
    "old": known(always(input_mtok="1"), deprecated=True),
    "ending": known(always(input_mtok="1")),
}
FACTS = {
    "x/plain": {
        "max_output_tokens": 500,
        "supports_function_calling": True,
        "supports_vision": True,
        "deprecation_date": "2027-06-01",
    },
    "x/tiered": {"max_input_tokens": 7000, "supports_reasoning": True},
    "x/changing": {"supports_sampling_params": False},
    "x/ending": {"deprecation_date": "2026-12-21"},
}
CHOSEN = {"prices": "p", "facts": "x/", "models": [*SAMPLE, "unheard"]}
GOLDEN = """\
# Taken by `python -m tools.model_prices`: do not edit. What models/shop.yaml says wins.
provider: shop
version: prices 1.2 of 2026-11-10
models:
  - name: plain
    context_window: 1000
    max_output_tokens: 500
    capabilities: [tools, images]
    prices:
      input: "2"
      cached_input: "0.5"
      output: "8"
      reasoning: "8"
  - name: tiered
    context_window: 7000
    capabilities: [reasoning]
    omit: [temperature]
    prices:
      input: "2"
      cache_write: "3"
      output: "8"
      reasoning: "8"
      tiers:
        - {above_input_tokens: 200000, input: "4", cache_write: "3", output: "8", reasoning: "8"}
  - name: changing
    context_window: 1000
    capabilities: []
    omit: [temperature]
    prices:
      input: "1"
      output: "1"
      reasoning: "1"
      until: 2027-01-01
  - name: nightly
    context_window: 1000
    prices: null
  - name: by-request
    context_window: 1000
    prices: null
"""


def taken(**more):
    chosen = CHOSEN | {"reasoning_omits": ["temperature"]} | more
    return take(chosen, known=SAMPLE, facts=FACTS, today=TODAY)


def test_a_seed_is_written_as_it_always_was():
    assert seed_text("shop", taken(), source=SOURCE) == GOLDEN


def test_what_is_gone_or_ends_within_a_month_is_left_out_and_the_reason_recorded():
    assert taken().left_out == {
        "old": "the source of prices calls it deprecated",
        "ending": "it ends on 2026-12-21",
        "unheard": "the source of prices does not know it",
    }


def test_a_model_that_reasons_may_be_told_a_temperature_where_the_provider_takes_it():
    assert "omit" not in taken(reasoning_omits=[]).entries["tiered"]


@pytest.mark.parametrize(
    ("today", "price", "until"),
    [
        ("2026-04-30", "9", "2026-05-01"),
        ("2026-05-01", "1", "2027-01-01"),
        ("2027-01-01", "5", None),
    ],
)
def test_prices_are_those_of_the_day_until_they_change(today, price, until):
    day = dt.date.fromisoformat(today)
    prices, end = current_prices(SAMPLE["changing"]["prices"], today=day)
    assert (prices["input"], end) == (price, until)


def test_prices_of_the_future_are_no_prices():
    later = [{"start": "2027-01-01", "hours": False, "kinds": {"input_mtok": "1"}}]
    assert current_prices(later, today=TODAY) == (None, None)


def test_the_record_says_what_was_taken_from_where_and_when():
    told = json.loads(
        record(
            {"prices": SOURCE},
            digests={"prices": "d"},
            taken={"shop": taken()},
            texts={"shop": GOLDEN},
            today=TODAY,
        )
    )
    assert told["taken"] == "2026-11-21"
    source = {"package": "prices", "version": "1.2", "released": "2026-11-10", "sha256": "d"}
    assert told["sources"] == {"prices": source}
    assert told["files"]["shop.yaml"]["models"] == 5
    assert told["files"]["shop.yaml"]["without_price"] == ["nightly", "by-request"]
    assert told["left_out"]["shop/ending"] == "it ends on 2026-12-21"
