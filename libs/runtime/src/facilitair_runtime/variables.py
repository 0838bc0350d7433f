"""The names of environment variables: whose they are, and which are nobody's."""

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from typing import Final

from facilitair_events.topics import SERVICES

PREFIX: Final = "FACILITAIR_"
SHARED_NAMES: Final = frozenset(
    f"{PREFIX}{name}"
    for name in (
        "HOME",
        "CACHE",
        "URL",
        "API_KEY",
        "LOG_SYNCHRONOUS",
        "PROVIDER",
        "MODEL",
        "MASTER_KEY",
        "MASTER_KEY_FILE",
        "LOCAL_ONLY",
        "TESTING",
        "CRASH_AT",
    )
)
"""Names of no service: scripts, clients, tests, the log and the model set-up use them."""

_OTHER_PROGRAMS: Final = frozenset({"simulator", "cli", "supervisor"})


def prefix(service: str) -> str:
    """What the variables of a service or program begin with."""
    return f"{PREFIX}{service.replace('-', '_').upper()}_"


def prefixes() -> frozenset[str]:
    """What the variables of all services and programs begin with."""
    return frozenset(prefix(service) for service in (*SERVICES, *_OTHER_PROGRAMS))


def unknown_names(
    environ: Iterable[str], *, known: frozenset[str], foreign: Sequence[str] = ()
) -> list[str]:
    """A fault for each ``FACILITAIR_*`` name that nobody reads, with what it may have meant.

    Names that begin with one of ``foreign`` are somebody else's to check.
    """
    faults = []
    for name in sorted(environ):
        upper = name.upper()
        if not upper.startswith(PREFIX) or upper in known or upper.startswith(tuple(foreign)):
            continue
        near = get_close_matches(upper, sorted(known), n=1, cutoff=0.75)
        hint = f", did you mean {near[0]}?" if near else "; unset it"
        faults.append(f"{name} is not a setting{hint}")
    return faults
