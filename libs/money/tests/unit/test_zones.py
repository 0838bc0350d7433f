"""Zones, resolved beforehand."""

import subprocess
import sys
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facilitair_events.budgets import Budget
from facilitair_money.budgets import faults_of
from facilitair_money.errors import UnknownZoneError
from facilitair_money.zones import resolve_offsets

ZONES = sorted(available_timezones() - {"localtime"})
NOW = 1_790_000_000_000


@given(zone=st.sampled_from(ZONES), after_s=st.integers(0, 10 * 365 * 86_400))
def test_offsets_are_those_of_the_zone_at_every_moment(zone: str, after_s: int) -> None:
    offsets = resolve_offsets(zone, from_ms=NOW, years=10)
    now_ms = NOW + after_s * 1000
    in_force = [change for change in offsets if change.from_ms <= now_ms][-1]
    known = datetime.fromtimestamp(now_ms // 1000, UTC).astimezone(ZoneInfo(zone)).utcoffset()
    assert timedelta(seconds=in_force.offset_s) == known


@given(zone=st.sampled_from(ZONES))
def test_offsets_of_years_fit_a_budget(zone: str) -> None:
    offsets = resolve_offsets(zone, from_ms=NOW, years=10)
    assert offsets[0].from_ms == NOW
    assert faults_of(Budget(timezone=zone, offsets=offsets)) == ()


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("berlin", "Europe/Berlin"),
        ("new york", "America/New_York"),
        ("Europe/Berln", "Europe/Berlin"),
        ("europe/berlin", "Europe/Berlin"),
        ("utc", "UTC"),
    ],
)
def test_an_unknown_zone_names_the_one_that_was_meant(name: str, meant: str) -> None:
    with pytest.raises(UnknownZoneError, match=f"did you mean .*{meant}") as refused:
        resolve_offsets(name, from_ms=NOW, years=1)
    assert meant in refused.value.similar


@pytest.mark.parametrize("name", ["", "nowhere at all", "../../etc/passwd", "/etc/localtime", "\0"])
def test_a_name_that_is_like_none_says_how_names_are(name: str) -> None:
    with pytest.raises(UnknownZoneError, match=r"is no time zone"):
        resolve_offsets(name, from_ms=NOW, years=1)


def test_a_machine_without_zones_has_them_too() -> None:
    code = (
        "import zoneinfo; zoneinfo.reset_tzpath([])\n"
        "from facilitair_money.zones import resolve_offsets\n"
        f"print(len(resolve_offsets('Europe/Berlin', from_ms={NOW}, years=2)))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout == "5\n"
