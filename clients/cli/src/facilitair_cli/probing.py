"""Whether a service lives and is ready, asked at its operator's port, and if not, why."""

import http.client
from typing import Final
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct

PROBE_S: Final = 2.0
"""Longest time that one question takes."""


class Reason(Struct, frozen=True, kw_only=True):
    """A condition that does not hold; ``since`` is null for one that nobody has timed."""

    condition: str
    detail: str
    since: str | None = None
    for_s: float | None = None


class Probed(Struct, frozen=True, kw_only=True):
    """What a service said, or that it said nothing that can be understood."""

    answered: bool
    holds: bool = False
    failing: tuple[Reason, ...] = ()

    @property
    def why(self) -> str:
        """Why it does not hold, in one line."""
        if not self.answered:
            return f"it does not answer within {PROBE_S:g} s"
        told = [
            reason.detail + (f" (since {reason.since})" if reason.since else "")
            for reason in self.failing
        ]
        return "; ".join(told)


class _Told(Struct):
    live: bool | None = None
    ready: bool | None = None
    failing: tuple[Reason, ...] = ()


SILENT: Final = Probed(answered=False)


def probe(url: str, path: str) -> Probed:
    """Ask ``/live`` or ``/ready``. Blocks for two seconds at most."""
    place = urlsplit(url)
    connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=PROBE_S)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        told = msgspec.json.decode(answer.read(), type=_Told)
    except (OSError, http.client.HTTPException, msgspec.MsgspecError, ValueError):
        return SILENT
    finally:
        connection.close()
    holds = told.live if path == "/live" else told.ready
    if holds is None:
        return SILENT
    return Probed(
        answered=True, holds=holds and answer.status == http.client.OK, failing=told.failing
    )


def is_ready(url: str) -> bool:
    """Whether what answers there says that it is ready. Blocks for two seconds at most."""
    return probe(url, "/ready").holds
