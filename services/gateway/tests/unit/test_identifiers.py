from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from facilitair_gateway.identifiers import is_client_key, is_collaboration_id, submit_id, uuid7

TIMES = st.integers(0, 2**48 - 1)
ENTROPY = st.binary(min_size=10, max_size=10)


@given(TIMES, ENTROPY)
def test_a_fresh_id_is_a_version_7_uuid_of_its_time(at_ms: int, entropy: bytes) -> None:
    ident = UUID(uuid7(at_ms, entropy))
    assert (ident.version, ident.variant) == (7, "specified in RFC 4122")
    assert ident.int >> 80 == at_ms
    assert is_collaboration_id(str(ident))


@given(TIMES, TIMES, ENTROPY, ENTROPY)
def test_ids_of_later_milliseconds_sort_behind(a: int, b: int, x: bytes, y: bytes) -> None:
    if a < b:
        assert uuid7(a, x) < uuid7(b, y)


@given(TIMES, ENTROPY, ENTROPY)
def test_entropy_is_all_that_differs_within_a_millisecond(at: int, x: bytes, y: bytes) -> None:
    mask = int.from_bytes(x, "big") ^ int.from_bytes(y, "big")
    used = mask & ~(0xF << 76) & ~(0x3 << 62)
    assert (uuid7(at, x) == uuid7(at, y)) == (used == 0)


def test_with_a_key_the_id_follows_from_tenant_and_key() -> None:
    assert submit_id("a", "k", fresh="f") == submit_id("a", "k", fresh="g")
    assert submit_id("a", "k", fresh="f") != submit_id("b", "k", fresh="f")
    assert submit_id("a", None, fresh="f") == "f"


def test_client_keys_are_visible_ascii_of_a_bounded_length() -> None:
    assert all(map(is_client_key, ("k", "a b", "x" * 255, "~!@#")))
    assert not any(map(is_client_key, ("", " k", "k ", "x" * 256, "a\nb", "ü", "a\x7f")))


def test_ids_are_uuids_in_lower_case() -> None:
    good = "018f0000-0000-7000-8000-000000000000"
    assert is_collaboration_id(good)
    for bad in ("", "x", good.upper().replace("0", "A"), good + "\n", good[:-1], "local:" + good):
        assert not is_collaboration_id(bad)
