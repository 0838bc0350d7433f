import shutil
from pathlib import Path

import pytest

from tools.tracked import tracked_files

ROOT = Path(__file__).resolve().parents[2]
COPIED = ("libs", "services", "clients", "schemas")


@pytest.fixture(scope="session")
def root():
    return ROOT


@pytest.fixture
def copy(tmp_path):
    """A copy of the members' sources and of what lists them, to break on purpose."""
    for file in tracked_files(ROOT):
        if file.parts[0] in COPIED or len(file.parts) == 1:
            (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / file, tmp_path / file)
    return tmp_path
