"""Credentials at rest: what opens them, and everything that must not."""

import base64
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facilitair_llm.errors import SealError
from facilitair_llm.sealing import MasterKeys, Sealed, read_master_keys
from facilitair_llm.secret import Secret

ONE, TWO = b"1" * 32, b"2" * 32
NONCE = b"n" * 12
NAMES = st.from_regex(r"[a-z0-9][a-z0-9_.-]{0,20}", fullmatch=True)


def sealed(keys: MasterKeys, *, tenant: str = "acme", provider: str = "openai") -> Sealed:
    return keys.seal(Secret("sk-tenant-key"), tenant=tenant, provider=provider, nonce=NONCE)


@given(
    st.text(st.characters(codec="ascii"), min_size=1),
    NAMES,
    NAMES,
    st.binary(min_size=12, max_size=12),
)
def test_what_was_sealed_opens_for_its_tenant_and_provider(text, tenant, provider, nonce) -> None:
    keys = MasterKeys([ONE])
    found = keys.seal(Secret(text), tenant=tenant, provider=provider, nonce=nonce)
    assert keys.unseal(found, tenant=tenant, provider=provider).reveal() == text


def test_a_sealed_credential_shows_nothing_of_it() -> None:
    written = msgspec.json.encode(sealed(MasterKeys([ONE])))
    assert b"sk-tenant-key" not in written
    assert base64.b64encode(b"sk-tenant-key") not in written


@pytest.mark.parametrize(("tenant", "provider"), [("other", "openai"), ("acme", "anthropic")])
def test_it_opens_for_nobody_else(tenant: str, provider: str) -> None:
    keys = MasterKeys([ONE])
    with pytest.raises(SealError, match="another tenant or provider"):
        keys.unseal(sealed(keys), tenant=tenant, provider=provider)


@pytest.mark.parametrize("field", ["nonce", "ciphertext"])
def test_a_changed_one_does_not_open(field: str) -> None:
    keys = MasterKeys([ONE])
    good = sealed(keys)
    data = bytearray(base64.b64decode(getattr(good, field)))
    data[0] ^= 1
    for bad in (base64.b64encode(bytes(data)).decode(), "", "not base64!", "AAAA"):
        changed = msgspec.structs.replace(good, **{field: bad})
        with pytest.raises(SealError, match="changed"):
            keys.unseal(changed, tenant="acme", provider="openai")


def test_another_master_key_does_not_open_it_and_is_named() -> None:
    found = sealed(MasterKeys([ONE]))
    with pytest.raises(SealError) as caught:
        MasterKeys([TWO]).unseal(found, tenant="acme", provider="openai")
    assert found.master_key_id in caught.value.problem
    assert MasterKeys([TWO]).ids[0] in caught.value.problem
    with pytest.raises(SealError, match="it is not set"):
        MasterKeys().unseal(found, tenant="acme", provider="openai")


def test_without_a_master_key_nothing_is_sealed() -> None:
    with pytest.raises(SealError, match="FACILITAIR_MASTER_KEY is not set; make one with"):
        sealed(MasterKeys())


def test_after_a_rotation_the_new_key_seals_and_the_old_one_still_opens() -> None:
    before, after = MasterKeys([ONE]), MasterKeys([TWO, ONE])
    old, new = sealed(before), sealed(after)
    assert new.master_key_id == MasterKeys([TWO]).ids[0]
    for found in (old, new):
        opened = after.unseal(found, tenant="acme", provider="openai")
        assert opened.reveal() == "sk-tenant-key"
    with pytest.raises(SealError):
        before.unseal(new, tenant="acme", provider="openai")


@pytest.mark.parametrize(
    "text",
    [ONE.hex(), base64.b64encode(ONE).decode(), f" {ONE.hex()}\n", f"{ONE.hex()},{TWO.hex()}"],
)
def test_master_keys_are_read_as_base64_or_hex(text: str, tmp_path: Path) -> None:
    faults: list[str] = []
    (tmp_path / "key").write_text(text)
    for env in (
        {"FACILITAIR_MASTER_KEY": text},
        {"FACILITAIR_MASTER_KEY_FILE": str(tmp_path / "key")},
    ):
        assert read_master_keys(env, faults=faults).ids[0] == MasterKeys([ONE]).ids[0]
    assert faults == []
    assert read_master_keys({}, faults=faults).ids == ()


@pytest.mark.parametrize(
    "text",
    ["short", ONE.hex()[:-2], base64.b64encode(ONE[:-1]).decode(), ONE.hex() + ",", "%" * 44],
)
def test_what_is_no_master_key_is_told_and_not_quoted(text: str) -> None:
    faults: list[str] = []
    read_master_keys({"FACILITAIR_MASTER_KEY": text}, faults=faults)
    assert len(faults) == 1
    assert faults[0].startswith("FACILITAIR_MASTER_KEY: ")
    assert text not in faults[0]


def test_master_keys_show_their_ids_only() -> None:
    keys = MasterKeys([ONE])
    assert repr(keys) == f"MasterKeys({keys.ids[0]})"
