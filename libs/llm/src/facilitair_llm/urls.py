"""Whether a base URL can be one."""

from ipaddress import ip_address
from urllib.parse import urlsplit


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
