"""Keys from variables and files, and texts that must not hold them."""

import base64
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facilitair_llm.secret import Secret, read_key

KEY = "CANARY+key/with=odd.characters-42"


def read(env: dict[str, str]) -> tuple[str | None, list[str]]:
    faults: list[str] = []
    found = read_key(env, "X_API_KEY", faults=faults)
    return None if found is None else found.reveal(), faults


@pytest.mark.parametrize("ending", ["", "\n", "\r\n", "\n\n", " \t\n"])
def test_a_key_is_read_from_a_variable_or_a_file_without_its_line_end(
    ending: str, tmp_path: Path
) -> None:
    file = tmp_path / "key"
    file.write_bytes(f"{KEY}{ending}".encode())
    assert read({"X_API_KEY": f"{KEY}{ending}"}) == (KEY, [])
    assert read({"X_API_KEY_FILE": str(file)}) == (KEY, [])


def test_an_empty_variable_counts_as_unset() -> None:
    assert read({}) == (None, [])
    assert read({"X_API_KEY": "  ", "X_API_KEY_FILE": ""}) == (None, [])


def test_both_are_refused(tmp_path: Path) -> None:
    assert read({"X_API_KEY": KEY, "X_API_KEY_FILE": str(tmp_path)}) == (
        None, ["X_API_KEY: set it or X_API_KEY_FILE, not both"]
    )  # fmt: skip


def test_files_that_give_no_key_are_told(tmp_path: Path) -> None:
    told = {}
    (tmp_path / "empty").write_text("\n")
    (tmp_path / "binary").write_bytes(b"\xff\xfe" + KEY.encode())
    (tmp_path / "two").write_text(f"{KEY}\n{KEY}\n")
    (tmp_path / "bearer").write_text(f"Bearer {KEY}")
    for name in ("missing", "empty", "binary", "two", "bearer", "."):
        found, faults = read({"X_API_KEY_FILE": str(tmp_path / name)})
        assert found is None
        assert KEY not in faults[0]
        told[name] = faults[0].removeprefix("X_API_KEY_FILE: ").removeprefix(str(tmp_path / name))
    assert told == {
        "missing": " cannot be read: FileNotFoundError",
        "empty": " is empty",
        "binary": " cannot be read: UnicodeDecodeError",
        "two": "it has characters that no key has; copy it again",
        "bearer": "it has characters that no key has; copy it again",
        ".": " cannot be read: IsADirectoryError",
    }


def test_a_file_that_may_not_be_read_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> str:
        raise PermissionError

    monkeypatch.setattr(Path, "read_text", refuse)
    assert read({"X_API_KEY_FILE": "/run/secrets/key"}) == (
        None, ["X_API_KEY_FILE: /run/secrets/key cannot be read: PermissionError"]
    )  # fmt: skip


def encodings(text: str) -> list[str]:
    return [
        text,
        quote(text, safe=""),
        text.encode().hex(),
        text.encode().hex().upper(),
        *(base64.b64encode(b"user-42:"[:before] + text.encode()).decode() for before in range(4)),
        *(
            base64.urlsafe_b64encode(b"~~~"[:before] + text.encode()).decode()
            for before in range(3)
        ),
    ]


@given(st.text(st.characters(codec="ascii", categories=["L", "N", "P"]), min_size=12, max_size=80))
def test_a_key_is_removed_from_a_text_however_it_is_encoded(text: str) -> None:
    secret = Secret(text)
    for encoded in encodings(text):
        hidden = secret.hidden_in(f"wrong key <{encoded}>.")
        # Of base64 the first and last character also belong to what stands beside the key.
        assert encoded[4:-4] not in hidden
        assert hidden.startswith("wrong key <")
        assert hidden.endswith(">.")


def test_what_a_cut_left_of_a_key_is_removed() -> None:
    hidden = Secret(KEY).hidden_in(f"wrong key {KEY[:20]}")
    assert hidden == "wrong key [removed]"
    assert Secret(KEY).hidden_in("wrong key CANAR") == "wrong key CANAR"


def test_a_word_instead_of_a_key_is_removed_from_nothing() -> None:
    assert Secret("none").hidden_in("there is none, bm9uZQ==") == "there is none, bm9uZQ=="


def test_a_secret_shows_itself_to_nobody() -> None:
    secret = Secret(KEY)
    assert KEY not in f"{secret!r} {secret!s} {secret}"
    assert KEY not in str(vars(type(secret)))
