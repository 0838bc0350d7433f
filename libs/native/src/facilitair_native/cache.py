"""The download cache: finished folders that appear in one step and are checked before use."""

import fcntl
import hashlib
import json
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from facilitair_native.errors import CacheError

_MANIFEST: Final = "manifest.json"
_CHUNK: Final = 1024 * 1024


def cache_folder(environ: Mapping[str, str]) -> Path:
    """The cache that all checkouts share: $FACILITAIR_CACHE or ~/.cache/facilitair."""
    return Path(environ.get("FACILITAIR_CACHE") or Path.home() / ".cache" / "facilitair").absolute()


def finished_folder(cache: Path, name: str, *, fill: Callable[[Path], None]) -> Path:
    """The folder ``name`` of the cache, filled once by ``fill`` and complete ever after.

    Two processes at once fill it once: the second waits.
    A folder of which a file is missing or differs from what was fetched is fetched again.
    What ``fill`` raises leaves the cache as it was.
    Raises CacheError when the cache cannot be written.
    """
    folder = cache / "native" / name
    if is_intact(folder):
        return folder
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with exclusive(folder.with_name(f"{name}.lock")):
            if not is_intact(folder):
                _fill(folder, fill)
    except OSError as error:
        raise CacheError(folder=cache, reason=str(error)) from error
    return folder


def is_intact(folder: Path) -> bool:
    """Whether a finished folder holds exactly what was fetched, by size and SHA-256."""
    try:
        listed = json.loads((folder / _MANIFEST).read_bytes())
        return bool(listed == _digests(folder))
    except (OSError, ValueError):
        return False


@contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """Hold a lock among processes; the system lets it go when the holder dies."""
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _fill(folder: Path, fill: Callable[[Path], None]) -> None:
    draft = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        fill(draft)
        manifest = json.dumps(_digests(draft), indent=1, sort_keys=True)
        (draft / _MANIFEST).write_text(manifest, encoding="utf-8")
        _replace(folder, draft)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _replace(folder: Path, draft: Path) -> None:
    """Put the draft in place; a damaged folder, which some process may read, is moved away."""
    draft.chmod(0o755)
    if folder.exists():
        damaged = Path(tempfile.mkdtemp(prefix=f".{folder.name}-damaged-", dir=folder.parent))
        folder.replace(damaged)
        draft.rename(folder)
        shutil.rmtree(damaged, ignore_errors=True)
    else:
        draft.rename(folder)


def _digests(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): f"{path.stat().st_size}:{_sha256(path)}"
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != _MANIFEST
    }


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()
