"""Which addresses a provider may be called at.

What counts is the address that is connected to, not the name or the URL that led to it: so every
new connection is judged, after the name was looked up, whoever answered that lookup.
"""

import errno
import socket
from collections.abc import Callable
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from typing import Any, Final
from urllib.parse import urlsplit

from msgspec import Struct

from facilitair_llm.errors import AddressRefusedError

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
OpenSocket = Callable[[tuple[Any, ...]], socket.socket]

_METADATA: Final = frozenset(
    map(
        ip_address,
        (
            "169.254.169.254",  # AWS, Azure, GCP, and most others
            "169.254.170.2",  # AWS, of containers
            "168.63.129.16",  # Azure, of the machine
            "100.100.100.200",  # Alibaba
            "192.0.0.192",  # Oracle
            "fd00:ec2::254",  # AWS
            "fd20:ce::254",  # GCP
        ),
    )
)
_PRIVATE: Final = tuple(
    map(
        ip_network,
        ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7"),
    )
)
"""100.64.0.0/10 is the network of carriers, which overlay networks use too."""
_NEVER: Final = tuple(
    map(
        ip_network,
        (
            "0.0.0.0/8",  # this machine, in other words
            "240.0.0.0/4",  # reserved, and the broadcast address
            "::/96",  # IPv4-compatible, abandoned; ::1 is judged before
            "2001::/32",  # Teredo: an IPv4 address of somebody's choice inside
            "2002::/16",  # 6to4: the same
            "64:ff9b:1::/48",  # translation inside of somebody's network
            "fec0::/10",  # site-local, abandoned
        ),
    )
)
_TRANSLATED: Final = ip_network("64:ff9b::/96")
_ALLOW: Final = (
    "allow it by FACILITAIR_AGENT_WORKER_NETWORK__ALLOWED (a JSON list of networks)"
    " or FACILITAIR_AGENT_WORKER_NETWORK__ALLOW_PRIVATE=true"
)


class NetworkRules(Struct, frozen=True, kw_only=True):
    """What may be connected to beside the public internet.

    `loopback`: this machine, because the base URL says so; never because a name leads there.
    `allow_private`: private networks, those of carriers too.
    `allowed`: these networks, but never link-local, metadata or multicast addresses.
    `local_only`: nothing but this machine, whatever else is allowed.
    """

    loopback: bool = False
    allow_private: bool = False
    allowed: tuple[Network, ...] = ()
    local_only: bool = False


def refusal(text: str, rules: NetworkRules) -> str | None:
    """Return why an address must not be connected to, and what would allow it; None if it may."""
    try:
        given = ip_address(text.partition("%")[0])
    except ValueError:
        return "it is not an address"
    address = _meant(given)
    problem = _never(address)
    if problem is not None:
        return problem
    allowed = any(address in network for network in rules.allowed)
    if address.is_loopback:
        return None if rules.loopback or allowed else _LOOPBACK
    if rules.local_only:
        return "only this machine may be called (FACILITAIR_LOCAL_ONLY)"
    if allowed:
        return None
    if any(address in network for network in _PRIVATE):
        return None if rules.allow_private else f"it is in a private network; {_ALLOW}"
    return None if address.is_global else "it is not an address of the public internet"


def url_refusal(url: str, rules: NetworkRules) -> str | None:
    """Return why no call of a base URL will get through, as far as the URL itself shows it.

    None for a name: that is judged each time by where it leads.
    """
    host = urlsplit(url).hostname or ""
    try:
        ip_address(host)
    except ValueError:
        return None
    return refusal(host, rules)


def guarded_sockets(rules: NetworkRules) -> OpenSocket:
    """Return what opens the socket of each connection, for exactly the address it is given.

    It raises AddressRefusedError, an OSError, instead of a socket that the rules refuse.
    """

    def open_socket(info: tuple[Any, ...]) -> socket.socket:
        family, kind, protocol, _, place = info
        address = str(place[0])
        problem = refusal(address, rules)
        if problem is not None:
            raise AddressRefusedError(errno.EACCES, f"{address} is refused: {problem}")
        return socket.socket(family=family, type=kind, proto=protocol)

    return open_socket


_LOOPBACK: Final = "it is this machine, and the base URL does not say so"


def _meant(address: Address) -> Address:
    """Return the IPv4 address that an IPv6 one only wraps."""
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return address.ipv4_mapped
        if address in _TRANSLATED:
            return IPv4Address(int(address) & 0xFFFFFFFF)
    return address


def _never(address: Address) -> str | None:
    if address in _METADATA:
        return "it is the metadata service of a cloud, which hands out credentials"
    if address.is_link_local:
        return "it is link-local"
    if address.is_unspecified:
        return "it is no address of a server"
    if address.is_multicast:
        return "it is a multicast address"
    if not address.is_loopback and any(address in network for network in _NEVER):
        return "its range is reserved"
    return None
