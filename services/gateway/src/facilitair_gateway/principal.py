"""Who asks: the tenant comes from the credential, once, at the edge; no body names one."""

from typing import Final

from msgspec import Struct

from facilitair_observability.trace_context import parse, render

LOCAL_TENANT: Final = "local"


class Principal(Struct, frozen=True, kw_only=True):
    """The tenant that a request belongs to, and the actor who made it, by their ids.

    ``traceparent`` is the W3C trace that the request is part of, if it said so.
    """

    tenant: str
    actor: str
    traceparent: str | None = None


def local_principal(*, traceparent: str | None = None) -> Principal:
    """Who everybody is while there is a single tenant on this machine.

    A ``traceparent`` that is none is left out, as the standard says.
    """
    trace = parse(traceparent)
    return Principal(
        tenant=LOCAL_TENANT, actor="local", traceparent=None if trace is None else render(trace)
    )
