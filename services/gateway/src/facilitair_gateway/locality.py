"""Whether a request comes from this machine, and from a program rather than a foreign page. Pure.

It decides who may do everything while no key exists, so every doubt is a no.
"""

import ipaddress
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

_FORWARDED: Final = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip", "via")
"""Behind a proxy on this machine everybody would look local."""


def is_local(peer: str | None, headers: Mapping[str, str]) -> bool:
    """Whether the other end of a connection, ``peer``, is a program of this machine.

    ``headers`` have lower-case names.
    A web page that the user visits can send requests to this machine too: its ``Origin`` is
    foreign, and where it had its own name point here, the ``Host`` is.
    """
    if peer is None or not _is_loopback(peer):
        return False
    if any(name in headers for name in _FORWARDED):
        return False
    if not _is_loopback(_host(f"//{headers.get('host', '')}")):
        return False
    if headers.get("sec-fetch-site", "none") not in {"none", "same-origin", "same-site"}:
        return False
    origin = headers.get("origin")
    return origin is None or _is_loopback(_host(origin))


def _host(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback
