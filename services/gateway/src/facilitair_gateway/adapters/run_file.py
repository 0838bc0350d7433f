"""``run/gateway.json``: how clients on this machine find the gateway."""

import contextlib
import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path


@contextlib.contextmanager
def announced(home: Path, url: str) -> Iterator[Path]:
    """Write the file whole while the body runs, and remove it after, if it is still this one."""
    path = home / "run" / "gateway.json"
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    pid = os.getpid()
    content = {"url": url, "pid": pid, "started_at": datetime.now(UTC).isoformat()}
    temporary = path.with_suffix(f".{pid}.tmp")
    temporary.write_text(json.dumps(content) + "\n")
    temporary.replace(path)
    try:
        yield path
    finally:
        if _is_ours(path, content):
            path.unlink(missing_ok=True)


def _is_ours(path: Path, content: dict[str, object]) -> bool:
    """Another gateway that started meanwhile owns the file then."""
    try:
        return bool(json.loads(path.read_text()) == content)
    except (OSError, ValueError):
        return False
