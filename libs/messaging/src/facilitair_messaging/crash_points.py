"""Named places where a test has a process end by SIGKILL, so that the promises can be judged.

``FACILITAIR_CRASH_AT=[service/]point[:n]`` arms one of them, only beside ``FACILITAIR_TESTING=1``.
At the n-th reach a marker is written to ``run/crashed`` and the process is gone. A process that
finds the marker goes on, so that what was started again gets past the place.
"""

import os
import signal
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final, Literal, cast

import structlog

from facilitair_messaging.errors import CrashSpecError
from facilitair_observability.correlation import current_service

CRASH_AT: Final = "FACILITAIR_CRASH_AT"
TESTING: Final = "FACILITAIR_TESTING"

Point = Literal[
    "before_requested_acked",
    "after_requested_acked",
    "before_reply",
    "after_decode",
    "after_decide",
    "after_events_acked",
    "after_commands_acked",
    "after_snapshot",
    "after_claim",
    "after_claim_read",
    "before_request",
    "first_token",
    "last_chunk_acked",
    "result_acked",
    "before_done",
    "before_commit",
]

_GATEWAY: Final = frozenset({"gateway"})
_REDUCER: Final = frozenset({"accounts", "orchestrator"})
_WORKER: Final = frozenset({"agent-worker"})

POINTS: Final[Mapping[Point, frozenset[str]]] = MappingProxyType(
    {
        "before_requested_acked": _GATEWAY,
        "after_requested_acked": _GATEWAY,
        "before_reply": _GATEWAY | _REDUCER,
        "after_decode": _REDUCER | _WORKER,
        "after_decide": _REDUCER,
        "after_events_acked": _REDUCER,
        "after_commands_acked": _REDUCER,
        "after_snapshot": _REDUCER,
        "after_claim": _WORKER,
        "after_claim_read": _WORKER,
        "before_request": _WORKER,
        "first_token": _WORKER,
        "last_chunk_acked": _WORKER,
        "result_acked": _WORKER,
        "before_done": _WORKER,
        "before_commit": _REDUCER | _WORKER,
    }
)
"""Which services reach which point. Elsewhere a point in shared code is passed."""

Die = Callable[[], None]


def crash_point(name: Point) -> None:
    """End the process here when a test armed this point; otherwise one look into an empty dict."""
    armed = _armed.get(name)
    if armed is not None:
        armed.reach()


def marker(home: Path, *, service: str, point: str) -> Path:
    """The file that says that a service has died at a point."""
    return home / "run" / "crashed" / f"{service}.{point}"


def sigkill() -> None:
    """End this process as a power cut ends it for its peers: nothing is flushed or closed."""
    os.kill(os.getpid(), signal.SIGKILL)


def spec_faults(environ: Mapping[str, str]) -> list[str]:
    """What is wrong with the two variables, all at once; nothing when they are not set."""
    testing, spec = environ.get(TESTING, ""), environ.get(CRASH_AT, "")
    faults = []
    if testing not in {"", "0", "1"}:
        faults.append(f"{TESTING} must be 1, 0 or unset, not {testing!r}")
    if spec:
        if testing != "1":
            faults.append(f"{CRASH_AT} kills processes: it needs {TESTING}=1; unset it")
        faults += _parsed(spec)[1]
    return faults


def arm_from(environ: Mapping[str, str], *, home: Path) -> None:
    """Arm what the environment names, if anything. Raises CrashSpecError with every fault."""
    faults = spec_faults(environ)
    if faults:
        raise CrashSpecError(faults=faults)
    if environ.get(CRASH_AT):
        arm(environ[CRASH_AT], home=home)


def arm(spec: str, *, home: Path, die: Die = sigkill) -> None:
    """Have this process die at ``[service/]point[:n]``; without a service, in whichever is first.

    It counts for each service on its own. Arming again replaces what was armed.
    Raises CrashSpecError.
    """
    armed, faults = _parsed(spec)
    if faults:
        raise CrashSpecError(faults=faults)
    point, services, n = armed
    disarm()
    _armed[point] = _Armed(point, services=services, n=n, home=home, die=die)


def disarm() -> None:
    """Arm nothing."""
    _armed.clear()


class _Armed:
    """One point and how often it still has to be reached, by service."""

    def __init__(
        self, point: str, *, services: frozenset[str], n: int, home: Path, die: Die
    ) -> None:
        self._point = point
        self._home = home
        self._die = die
        self._left = {
            service: n
            for service in services
            if not marker(home, service=service, point=point).exists()
        }

    def reach(self) -> None:
        service = current_service()
        if service is None or service not in self._left:
            return
        self._left[service] -= 1
        if self._left[service] > 0:
            return
        del self._left[service]
        if self._mark(marker(self._home, service=service, point=self._point)):
            structlog.get_logger().warning("crash point reached", point=self._point)
            self._die()

    def _mark(self, path: Path) -> bool:
        """Whether the marker is ours: another process of the service may have died here."""
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        except FileExistsError:
            return False
        try:
            os.write(descriptor, f"{os.getpid()}\n".encode())
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        return True


_armed: Final[dict[str, _Armed]] = {}


def _parsed(spec: str) -> tuple[tuple[str, frozenset[str], int], list[str]]:
    """Point, services and count; and what is wrong with them."""
    place, _, count = spec.partition(":")
    service, slash, point = place.rpartition("/")
    faults = []
    having = POINTS.get(cast("Point", point))
    if having is None:
        faults.append(f"{CRASH_AT}: there is no point {point!r}; there are {', '.join(POINTS)}")
    elif slash and service not in having:
        known = ", ".join(sorted(having))
        faults.append(f"{CRASH_AT}: {service!r} has no point {point}; {known} has it")
    if ":" in spec and not (count.isascii() and count.isdigit() and int(count) >= 1):
        faults.append(f"{CRASH_AT}: the count after ':' must be 1 or more, not {count!r}")
    if faults:
        return (point, frozenset(), 0), faults
    services = frozenset({service}) if slash else having or frozenset()
    return (point, services, int(count or 1)), []
