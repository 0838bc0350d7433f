"""The folder of ``--out``, looked at before anything is started."""

from pathlib import Path

from facilitair_cli.errors import OptionError


def check_folder(folder: Path, *, force: bool) -> None:
    """Refuse a folder before anything is paid for. Raises OptionError."""
    if folder.exists() and not folder.is_dir():
        raise OptionError(option="--out", reason=f"{folder} is not a folder")
    if folder.is_dir() and any(folder.iterdir()) and not force:
        reason = f"{folder} is not empty; name another folder, or --force to overwrite files"
        raise OptionError(option="--out", reason=reason)
