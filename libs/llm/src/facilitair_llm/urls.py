"""Whether a base URL can be one."""

import re
from ipaddress import ip_address
from urllib.parse import urlsplit

_NUMBERS = re.compile(r"(0x[0-9a-f]*|[0-9]+)(\.(0x[0-9a-f]*|[0-9]+))*\.?", re.IGNORECASE)
"""What a resolver may take for an address: 2130706433, 0x7f.1 and 127.1 are all this machine."""


def url_problem(url: str) -> str | None:
    """Return what is wrong with a base URL, without quoting it, or None.

    It is not quoted because a wrong one is often a key in the wrong variable.
    """
    try:
        parts = urlsplit(url)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return "it is not a URL such as http://127.0.0.1:8000/v1"
    if not usable or any(character.isspace() for character in url):
        return "it is not a URL such as http://127.0.0.1:8000/v1"
    if parts.username is not None or parts.query or parts.fragment:
        return "it must not hold a user, a query or a fragment; the key has its own variable"
    return _short_address(parts.hostname or "")


def _short_address(host: str) -> str | None:
    """Return what is wrong with an address that is not written out, as some programs take it."""
    if not _NUMBERS.fullmatch(host):
        return None
    try:
        ip_address(host)
    except ValueError:
        return "its host is no address; write it out, such as 127.0.0.1"
    return None


def is_loopback(url: str) -> bool:
    """Return whether the URL leads to this machine."""
    host = urlsplit(url).hostname or ""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
