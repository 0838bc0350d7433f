"""Days and months of a tenant, against the calendar of the standard library."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from facilitair_events.budgets import LimitWindow, ZoneOffset
from facilitair_money.windows import day_start, local_day, window_at
from facilitair_money.zones import resolve_offsets

ZONES = sorted(available_timezones() - {"localtime"})
FROM = int(datetime(2005, 1, 1, tzinfo=UTC).timestamp() * 1000)
TO = int(datetime(2036, 1, 1, tzinfo=UTC).timestamp() * 1000)
HOUR = 3_600_000
_YEAR = 366 * 24 * HOUR


def _offsets(zone: str, around_ms: int) -> tuple[ZoneOffset, ...]:
    """As far back and ahead as windows reach; a gateway resolves a little further."""
    return resolve_offsets(zone, from_ms=around_ms - _YEAR // 4, years=1)


def _first_ms(day: date, zone: ZoneInfo) -> int:
    """The first millisecond of a day by the standard library, second by second around a gap."""
    midnight = datetime(day.year, day.month, day.day, tzinfo=zone)
    at = midnight.astimezone(UTC)
    if at.astimezone(zone).replace(tzinfo=None) == midnight.replace(tzinfo=None):
        return int(at.timestamp()) * 1000
    before, after = at - timedelta(days=2), at  # clocks jumped over midnight: after the jump
    while after - before > timedelta(seconds=1):
        middle = before + timedelta(seconds=(after - before) // timedelta(seconds=2))
        if middle.astimezone(zone).replace(tzinfo=None) < midnight.replace(tzinfo=None):
            before = middle
        else:
            after = middle
    return int(after.timestamp()) * 1000


def _day_of(now_ms: int, zone: ZoneInfo) -> date:
    """The last day that has begun: where clocks go back over midnight it goes on."""
    shown = datetime.fromtimestamp(now_ms / 1000, UTC).astimezone(zone).date()
    following = shown + timedelta(days=1)
    return following if _first_ms(following, zone) <= now_ms else shown


def _next_month(first: date) -> date:
    return (first + timedelta(days=31)).replace(day=1)


MOMENTS = st.integers(FROM, TO)


def _check(zone: str, *, now_ms: int) -> None:
    known = ZoneInfo(zone)
    day = _day_of(now_ms, known)
    offsets = _offsets(zone, now_ms)
    assert local_day(now_ms, offsets=offsets) == day
    span = window_at(now_ms, window="day", offsets=offsets)
    assert (span.start_ms, span.end_ms) == (
        _first_ms(day, known),
        _first_ms(day + timedelta(days=1), known),
    )
    month = day.replace(day=1)
    span = window_at(now_ms, window="month", offsets=offsets)
    assert (span.start_ms, span.end_ms) == (
        _first_ms(month, known),
        _first_ms(_next_month(month), known),
    )


@given(zone=st.sampled_from(ZONES), now_ms=MOMENTS)
@example(zone="America/Sao_Paulo", now_ms=1_540_695_600_000)  # midnight that was jumped over
@example(zone="America/St_Johns", now_ms=1_194_143_460_000)  # a minute after midnight, twice
@example(zone="Pacific/Apia", now_ms=1_325_239_200_000)  # a day that never was
@example(zone="Europe/Berlin", now_ms=1_774_742_400_000)
@example(zone="Africa/Cairo", now_ms=1_682_632_800_000)
def test_days_and_months_are_those_of_the_calendar(zone: str, now_ms: int) -> None:
    _check(zone, now_ms=now_ms)


@given(
    zone=st.sampled_from(ZONES),
    year=st.integers(2005, 2035),
    index=st.integers(0, 5),
    by=st.integers(-25, 25),
)
def test_windows_turn_rightly_around_every_change_of_the_clocks(
    zone: str, year: int, index: int, by: int
) -> None:
    start = int(datetime(year, 1, 1, tzinfo=UTC).timestamp() * 1000)
    changes = resolve_offsets(zone, from_ms=start, years=1)
    now_ms = changes[index % len(changes)].from_ms + by * HOUR
    _check(zone, now_ms=now_ms)


@given(
    zone=st.sampled_from(ZONES),
    now_ms=MOMENTS,
    window=st.sampled_from(["day", "month"]),
)
def test_windows_follow_each_other_without_a_gap(
    zone: str, now_ms: int, window: LimitWindow
) -> None:
    offsets = _offsets(zone, now_ms)
    span = window_at(now_ms, window=window, offsets=offsets)
    assert span.end_ms is not None
    assert span.start_ms <= now_ms < span.end_ms
    assert window_at(span.start_ms, window=window, offsets=offsets) == span
    assert window_at(span.end_ms - 1, window=window, offsets=offsets) == span
    assert window_at(span.end_ms, window=window, offsets=offsets).start_ms == span.end_ms


@pytest.mark.parametrize(
    ("day", "hours"), [("2026-03-29", 23), ("2026-10-25", 25), ("2026-10-26", 24)]
)
def test_a_day_of_a_change_is_longer_or_shorter(day: str, hours: int) -> None:
    offsets = resolve_offsets("Europe/Berlin", from_ms=1_760_000_000_000, years=2)
    start = day_start(date.fromisoformat(day), offsets=offsets)
    span = window_at(start, window="day", offsets=offsets)
    assert span.end_ms == start + hours * HOUR


def test_a_total_has_no_end() -> None:
    span = window_at(TO, window="total", offsets=())
    assert (span.start_ms, span.end_ms) == (0, None)


def test_without_offsets_days_are_those_of_utc() -> None:
    noon = int(datetime(2028, 2, 29, 12, tzinfo=UTC).timestamp() * 1000)
    day = window_at(noon, window="day", offsets=())
    assert (day.start_ms, day.end_ms) == (noon - 12 * HOUR, noon + 12 * HOUR)
    month = window_at(noon, window="month", offsets=())
    assert month.end_ms == int(datetime(2028, 3, 1, tzinfo=UTC).timestamp() * 1000)


def test_the_last_offset_goes_on() -> None:
    offsets = (ZoneOffset(from_ms=0, offset_s=3600),)
    far = int(datetime(2100, 1, 1, 23, 30, tzinfo=UTC).timestamp() * 1000)
    assert local_day(far, offsets=offsets) == date(2100, 1, 2)


def test_the_first_window_of_time_begins_with_it() -> None:
    offsets = (ZoneOffset(from_ms=0, offset_s=3600),)
    assert window_at(1, window="month", offsets=offsets).start_ms == 0
