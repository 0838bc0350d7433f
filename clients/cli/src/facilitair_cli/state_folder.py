"""The folder of all state of this machine, and the stamp that says which version wrote it."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from msgspec import Struct

from facilitair_cli.errors import StateFolderError, StateTooNewError

STATE_VERSION: Final = 1
"""Raised when a version writes state that the one before cannot read."""


class StateFolder(Struct, frozen=True):
    """Where things lie under ``$FACILITAIR_HOME``."""

    root: Path

    @property
    def stamp(self) -> Path:
        """The version of the state."""
        return self.root / "state-version"

    @property
    def gateway(self) -> Path:
        """Who answers: url, pid and start time."""
        return self.root / "run" / "gateway.json"

    @property
    def solo(self) -> Path:
        """The process of solo, from its first moment to its last."""
        return self.root / "run" / "solo.json"

    @property
    def fleet(self) -> Path:
        """The launcher of the fleet, from its first moment to its last."""
        return self.root / "run" / "fleet.json"

    @property
    def kafka(self) -> Path:
        """The Kafka that the fleet started."""
        return self.root / "run" / "kafka.json"

    @property
    def simulator(self) -> Path:
        """The simulator's url, pid and start time."""
        return self.root / "run" / "simulator.json"

    def announcement(self, name: str) -> Path:
        """Where a process of that name says where it answers."""
        return self.root / "run" / f"{name}.json"

    def ops(self, name: str) -> Path:
        """Where it says where its operator's port is."""
        return self.root / "run" / f"{name}.ops.json"

    @property
    def logs(self) -> Path:
        """The folder of log files."""
        return self.root / "logs"

    @property
    def journal(self) -> Path:
        """What the simulator was asked."""
        return self.root / "simulator.jsonl"


def state_folder(environ: Mapping[str, str]) -> StateFolder:
    """The folder that the environment names, else ``.facilitair`` in the checkout."""
    named = environ.get("FACILITAIR_HOME", "").strip()
    if named:
        return StateFolder(Path(named).expanduser().absolute())
    from facilitair_events.layout import checkout_root  # noqa: PLC0415 - imports what help needs not

    return StateFolder(checkout_root() / ".facilitair")


def prepare(folder: StateFolder) -> None:
    """Make the folder, or check that this version can use it.

    Raises StateFolderError and StateTooNewError.
    Files that were never stamped are taken over: the stamp is the first file that is written.
    """
    try:
        folder.root.mkdir(parents=True, exist_ok=True)
        for path in (folder.gateway.parent, folder.logs):
            path.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise StateFolderError(folder=folder.root, reason=error.strerror or str(error)) from error
    if check_version(folder) is None:
        draft = folder.stamp.with_name(f"{folder.stamp.name}.{os.getpid()}")
        draft.write_text(f"{STATE_VERSION}\n", encoding="utf-8")
        draft.replace(folder.stamp)


def check_version(folder: StateFolder) -> int | None:
    """The version that wrote the state; None where nothing is stamped. Changes nothing.

    Raises StateFolderError and StateTooNewError for state that this version cannot use.
    """
    try:
        found = folder.stamp.read_text(encoding="utf-8").strip() if folder.stamp.exists() else ""
    except OSError as error:
        raise StateFolderError(folder=folder.root, reason=error.strerror or str(error)) from error
    if not found:
        return None
    if not (found.isascii() and found.isdigit()):
        reason = f"{folder.stamp.name} is not a version, it says {found[:40]!r}"
        raise StateFolderError(folder=folder.root, reason=reason)
    if int(found) > STATE_VERSION:
        raise StateTooNewError(folder=folder.root, found=int(found), known=STATE_VERSION)
    return int(found)
