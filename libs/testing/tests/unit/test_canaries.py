"""The search finds what it is to find, in every form, wherever it stands."""

import base64
from pathlib import Path
from urllib.parse import quote

import pytest

from facilitair_testing.canaries import files_of, sightings

SECRETS = {"mine": "sk-CANARY/+0123456789==x", "other": "fac_other_0123456789abcdef"}


@pytest.mark.parametrize("before", ["", "u", "us", "use", "user:"])
@pytest.mark.parametrize(
    "encoded",
    [
        str,
        lambda text: base64.b64encode(text.encode()).decode(),
        lambda text: base64.urlsafe_b64encode(text.encode()).decode(),
        lambda text: text.encode().hex(),
        lambda text: text.encode().hex().upper(),
        lambda text: quote(text, safe=""),
    ],
    ids=["plain", "base64", "base64url", "hex", "HEX", "url"],
)
def test_a_secret_is_found_in_every_form(before: str, encoded, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    content = b"\0\1before" + encoded(f"{before}{SECRETS['mine']}behind").encode() + b"\xff"
    (tmp_path / "folder" / "file").write_bytes(content)
    found = list(sightings(SECRETS, files_of(tmp_path)))
    assert found
    assert all(one.startswith("mine (") for one in found)
    assert all(one.endswith(" in folder/file") for one in found)


def test_a_secret_in_the_name_of_a_file_is_found(tmp_path: Path) -> None:
    (tmp_path / SECRETS["other"]).write_bytes(b"")
    assert list(sightings(SECRETS, files_of(tmp_path)))


def test_what_holds_none_is_clean(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"sk-CANARY fac_other_ 0123456789abcdef" * 10)
    assert list(sightings(SECRETS, files_of(tmp_path))) == []
