"""The page on a provider's bad day names settings and metrics as they are."""

import re
from pathlib import Path

from facilitair_agent_worker.admission_settings import BreakerGroup, RatesGroup
from facilitair_agent_worker.settings import TimeoutsGroup
from facilitair_observability import names

PAGE = Path(__file__).resolve().parents[2] / "docs" / "concepts" / "a-providers-bad-day.md"
GROUPS = {"TIMEOUTS": TimeoutsGroup, "BREAKER": BreakerGroup, "RATES": RatesGroup}
ROW = re.compile(r"^\| `([A-Z]+)__([A-Z_]+)` \| ([^|]+) \|", re.MULTILINE)


def test_every_setting_is_there_with_its_default():
    told = {
        (group, name): default.strip() for group, name, default in ROW.findall(PAGE.read_text())
    }
    real = {
        (prefix, name.upper()): field.default
        for prefix, group in GROUPS.items()
        for name, field in group.model_fields.items()
    }
    assert told.keys() == real.keys()
    for setting, default in real.items():
        if isinstance(default, int | float):
            assert told[setting] == f"{default:g}", setting
    assert told["RATES", "LIMITS"] == "`{}`"
    assert told["RATES", "WAIT_S"] == "a tenth of the lease"


def test_its_metrics_exist():
    metrics = {value.name for value in vars(names).values() if isinstance(value, names.Metric)}
    told = set(re.findall(r"`(facilitair_[a-z_]+?)(?:_total)?`", PAGE.read_text()))
    assert told
    assert told <= metrics
