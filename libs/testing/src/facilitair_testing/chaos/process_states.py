"""What the system says of a process."""

from pathlib import Path


def alive(pid: int) -> bool:
    """Whether a process runs; one that only waits to be collected does not."""
    return _state(pid) not in {"", "Z", "X"}


def stopped(pid: int) -> bool:
    """Whether a process is stopped."""
    return _state(pid) == "T"


def _state(pid: int) -> str:
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    return text.rpartition(")")[2].split()[0]
