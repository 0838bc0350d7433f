"""What a process remembers is bounded by the age of the records it came from."""

from hypothesis import given
from hypothesis import strategies as st

from facilitair_agent_worker.days import DAY_MS, Days

KEPT = 7


def days() -> Days[str, int]:
    return Days(kept_ms=KEPT * DAY_MS)


def test_r18_what_the_log_may_still_hold_is_kept() -> None:
    table = days()
    table.put("a", 1, at_ms=0)
    table.put("b", 2, at_ms=KEPT * DAY_MS)
    assert (table.get("a"), table.get("b"), table.get("c")) == (1, 2, None)


def test_r18_older_days_are_dropped_as_time_goes_on() -> None:
    table = days()
    for day in range(100):
        table.put(f"k{day}", day, at_ms=day * DAY_MS)
    assert len(table) == KEPT + 2
    assert (table.get("k0"), table.get("k99")) == (None, 99)


def test_r18_what_is_too_old_when_it_comes_is_not_kept() -> None:
    table = days()
    table.put("new", 1, at_ms=100 * DAY_MS)
    table.put("old", 2, at_ms=0)
    assert (table.get("old"), len(table)) == (None, 1)


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 3 * DAY_MS)), min_size=1))
def test_the_newest_day_wins(puts: list[tuple[str, int]]) -> None:
    table = days()
    for number, (key, at_ms) in enumerate(puts):
        table.put(key, number, at_ms=at_ms)
    for key in {key for key, _ in puts}:
        newest = max(at_ms // DAY_MS for k, at_ms in puts if k == key)
        last = [n for n, (k, at_ms) in enumerate(puts) if k == key and at_ms // DAY_MS == newest]
        assert table.get(key) == last[-1]
