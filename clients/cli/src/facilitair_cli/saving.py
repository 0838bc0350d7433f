"""Writes what a collaboration made into a folder, and nothing outside of it."""

import os
import tempfile
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import Final

from msgspec import Struct

from facilitair_cli.fenced import named_blocks
from facilitair_client import Transcript

MAX_FILES: Final = 200
MAX_FILE_BYTES: Final = 4 * 1024 * 1024
MAX_TOTAL_BYTES: Final = 32 * 1024 * 1024
_MAX_DEPTH: Final = 12
_MAX_NAME_BYTES: Final = 200
_HIDDEN_ALLOWED: Final = frozenset(
    {".dockerignore", ".editorconfig", ".env.example", ".github", ".gitignore", ".gitattributes"}
)


class Planned(Struct, frozen=True):
    """A file to write; ``source`` is the step it comes from."""

    path: str
    text: str
    source: str


class Saved(Struct, frozen=True):
    """What was written, and what was not with the reason."""

    written: tuple[str, ...]
    left_out: tuple[str, ...]


def plan(transcript: Transcript) -> list[Planned]:
    """Each step's final text as ``<step>.md``, then the files its blocks name.

    A later step's file replaces an earlier one's, and the result's replaces all others: what others
    quote of a file is often a part of it.
    """
    final = {step.name: step for step in transcript.steps.values() if step.agent and step.text}
    texts = [Planned(f"{name}.md", step.text, step.path) for name, step in final.items()]
    by_path = {planned.path: planned for planned in texts}
    ordered = sorted(final.values(), key=lambda step: step.path == transcript.result_step)
    blocks: dict[str, Planned] = {}
    for step in ordered:
        for block in named_blocks(step.text):
            if block.file not in by_path:
                blocks[block.file] = Planned(block.file, block.text, step.path)
    return [*texts, *blocks.values()]


def fault_of(name: str) -> str | None:
    """Why a model may not name this file; None when it may."""
    parts = PurePosixPath(name).parts
    if not parts or name.endswith("/"):
        return "it names no file"
    if not name.isprintable() or "\\" in name or ":" in name:
        return "its name holds characters that are not for file names"
    if name.startswith(("/", "~")):
        return "it is not inside the folder"
    if ".." in parts:
        return "it leads out of the folder"
    if any(part.startswith(".") and part not in _HIDDEN_ALLOWED for part in parts):
        return "it is hidden"
    if len(parts) > _MAX_DEPTH or any(len(part.encode()) > _MAX_NAME_BYTES for part in parts):
        return "its name is too long"
    return None


def save(folder: Path, planned: Iterable[Planned], *, force: bool) -> Saved:
    """Write the files into ``folder``; one that may not be written does not stop the others.

    Nothing that exists is overwritten without ``force``, and no symbolic link is followed.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        return Saved((), (f"{folder}: {error.strerror}",))
    root = folder.resolve()
    written: list[str] = []
    left_out: list[str] = []
    total = 0
    for file in planned:
        content = file.text.encode()
        fault = fault_of(file.path) or _over_limits(content, total=total, files=len(written))
        fault = fault or _write(root, file.path, content=content, force=force)
        if fault is None:
            written.append(file.path)
            total += len(content)
        else:
            left_out.append(f"{file.path} of {file.source}: {fault}")
    return Saved(tuple(written), tuple(left_out))


def _over_limits(content: bytes, *, total: int, files: int) -> str | None:
    if len(content) > MAX_FILE_BYTES:
        return f"it is larger than {MAX_FILE_BYTES} bytes"
    if total + len(content) > MAX_TOTAL_BYTES:
        return f"all files together are larger than {MAX_TOTAL_BYTES} bytes"
    return f"there are more than {MAX_FILES} files" if files >= MAX_FILES else None


def _write(root: Path, name: str, *, content: bytes, force: bool) -> str | None:
    target = root / name
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        if not target.parent.resolve().is_relative_to(root):
            return "a link leads out of the folder"
        if force:
            _replace(target, content)
        else:
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
            with os.fdopen(os.open(target, flags, 0o644), "wb") as file:
                file.write(content)
    except FileExistsError:
        return "it exists already; --force overwrites"
    except OSError as error:
        return error.strerror or str(error)
    return None


def _replace(target: Path, content: bytes) -> None:
    """Put a whole new file in the place of whatever is there, a link included."""
    with tempfile.NamedTemporaryFile(dir=target.parent, delete=False) as draft:
        try:
            draft.write(content)
            draft.flush()
            Path(draft.name).chmod(0o644)
            Path(draft.name).replace(target)
        except BaseException:
            Path(draft.name).unlink(missing_ok=True)
            raise
