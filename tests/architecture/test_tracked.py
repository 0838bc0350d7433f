import subprocess
from pathlib import Path

import pytest

from tools.tracked import machine_faults, name_faults, size_faults, tracked_files


def test_files_are_small(root):
    assert size_faults(root, tracked_files(root)) == []


def test_modules_are_named_after_things(root):
    assert name_faults(tracked_files(root)) == []


def test_nothing_of_one_machine_is_tracked(root):
    assert machine_faults(root, tracked_files(root)) == []


@pytest.mark.parametrize(
    ("name", "allowed"), [("libs/x/src/m.py", 300), ("libs/x/tests/unit/test_m.py", 500)]
)
def test_a_long_file_is_rejected(tmp_path, name, allowed):
    file = tmp_path / name
    file.parent.mkdir(parents=True)
    file.write_text("x = 1\n" * allowed)
    assert size_faults(tmp_path, [Path(name)]) == []
    file.write_text("x = 1\n" * (allowed + 1))
    assert len(size_faults(tmp_path, [Path(name)])) == 1


@pytest.mark.parametrize(
    "name",
    ["libs/x/src/facilitair_x/utils.py", "libs/x/src/facilitair_x/common/a.py", "uv.lock"],
)
def test_a_name_that_says_nothing_is_rejected(name):
    assert len(name_faults([Path(name)])) == 1


def test_other_names_pass():
    assert name_faults([Path("libs/x/src/facilitair_x/base64url.py"), Path("docs/common.md")]) == []


@pytest.mark.parametrize(
    "line",
    [
        "cd /" + "root/project",
        'PATH = "/' + 'work/main"',
        "https://pypi" + ".org/simple",
        "https://files.python" + "hosted.org/packages",
        "pip install --index" + "-url x",
    ],
)
def test_a_trace_of_one_machine_is_rejected(tmp_path, line):
    (tmp_path / "notes.md").write_text(f"fine\n{line}\n")
    faults = machine_faults(tmp_path, [Path("notes.md")])
    assert len(faults) == 1
    assert faults[0].startswith("notes.md:2 ")


@pytest.mark.parametrize("line", ["libs/work/x", "the root/leaf", "$HOME/work/x", "/etc/hosts"])
def test_other_paths_pass(tmp_path, line):
    (tmp_path / "notes.md").write_text(line)
    assert machine_faults(tmp_path, [Path("notes.md")]) == []


def test_new_files_count_and_ignored_ones_do_not(tmp_path):
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    (tmp_path / ".gitignore").write_text("ignored\n")
    (tmp_path / "ignored").write_text("")
    (tmp_path / "new").write_text("")
    assert tracked_files(tmp_path) == [Path(".gitignore"), Path("new")]
