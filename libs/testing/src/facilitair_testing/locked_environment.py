"""Python environments for tests and benchmarks that are not ours, made once per lock."""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

from facilitair_native.cache import cache_folder, exclusive


def locked_python(lock: Path, *, kind: str) -> str:
    """The interpreter of the environment of a lock with hashes, under the cache by its ``kind``.

    It is made when it is new; a second process that needs it waits.
    Raises CalledProcessError when a package cannot be had.
    """
    digest = hashlib.sha256(lock.read_bytes()).hexdigest()[:16]
    folder = cache_folder(os.environ) / kind / f"{lock.stem}-{digest}"
    python = folder / "bin" / "python"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with exclusive(folder.with_name(f"{folder.name}.lock")):
        if not (folder / "complete").exists():
            shutil.rmtree(folder, ignore_errors=True)
            _make(folder, python, lock=lock)
            (folder / "complete").touch()
    return str(python)


def _make(folder: Path, python: Path, *, lock: Path) -> None:
    uv = str(Path(sys.executable).with_name("uv"))
    subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, folder], check=True)
    subprocess.run(
        [
            *(uv, "pip", "install", "--quiet", "--require-hashes"),
            *("--python", str(python), "-r", str(lock)),
        ],
        # Outside of the workspace, whose settings leave packages out of every installation.
        cwd=folder,
        check=True,
    )
