"""Peers come from locks with hashes, and never into ours."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import peers
from benchmarks.peers import environment

FOLDER = Path(peers.__file__).parent
ROOT = FOLDER.parents[1]
NAMES = sorted(path.stem for path in FOLDER.glob("*.in"))
DIGEST = "a" * 64


def pins(lock):
    return set(re.findall(r"^([a-z0-9._-]+)==", lock.read_text(), re.MULTILINE))


def test_there_are_the_peers_that_are_spoken_of():
    assert NAMES == ["langgraph", "litellm", "naive", "openai"]


@pytest.mark.parametrize("name", NAMES)
def test_every_package_of_a_peer_has_hashes_and_no_address(name):
    text = (FOLDER / f"{name}.lock").read_text()
    assert "://" not in text
    entries = re.split(r"^(?=[a-z0-9])", text, flags=re.MULTILINE)[1:]
    assert entries
    assert all("--hash=sha256:" in entry for entry in entries)
    asked = re.findall(r"^([a-z0-9-]+)", (FOLDER / f"{name}.in").read_text(), re.MULTILINE)
    assert set(asked) <= pins(FOLDER / f"{name}.lock")


@pytest.mark.parametrize("name", ["langgraph", "litellm", "openai"])
def test_a_peer_is_no_dependency_of_ours(name):
    assert name not in pins(ROOT / "requirements.lock")


def test_an_environment_is_made_once_for_each_lock(monkeypatch, tmp_path):
    ran = []
    monkeypatch.setattr(environment, "LOCKS", tmp_path)
    monkeypatch.setenv("FACILITAIR_CACHE", str(tmp_path / "cache"))

    def run(command, **options):
        ran.append((command[1], options.get("cwd")))
        if command[1] == "venv":
            Path(command[-1]).mkdir(parents=True)
        else:
            assert "--require-hashes" in command
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr(subprocess, "run", run)
    lock = tmp_path / "some.lock"
    lock.write_text(f"x==1 --hash=sha256:{DIGEST}")
    python = environment.peer_python("some")
    assert environment.peer_python("some") == python
    assert [name for name, _ in ran] == ["venv", "pip"]
    # Not in the workspace, whose settings leave packages out.
    assert ran[1][1] == Path(python).parents[1]
    lock.write_text(f"x==2 --hash=sha256:{DIGEST}")
    assert environment.peer_python("some") != python
    assert len(ran) == 4


def test_what_runs_in_a_peer_needs_nothing_of_ours():
    programs = ["benchmarks.counted", "benchmarks.model_clients.reading", "benchmarks.streams.load"]
    program = f"import sys, {', '.join(programs)}; print(list(sys.modules))"
    found = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    # The finders of editable installs are there in every process of this environment.
    named = re.findall(r"'([^']*facilitair[^']*)'", found.stdout)
    assert [name for name in named if "editable" not in name] == []
