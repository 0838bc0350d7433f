"""The folder of ``--out``, looked at before anything is started."""

import os
from pathlib import Path

from facilitair_cli.errors import OptionError


def check_folder(folder: Path, *, force: bool) -> None:
    """Refuse a folder before anything is paid for. Raises OptionError."""
    if folder.exists() and not folder.is_dir():
        raise OptionError(option="--out", reason=f"{folder} is not a folder")
    above = next(part for part in (folder, *folder.absolute().parents) if part.exists())
    if not (above.is_dir() and os.access(above, os.W_OK | os.X_OK)):
        raise OptionError(option="--out", reason=f"nothing can be written in {above}")
    if folder.is_dir() and any(folder.iterdir()) and not force:
        reason = f"{folder} is not empty; name another folder, or --force to overwrite files"
        raise OptionError(option="--out", reason=reason)
