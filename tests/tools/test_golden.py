"""Golden inboxes are written once: by a tool that refuses to do it again, and that is checked."""

import subprocess
from pathlib import Path

import pytest

from facilitair_testing.golden.accounts import ACCOUNT_SHAPES
from facilitair_testing.golden.files import ACCOUNTS, GOLDEN
from facilitair_testing.golden.shapes import SHAPES
from tools import golden
from tools.git_files import has_ref
from tools.schemas import REFS

ROOT = Path(__file__).resolve().parents[2]
TWO = {name: SHAPES[name] for name in ("linear", "refused")}


def git(root: Path, *arguments: str) -> None:
    who = ("-c", "user.name=t", "-c", "user.email=t@localhost")
    subprocess.run(["git", "-C", str(root), *who, *arguments], check=True, capture_output=True)


def test_only_what_is_missing_is_written(tmp_path) -> None:
    kept = tmp_path / "linear.jsonl"
    kept.write_bytes(b"as it was\n")
    assert golden.write_missing(tmp_path, TWO, logic=1) == ["refused"]
    assert kept.read_bytes() == b"as it was\n"
    assert golden.write_missing(tmp_path, TWO, logic=1) == []


def test_a_file_is_never_written_again(tmp_path) -> None:
    golden.write(tmp_path, "linear", SHAPES["linear"], logic=1)
    before = (tmp_path / "linear.jsonl").read_bytes()
    with pytest.raises(golden.GoldenExistsError, match=r"guard what changed in decide by state"):
        golden.write(tmp_path, "linear", SHAPES["refused"], logic=1)
    assert (tmp_path / "linear.jsonl").read_bytes() == before


def test_the_command_refuses_a_shape_that_is_kept(tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.setattr(
        golden, "folder", lambda logic, of="workflows": tmp_path / of / f"logic-{logic}"
    )
    assert golden.main(["linear"]) == 0
    assert golden.main(["linear"]) == 1
    assert "is kept for ever" in capsys.readouterr().err
    assert golden.main([]) == 0
    told = capsys.readouterr().out
    assert f"{len(SHAPES) - 1} written, 1 kept" in told
    assert f"of accounts {len(ACCOUNT_SHAPES)} written, 0 kept" in told


def test_what_was_rewritten_or_removed_since_a_commit_is_found(tmp_path) -> None:
    into = tmp_path / GOLDEN / "logic-1"
    golden.write_missing(into, TWO, logic=1)
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "--quiet", "-m", "x")
    assert golden.rewritten(tmp_path, "HEAD") == []
    (into / "another.jsonl").write_bytes(b"new\n")
    assert golden.rewritten(tmp_path, "HEAD") == []
    (into / "linear.jsonl").write_bytes(b"other\n")
    (into / "refused.jsonl").unlink()
    assert [name.rsplit("/", 1)[1] for name in golden.rewritten(tmp_path, "HEAD")] == [
        "linear.jsonl", "refused.jsonl",
    ]  # fmt: skip


def test_files_of_accounts_are_kept_as_those_of_collaborations(tmp_path) -> None:
    into = tmp_path / ACCOUNTS / "logic-1"
    two = {name: ACCOUNT_SHAPES[name] for name in ("windows-turn", "mixed-0")}
    golden.write_missing(into, two, logic=1, told=golden.account)
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "--quiet", "-m", "x")
    (into / "mixed-0.jsonl").write_bytes(b"other\n")
    assert golden.rewritten(tmp_path, "HEAD") == [f"{ACCOUNTS}/logic-1/mixed-0.jsonl"]


@pytest.mark.parametrize("ref", REFS)
def test_r9_no_golden_inbox_was_ever_rewritten(ref: str) -> None:
    if has_ref(ROOT, ref):
        assert golden.rewritten(ROOT, ref) == []
