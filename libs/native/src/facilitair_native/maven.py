"""Jars by Maven, fetched once into the cache."""

import hashlib
import subprocess
from pathlib import Path
from typing import Final

from facilitair_native.cache import finished_folder
from facilitair_native.errors import FetchError
from facilitair_native.programs import find_maven

_TIMEOUT_S: Final = 900.0
_SHOWN_CHARS: Final = 2_000


def fetch_jars(pom: Path, *, name: str, cache: Path, path: str | None = None) -> Path:
    """The folder with the runtime jars of ``pom``; Maven runs only when it is not there yet.

    Where the jars come from is decided by the machine's own Maven settings.
    Another content of the pom is another folder.
    Raises MissingProgramError, FetchError, CacheError.
    """
    digest = hashlib.sha256(pom.read_bytes()).hexdigest()[:16]

    def fill(folder: Path) -> None:
        _copy_dependencies(pom, folder, name=name, path=path)

    return finished_folder(cache, f"{name}-{digest}", fill=fill)


def _copy_dependencies(pom: Path, folder: Path, *, name: str, path: str | None) -> None:
    program = find_maven(needed_for=f"fetching {name}", path=path)
    command = [
        str(program),
        *("--quiet", "--batch-mode", "--file", str(pom)),
        "dependency:copy-dependencies",
        "-DincludeScope=runtime",
        f"-DoutputDirectory={folder}",
    ]
    try:
        result = subprocess.run(
            command, capture_output=True, check=False, text=True, timeout=_TIMEOUT_S
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise FetchError(what=name, reason=str(error)) from error
    if result.returncode != 0:
        said = (result.stdout + result.stderr).strip()[-_SHOWN_CHARS:]
        raise FetchError(what=name, reason=f"mvn ended with {result.returncode}:\n{said}")
    if not any(folder.glob("*.jar")):
        raise FetchError(what=name, reason=f"mvn copied no jars for {pom}")
