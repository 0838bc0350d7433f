"""Programs of the machine that servers need: where they are, and what to say when they are not."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Final

from facilitair_native.errors import MissingProgramError

JAVA_AT_LEAST: Final = 17

_VERSION: Final = re.compile(r'version "(\d+)')
_VERSION_TIMEOUT_S: Final = 30.0


def find_java(*, needed_for: str, path: str | None = None) -> Path:
    """The ``java`` of PATH (or of ``path``). Raises MissingProgramError below version 17."""
    remedy = (
        f"install Java {JAVA_AT_LEAST} or newer, e.g. `apt-get install openjdk-17-jre-headless`"
    )
    program = shutil.which("java", path=path)
    if program is None:
        raise MissingProgramError(
            program="java", needed_for=needed_for, found="which is not on PATH", remedy=remedy
        )
    try:
        answer = subprocess.run(
            [program, "-version"],
            capture_output=True,
            check=True,
            text=True,
            timeout=_VERSION_TIMEOUT_S,
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise MissingProgramError(
            program="java",
            needed_for=needed_for,
            found=f"and {program} does not run ({error})",
            remedy=remedy,
        ) from error
    found = _VERSION.search(answer.stderr + answer.stdout)
    if found is None or int(found[1]) < JAVA_AT_LEAST:
        version = "an unknown version" if found is None else f"version {found[1]}"
        raise MissingProgramError(
            program=f"java {JAVA_AT_LEAST}",
            needed_for=needed_for,
            found=f"and {program} is {version}",
            remedy=remedy,
        )
    return Path(program)


def find_maven(*, needed_for: str, path: str | None = None) -> Path:
    """The ``mvn`` of PATH (or of ``path``). Raises MissingProgramError."""
    program = shutil.which("mvn", path=path)
    if program is None:
        raise MissingProgramError(
            program="mvn (Maven)",
            needed_for=needed_for,
            found="which is not on PATH",
            remedy="install Maven, e.g. `apt-get install maven`; it is used once, to fetch jars",
        )
    return Path(program)
