"""A PATH on which only python3, git, make, sh, bash and coreutils are found."""

import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

COREUTILS = "cat chmod cp cut date dirname env head ln ls mkdir mv nohup printf rm sleep sort touch"

Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture(scope="session")
def reduced_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bin")
    (folder / "python3").symlink_to(sys._base_executable)  # noqa: SLF001  the Python under the venv
    for name in ["git", "make", "sh", "bash", *COREUTILS.split()]:
        found = shutil.which(name)
        assert found is not None, f"{name} is not on this machine"
        (folder / name).symlink_to(found)
    return folder


@pytest.fixture
def start(outer_environment: Mapping[str, str], reduced_path: Path) -> Start:
    """Start make in a checkout, with the reduced PATH and the given variables."""

    def popen(checkout: Path, *targets: str, **variables: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            ["make", *targets],
            cwd=checkout,
            env={**outer_environment, **variables, "PATH": str(reduced_path)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    return popen


def finish(process: "subprocess.Popen[str]") -> str:
    output = process.communicate(timeout=380)[0]
    assert process.returncode == 0, output
    return output


@pytest.fixture(name="finish")
def finish_fixture() -> Callable[["subprocess.Popen[str]"], str]:
    """Wait for a process and return what it said; it has to succeed."""
    return finish
