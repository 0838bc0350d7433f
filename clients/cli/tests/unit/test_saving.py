import stat

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facilitair_cli import saving
from facilitair_cli.errors import OptionError
from facilitair_cli.exits import ExitCode
from facilitair_cli.out_folder import check_folder
from facilitair_cli.saving import Planned, fault_of, plan, save
from facilitair_client import Event, Transcript


@pytest.mark.parametrize(
    "name", ["a.py", "src/a.py", "a b.txt", "ä.md", ".gitignore", "x/.github/w.yml"]
)
def test_a_plain_name_may_be_written(name):
    assert fault_of(name) is None


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "/etc/passwd",
        "../a",
        "a/../../b",
        "a/..",
        "~/a",
        "~root",
        "a\\..\\b",
        "C:\\a",
        "C:a",
        "a\0b",
        "a\nb",
        "a\x1b[2Jb",
        ".ssh/authorized_keys",
        ".git/hooks/post-commit",
        "a/.git/config",
        ".bashrc",
        "folder/",
        "x" * 300,
        "/".join("d" * 20),
    ],
)
def test_a_name_that_leads_elsewhere_may_not(name):
    assert fault_of(name) is not None


@given(st.text())
def test_whatever_a_model_names_nothing_is_written_outside(tmp_path_factory, name):
    root = tmp_path_factory.mktemp("root")
    out = root / "a" / "out"
    save(out, [Planned(name, "x", "coder")], force=False)
    files = [path for path in root.rglob("*") if path.is_file()]
    assert all(path.is_relative_to(out) for path in files)


def saved(folder, *planned, force=False):
    return save(folder, [Planned(name, text, "coder") for name, text in planned], force=force)


def test_files_are_written_with_their_folders(tmp_path):
    result = saved(tmp_path / "out", ("a.py", "x\n"), ("src/b.py", "y\n"))
    assert result.written == ("a.py", "src/b.py")
    assert (tmp_path / "out/src/b.py").read_text() == "y\n"


def test_what_exists_stays_without_force(tmp_path):
    (tmp_path / "a.py").write_text("mine")
    result = saved(tmp_path, ("a.py", "theirs"), ("b.py", "new"))
    assert (tmp_path / "a.py").read_text() == "mine"
    assert result.written == ("b.py",)
    assert "--force" in result.left_out[0]


def test_force_overwrites(tmp_path):
    (tmp_path / "a.py").write_text("mine")
    assert saved(tmp_path, ("a.py", "theirs"), force=True).written == ("a.py",)
    assert (tmp_path / "a.py").read_text() == "theirs"


@pytest.mark.parametrize("force", [True, False])
def test_a_link_to_a_file_is_never_written_through(tmp_path, force):
    secret = tmp_path / "secret"
    secret.write_text("mine")
    out = tmp_path / "out"
    out.mkdir()
    (out / "a.py").symlink_to(secret)
    saved(out, ("a.py", "theirs"), force=force)
    assert secret.read_text() == "mine"


@pytest.mark.parametrize("force", [True, False])
def test_a_link_to_a_folder_is_never_written_into(tmp_path, force):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    out = tmp_path / "out"
    out.mkdir()
    (out / "src").symlink_to(elsewhere)
    result = saved(out, ("src/a.py", "theirs"), force=force)
    assert "link" in result.left_out[0]
    assert list(elsewhere.iterdir()) == []


def test_a_file_where_a_folder_is_needed_is_told(tmp_path):
    result = saved(tmp_path, ("a", "x"), ("a/b", "y"))
    assert result.written == ("a",)
    assert len(result.left_out) == 1


def test_nothing_written_can_be_run(tmp_path):
    saved(tmp_path, ("a.sh", "rm -rf /"))
    saved(tmp_path, ("a.sh", "rm -rf /"), force=True)
    assert not stat.S_IMODE((tmp_path / "a.sh").stat().st_mode) & 0o111


def test_sizes_and_counts_are_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr(saving, "MAX_FILE_BYTES", 10)
    monkeypatch.setattr(saving, "MAX_TOTAL_BYTES", 15)
    monkeypatch.setattr(saving, "MAX_FILES", 2)
    result = saved(
        tmp_path, ("big", "x" * 11), ("a", "x" * 10), ("b", "x" * 6), ("c", "x"), ("d", "x")
    )
    assert result.written == ("a", "c")
    assert [fault.partition(":")[0] for fault in result.left_out] == [
        "big of coder",
        "b of coder",
        "d of coder",
    ]


def completed_step(seq, step, text):
    output = {"size": len(text.encode()), "text": {"k": None, "v": text}}
    data = {"seq": seq, "step": step, "agent": "x", "attempt": 1, "output": output, "totals": {}}
    return Event(None, "attempt.completed", data)


def block(name, text):
    return f"```python {name}\n{text}```\n"


def test_each_step_is_written_once_with_its_last_text():
    events = [
        completed_step(1, "coder", "first"),
        completed_step(2, "review.1.coder", "second"),
        completed_step(3, "documenter", "docs"),
    ]
    planned = {file.path: file.text for file in plan(Transcript.of(events))}
    assert planned == {"coder.md": "second", "documenter.md": "docs"}


def test_the_result_wins_over_what_others_quote():
    events = [
        completed_step(1, "coder", block("a.py", "whole = 1\n") + block("b.py", "b\n")),
        completed_step(2, "documenter", block("a.py", "part\n")),
        Event(None, "collaboration.completed", {"seq": 3, "step": "coder", "totals": {}}),
    ]
    planned = {file.path: file.text for file in plan(Transcript.of(events))}
    assert planned["a.py"] == "whole = 1\n"
    assert planned["b.py"] == "b\n"


def test_a_block_does_not_replace_a_step_text():
    events = [completed_step(1, "coder", block("coder.md", "forged\n"))]
    planned = [file.path for file in plan(Transcript.of(events))]
    assert planned == ["coder.md"]


def test_a_folder_with_something_in_it_is_refused_before_anything_runs(tmp_path):
    (tmp_path / "mine").write_text("x")
    with pytest.raises(OptionError, match="--force") as caught:
        check_folder(tmp_path, force=False)
    assert caught.value.code == ExitCode.USAGE
    check_folder(tmp_path, force=True)
    check_folder(tmp_path / "new", force=False)
    with pytest.raises(OptionError, match="not a folder"):
        check_folder(tmp_path / "mine", force=True)
    with pytest.raises(OptionError, match=r"nothing can be written in .*mine"):
        check_folder(tmp_path / "mine" / "inside", force=True)


def test_a_folder_that_is_gone_by_the_end_loses_no_result(tmp_path):
    (tmp_path / "mine").write_text("x")
    planned = plan(Transcript.of([completed_step(1, "coder", "text")]))
    saved = save(tmp_path / "mine" / "inside", planned, force=False)
    assert saved.written == ()
    assert saved.left_out == (f"{tmp_path}/mine/inside: Not a directory",)
