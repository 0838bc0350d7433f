"""Where runs leave their results and their folders, so that many of them can be resumed."""

import os
import shutil
import signal
import subprocess
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import msgspec

from facilitair_testing.chaos.results import Result, table

_MOUNTS = Path("/proc/self/mounts")


class Shelf:
    """One folder of results. A run that passed leaves only its result."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.absolute()

    def result(self, name: str) -> Result | None:
        """The result of a run that came to its end; None when there is none."""
        try:
            return msgspec.json.decode(self._result(name).read_bytes(), type=Result)
        except (FileNotFoundError, msgspec.DecodeError):
            return None

    def results(self) -> list[Result]:
        """All results, by name."""
        names = sorted(path.stem for path in self.folder.glob("*-*-*.json"))
        return [result for name in names if (result := self.result(name)) is not None]

    def keep(self, name: str, result: Result) -> None:
        """Write down a result; it appears whole."""
        path = self._result(name)
        draft = path.with_suffix(".draft")
        draft.write_bytes(msgspec.json.format(msgspec.json.encode(result)))
        draft.replace(path)
        if result.passed:
            clear(self.run(name))

    def run(self, name: str) -> Path:
        """The folder of a run."""
        return self.folder / "runs" / name

    def prepare(self, name: str) -> Path:
        """The folder of a run that is about to begin; what an interrupted one left is gone."""
        folder = self.run(name)
        clear(folder)
        folder.parent.mkdir(parents=True, exist_ok=True)
        return folder

    def report(self, results: Iterable[Result]) -> Path:
        """Write the table of results beside them; returns its file."""
        path = self.folder / "report.md"
        path.write_text(table(list(results)) + "\n", encoding="utf-8")
        return path

    def _result(self, name: str) -> Path:
        return self.folder / f"{name}.json"


def clear(folder: Path) -> None:
    """Remove a run's folder, with the processes and disks that a killed run left there."""
    wanted = f"FACILITAIR_HOME={folder / 'home'}".encode()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and wanted in _environ(entry):
            with suppress(ProcessLookupError):
                os.kill(int(entry.name), signal.SIGKILL)
    umount = shutil.which("umount")
    for line in _MOUNTS.read_text(encoding="utf-8").splitlines() if umount else ():
        where = Path(line.split()[1])
        if umount and where.is_relative_to(folder):
            subprocess.run([umount, "--lazy", str(where)], check=False, capture_output=True)
    shutil.rmtree(folder, ignore_errors=True)


def _environ(process: Path) -> list[bytes]:
    try:
        return (process / "environ").read_bytes().split(b"\0")
    except OSError:
        return []
