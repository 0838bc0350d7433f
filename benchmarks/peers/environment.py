"""The environments of peers, made once per lock under the cache."""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

from benchmarks.processes import ROOT
from facilitair_native.cache import cache_folder

LOCKS = ROOT / "benchmarks" / "peers"


def peer_python(name: str) -> str:
    """The interpreter of a peer, installed from ``benchmarks/peers/<name>.lock`` when it is new.

    Raises CalledProcessError when a package cannot be had.
    """
    lock = LOCKS / f"{name}.lock"
    digest = hashlib.sha256(lock.read_bytes()).hexdigest()[:16]
    folder = cache_folder(os.environ) / "peers" / f"{name}-{digest}"
    python = folder / "bin" / "python"
    if not (folder / "complete").exists():
        shutil.rmtree(folder, ignore_errors=True)
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
        (folder / "complete").touch()
    return str(python)
