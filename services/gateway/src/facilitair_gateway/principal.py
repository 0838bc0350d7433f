"""Who asks: the tenant comes from the credential, once, at the edge; no body names one."""

from typing import Final

from msgspec import Struct

LOCAL_TENANT: Final = "local"


class Principal(Struct, frozen=True, kw_only=True):
    """The tenant that a request belongs to, and the actor who made it, by their ids."""

    tenant: str
    actor: str


def local_principal() -> Principal:
    """Who everybody is while there is a single tenant on this machine."""
    return Principal(tenant=LOCAL_TENANT, actor="local")
