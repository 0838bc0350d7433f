"""From an endpoint to a client of its models."""

import aiohttp
import msgspec

from facilitair_llm.dialect_registry import load_dialect
from facilitair_llm.endpoints import SIMULATOR, Endpoint
from facilitair_llm.providers import (
    Heard,
    HttpChat,
    KeyOf,
    ResponseLimits,
    Timeouts,
    no_extra_headers,
    not_heard,
    simulator_headers,
)


def build_chat_model(
    endpoint: Endpoint,
    *,
    session: aiohttp.ClientSession,
    timeouts: Timeouts,
    limits: ResponseLimits = ResponseLimits(),  # noqa: B008 - it is frozen
    key_of: KeyOf | None = None,
    heard: Heard = not_heard,
) -> HttpChat:
    """Return a client for the endpoint; only the simulator is told call ids and tenants.

    Without `key_of` every tenant's requests are made with the endpoint's own key.
    Raises DialectError for a dialect that is not installed.
    """
    dialect = load_dialect(endpoint.dialect)
    return HttpChat(
        session=session,
        dialect=dialect,
        base_url=endpoint.base_url,
        key_of=(lambda _tenant: endpoint.api_key) if key_of is None else key_of,
        timeouts=timeouts,
        limits=limits,
        options=msgspec.convert(endpoint.options, dialect.options),
        extra_headers=simulator_headers if endpoint.provider == SIMULATOR else no_extra_headers,
        heard=heard,
    )
