import pytest
from hypothesis import given
from hypothesis import strategies as st

from facilitair_events.errors import EventsError, KeyFormatError
from facilitair_events.keys import (
    LEDGER_KINDS,
    NAME,
    CallKey,
    call_key,
    checked_name,
    collaboration_key,
    credential_key,
    split_call_key,
    split_collaboration_key,
    split_credential_key,
    split_task_key,
    task_key,
)

NAMES = st.from_regex(NAME, fullmatch=True)
BAD_NAMES = ["", "A", "a:b", "a|b", ".a", "-a", "_a", "a b", "a\n", "é", "a/b", "..", "a\x00"]


@given(tenant=NAMES, collaboration=NAMES, path=NAMES, call=NAMES, nonce=NAMES)
def test_r18_keys_come_apart_as_they_were_put_together(tenant, collaboration, path, call, nonce):
    key = collaboration_key(tenant, collaboration)
    assert split_collaboration_key(key) == split_collaboration_key(key.encode())
    assert split_collaboration_key(key) == (tenant, collaboration)
    task = task_key(tenant, collaboration, path)
    assert split_task_key(task.encode()) == (tenant, collaboration, path)
    for kind in LEDGER_KINDS:
        ledger = call_key(task, call, kind, nonce)
        assert ledger.partition("|")[0] == task
        assert split_call_key(ledger.encode()) == CallKey(
            tenant=tenant,
            collaboration=collaboration,
            path=path,
            call_id=call,
            kind=kind,
            nonce=nonce,
        )


@given(tenant=NAMES, provider=NAMES)
def test_a_credentials_key_comes_apart_as_it_was_put_together(tenant, provider):
    key = credential_key(tenant, provider)
    assert split_credential_key(key) == split_credential_key(key.encode()) == (tenant, provider)


@pytest.mark.parametrize("bad", BAD_NAMES)
def test_r18_a_bad_part_is_named(bad):
    attempts = {
        "tenant": lambda: collaboration_key(bad, "c"),
        "collaboration": lambda: collaboration_key("t", bad),
        "path": lambda: task_key("t", "c", bad),
        "call_id": lambda: call_key("t:c:p", bad, "claim", "n"),
        "nonce": lambda: call_key("t:c:p", "i", "claim", bad),
        "agent": lambda: checked_name("agent", bad),
        "provider": lambda: credential_key("t", bad),
    }
    for part, attempt in attempts.items():
        with pytest.raises(KeyFormatError) as caught:
            attempt()
        assert caught.value.part == part
        assert str(caught.value).startswith(f"{part} {bad!r} is not")


@pytest.mark.parametrize(
    ("split", "key"),
    [
        (split_collaboration_key, "t"),
        (split_collaboration_key, "t:c:p"),
        (split_collaboration_key, "t:C"),
        (split_collaboration_key, ":c"),
        (split_collaboration_key, b"\xff:c"),
        (split_credential_key, "t"),
        (split_credential_key, "t:p:x"),
        (split_credential_key, "t:P"),
        (split_task_key, "t:c"),
        (split_task_key, "t:c:p|i"),
        (split_call_key, "t:c:p"),
        (split_call_key, "t:c:p|i|claim"),
        (split_call_key, "t:c:p|i|seize|n"),
        (split_call_key, "t:c|i|claim|n"),
    ],
)
def test_a_key_of_another_form_is_refused(split, key):
    with pytest.raises(KeyFormatError):
        split(key)


def test_an_unknown_ledger_kind_is_refused():
    with pytest.raises(KeyFormatError, match="kind 'seize' is not one of claim, renewal"):
        call_key("t:c:p", "i", "seize", "n")


@given(st.binary(max_size=30))
def test_any_bytes_as_a_key_are_read_or_refused(key):
    for split in (split_collaboration_key, split_task_key, split_call_key):
        try:
            split(key)
        except EventsError:
            continue
