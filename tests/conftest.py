"""One fresh clone of what is committed, for all tests that need an environment of their own."""

import os
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

# What the caller's make, Python and shell would tell the clone, and what would choose a model.
_OUTER = ("MAKEFLAGS", "MAKELEVEL", "MAKEOVERRIDES", "MFLAGS", "VIRTUAL_ENV", "TASK", "WORKFLOW")
_PROVIDERS = (
    *(f"{path.stem.upper()}_" for path in sorted((ROOT / "models").glob("*.yaml"))),
    "FACILITAIR_",
)
_KEPT = ("FACILITAIR_CACHE",)

MakeClone = Callable[[], Path]


@pytest.fixture(scope="session")
def outer_environment() -> Mapping[str, str]:
    """The environment without what belongs to this checkout, this make or a real model."""
    return {
        name: value
        for name, value in os.environ.items()
        if name in _KEPT or not (name in _OUTER or name.startswith(_PROVIDERS))
    }


@pytest.fixture(scope="session")
def make_clone(tmp_path_factory: pytest.TempPathFactory) -> MakeClone:
    """Clone HEAD as a stranger would: nothing that is not committed is there."""

    def make() -> Path:
        folder = tmp_path_factory.mktemp("clone") / "facilitair"
        subprocess.run(["git", "clone", "--quiet", ROOT, folder], check=True, timeout=240)
        return folder

    return make


@pytest.fixture(scope="session")
def clone(make_clone: MakeClone) -> Path:
    """The clone that is set up once; whoever needs it set up runs `make init`, an instant later."""
    return make_clone()


@pytest.fixture(scope="session")
def ready_clone(clone: Path, outer_environment: Mapping[str, str]) -> Path:
    """The clone with its environment."""
    command = ["make", "init"]
    done = subprocess.run(
        command, cwd=clone, env=outer_environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return clone
