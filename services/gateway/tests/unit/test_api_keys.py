"""Keys as text: the form, what is refused, and what of them is kept."""

import hashlib
import hmac
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facilitair_events.tenants import KeyIssued
from facilitair_gateway import api_keys
from facilitair_gateway.api_keys import digest, matches, mint, parse, redacted, same_secret

ENTROPY = bytes(range(40))
KEY, TEXT = mint("test", entropy=ENTROPY)


def issued(secret: str = KEY.secret, *, pepper: str | None = None) -> KeyIssued:
    algorithm, made = digest(secret, pepper=pepper)
    return KeyIssued(
        tenant="acme", key_id=KEY.key_id, algorithm=algorithm, digest=made, scopes=("write",),
        label="", created_by="local", created_at=datetime(2026, 1, 1, tzinfo=UTC),
    )  # fmt: skip


def test_a_key_names_its_environment_and_id_and_holds_32_secret_bytes() -> None:
    assert TEXT.startswith(f"fac_test_{KEY.key_id}_{KEY.secret}")
    assert bytes.fromhex(KEY.key_id + KEY.secret) == ENTROPY
    assert len(bytes.fromhex(KEY.secret)) == 32
    assert parse(TEXT) == KEY


@given(st.binary(min_size=40, max_size=40), st.from_regex(api_keys.ENVIRONMENT, fullmatch=True))
def test_what_is_minted_can_be_taken_apart(entropy: bytes, environment: str) -> None:
    key, text = mint(environment, entropy=entropy)
    assert parse(text) == key


@given(st.integers(0, len(TEXT) - 1), st.characters())
def test_one_changed_character_is_no_key(place: int, character: str) -> None:
    changed = TEXT[:place] + character + TEXT[place + 1 :]
    assert parse(changed) == (KEY if changed == TEXT else None)


@pytest.mark.parametrize(
    "text",
    [
        *(TEXT[:length] for length in range(len(TEXT))),
        *(TEXT + more for more in (" ", "\n", "0", "\0")),
        TEXT.upper(),
        TEXT.replace("fac_", "sk-"),
        # Digits to ``str.isdigit``, and no hex digits to us.
        TEXT.replace("0", "\N{FULLWIDTH DIGIT ZERO}"),
        TEXT.replace("0", "\N{ARABIC-INDIC DIGIT ZERO}"),
    ],
)
def test_cut_off_longer_and_lookalike_keys_are_none(text: str) -> None:
    assert parse(text) is None


def test_the_log_keeps_a_digest_and_with_a_pepper_a_keyed_one() -> None:
    plain = hashlib.sha256(KEY.secret.encode()).hexdigest()
    keyed = hmac.new(b"pepper" * 4, KEY.secret.encode(), hashlib.sha256).hexdigest()
    assert digest(KEY.secret, pepper=None) == ("sha256", plain)
    assert digest(KEY.secret, pepper="pepper" * 4) == ("hmac-sha256", keyed)


@pytest.mark.parametrize(
    ("made_with", "checked_with", "good"),
    [
        (None, None, True),
        (None, "p1", True),
        ("p1", "p1", True),
        ("p1", "p2", False),
        ("p1", None, False),
        ("", None, False),
    ],
)
def test_a_key_made_with_a_pepper_needs_that_pepper(
    made_with: str | None, checked_with: str | None, *, good: bool
) -> None:
    record = issued(pepper=made_with)
    assert matches(record, KEY.secret, pepper=checked_with) is good
    assert not matches(record, KEY.secret[::-1], pepper=checked_with)


def test_an_unknown_key_matches_nothing_not_even_the_empty_digest() -> None:
    assert not matches(None, KEY.secret, pepper=None)
    assert not matches(None, "", pepper="")


@pytest.mark.parametrize("record", [None, issued(), issued(pepper="p")])
@pytest.mark.parametrize("secret", [KEY.secret, "0" * 64, ""])
@pytest.mark.parametrize("pepper", [None, "p"])
def test_x03_every_comparison_is_of_whole_digests_in_constant_time(
    monkeypatch, record: KeyIssued | None, secret: str, pepper: str | None
) -> None:
    compared: list[tuple[bytes, bytes]] = []

    def compare(one: bytes, other: bytes) -> bool:
        compared.append((one, other))
        return one == other

    monkeypatch.setattr(api_keys.hmac, "compare_digest", compare)
    matches(record, secret, pepper=pepper)
    assert [(len(one), len(other)) for one, other in compared] == [(64, 64)]
    assert secret.encode() != compared[0][0]


def test_the_operators_key_is_compared_without_its_length() -> None:
    assert same_secret("a" * 40, "a" * 40)
    assert not same_secret("a" * 39, "a" * 40)
    assert not same_secret("\udcff", "a" * 40)


def test_a_secret_is_in_no_representation_and_can_be_blotted_out() -> None:
    assert KEY.secret not in repr(KEY)
    assert KEY.key_id in repr(KEY)
    for shown in (TEXT, TEXT[:-30], TEXT.upper(), f"/v1/admin/keys/{TEXT}/x"):
        assert KEY.secret[:20] not in redacted(shown).lower()
    assert redacted("/v1/admin/keys/0001020304050607") == "/v1/admin/keys/0001020304050607"
