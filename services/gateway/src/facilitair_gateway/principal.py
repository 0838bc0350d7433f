"""Who asks: the tenant comes from the credential, once, at the edge; no body names one."""

from collections.abc import Iterable
from typing import Final, Literal, get_args

from msgspec import Struct

from facilitair_observability.trace_context import parse, render

LOCAL_TENANT: Final = "local"

KeyScope = Literal["read", "write", "admin"]
SCOPES: Final[tuple[KeyScope, ...]] = get_args(KeyScope)
"""From the least to the most; each includes those before it. ``admin`` is over all tenants."""

ADMIN: Final[KeyScope] = "admin"
EVERYTHING: Final = frozenset[str](SCOPES)


class Principal(Struct, frozen=True, kw_only=True):
    """The tenant that a request belongs to, and the actor who made it, by their ids.

    ``scopes`` are all that it may do.
    ``key_id`` is null for who needed no key.
    ``project`` is what its requests are filed under that name none.
    ``traceparent`` is the W3C trace that the request is part of, if it said so.
    """

    tenant: str
    actor: str
    scopes: frozenset[str] = frozenset()
    key_id: str | None = None
    project: str = "default"
    traceparent: str | None = None


def granted(scopes: Iterable[str]) -> frozenset[str]:
    """Everything that ``scopes`` allow; one that is not known allows nothing."""
    highest = max((SCOPES.index(one) + 1 for one in SCOPES if one in set(scopes)), default=0)
    return frozenset(SCOPES[:highest])


def local_principal(*, traceparent: str | None = None) -> Principal:
    """Who programs of this machine are while no key exists.

    A ``traceparent`` that is none is left out, as the standard says.
    """
    return Principal(
        tenant=LOCAL_TENANT,
        actor="local",
        scopes=EVERYTHING,
        traceparent=checked_trace(traceparent),
    )


def checked_trace(traceparent: str | None) -> str | None:
    """A ``traceparent`` as we pass it on; one that is none is left out."""
    trace = parse(traceparent)
    return None if trace is None else render(trace)
