from hypothesis import given
from hypothesis import strategies as st

from facilitair_gateway.fanout import Entry
from facilitair_gateway.ring import ENTRY_OVERHEAD_BYTES, Ring

KEYS = (b"local:a", b"local:b", b"local:c")


def entry(offset: int, size: int = 10) -> Entry:
    return Entry(offset, b"token", b"x" * size)


def test_it_finds_the_entries_of_one_collaboration_from_an_offset_on() -> None:
    ring: Ring[str] = Ring(end=5, max_bytes=10_000)
    channel = ring.watch(b"local:a", "viewer")
    for offset, key in enumerate([b"local:a", b"local:b", b"local:a", b"local:a"], start=5):
        ring.append(key, entry(offset))
    assert [e.offset for e in channel.since(6, max_bytes=10_000)] == [7, 8]
    assert ring.find(b"local:a", 7) == entry(7)
    assert ring.find(b"local:a", 6) is None
    assert ring.find(b"local:z", 6) is None
    assert (ring.start, ring.end) == (5, 9)


def test_one_read_is_bounded_but_never_empty_where_there_is_something() -> None:
    ring: Ring[str] = Ring(end=0, max_bytes=100_000)
    channel = ring.watch(b"local:a", "viewer")
    for offset in range(3):
        ring.append(b"local:a", entry(offset, size=1000))
    assert [e.offset for e in channel.since(0, max_bytes=1)] == [0]
    assert [e.offset for e in channel.since(0, max_bytes=2600)] == [0, 1]


def test_a_collaboration_nobody_watches_leaves_nothing_behind() -> None:
    ring: Ring[str] = Ring(end=0, max_bytes=3 * ENTRY_OVERHEAD_BYTES + 100)
    for offset in range(100):
        ring.append(b"local:%d" % offset, entry(offset))
    assert len(ring) == 3
    ring.watch(b"local:0", "viewer")
    assert len(ring) == 4
    ring.unwatch(b"local:0", "viewer")
    ring.unwatch(b"local:0", "viewer")
    assert len(ring) == 3


def test_a_watcher_can_tell_that_it_lost_something() -> None:
    ring: Ring[str] = Ring(end=0, max_bytes=2 * ENTRY_OVERHEAD_BYTES + 50)
    channel = ring.watch(b"local:a", "viewer")
    ring.append(b"local:a", entry(0))
    assert channel.evicted_to == 0
    for offset in range(1, 4):
        ring.append(b"local:b", entry(offset))
    assert channel.evicted_to == 1
    assert ring.start > 0


def test_it_forgets_what_has_expired_from_the_log() -> None:
    ring: Ring[str] = Ring(end=0, max_bytes=100_000)
    channel = ring.watch(b"local:a", "viewer")
    for offset in range(4):
        ring.append(b"local:a", entry(offset))
    ring.expire(3)
    assert [e.offset for e in channel.since(0, max_bytes=10_000)] == [3]
    assert (ring.start, channel.evicted_to) == (3, 3)
    ring.expire(99)
    assert (ring.start, ring.end, len(channel)) == (4, 4, 0)


@given(
    st.lists(st.tuples(st.sampled_from(KEYS), st.integers(0, 900)), max_size=300),
    st.integers(1, 20_000),
)
def test_it_is_bounded_and_holds_everything_from_start_to_end(
    appended: list[tuple[bytes, int]], max_bytes: int
) -> None:
    ring: Ring[str] = Ring(end=0, max_bytes=max_bytes)
    channels = {key: ring.watch(key, "viewer") for key in KEYS}
    for offset, (key, size) in enumerate(appended):
        ring.append(key, entry(offset, size))
        held = {k: channels[k].since(0, max_bytes=10**9) for k in KEYS}
        weight = sum(len(e.value) + ENTRY_OVERHEAD_BYTES for es in held.values() for e in es)
        assert weight <= max_bytes
        expected = [(o, k) for o, (k, _) in enumerate(appended[: offset + 1]) if o >= ring.start]
        assert sorted((e.offset, k) for k in KEYS for e in held[k]) == expected
