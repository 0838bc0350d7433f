"""Which web pages may open a WebSocket: browsers ask nobody before they connect. Pure."""

from collections.abc import Collection, Sequence
from typing import Final
from urllib.parse import urlsplit

_PORTS: Final = {"http": 80, "https": 443, "ws": 80, "wss": 443}


def is_welcome(origins: Sequence[str], *, host: str, allowed: Collection[str]) -> bool:
    """Whether a handshake with these ``Origin`` headers to ``host`` may go on.

    Programs send none.
    A page does: it must come from this very host and port, or be listed in ``allowed``.
    """
    if not origins:
        return True
    if len(origins) > 1:
        return False
    origin = origins[0]
    if origin in allowed:
        return True
    place = _place(origin)
    return place is not None and place == _place(f"{urlsplit(origin).scheme}://{host}")


def _place(url: str) -> tuple[str, int] | None:
    """Host and port of an origin; None for what is none, as that of a page from a file."""
    try:
        parts = urlsplit(url)
        port = parts.port or _PORTS.get(parts.scheme)
    except ValueError:
        return None
    return (parts.hostname, port) if parts.hostname and port else None
