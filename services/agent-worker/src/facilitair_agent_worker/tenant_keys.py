"""Whose key a call is made with: the tenant's own where it brought one, else the environment's.

A key that a tenant brought and that cannot be used fails the call: no other key takes its place.
"""

from collections.abc import Mapping
from functools import partial
from typing import Final

import structlog

from facilitair_agent_worker.errors import TenantKeyError
from facilitair_events.credentials import CredentialRemoved, CredentialStored
from facilitair_events.errors import KeyFormatError
from facilitair_events.keys import split_credential_key
from facilitair_llm.endpoints import Endpoint
from facilitair_llm.errors import SealError
from facilitair_llm.sealing import MasterKeys, Sealed
from facilitair_llm.secret import Secret
from facilitair_llm.urls import is_loopback
from facilitair_messaging.messages import Incoming, check_owner
from facilitair_messaging.ports import Record

_log = structlog.get_logger()


class TenantKeys:
    """The keys of ``credentials``, still sealed; one is opened for the call that it is for.

    ``required``: providers on other machines are not called with the environment's keys.
    """

    def __init__(
        self, *, master_keys: MasterKeys, endpoints: Mapping[str, Endpoint], required: bool
    ) -> None:
        self._master_keys: Final = master_keys
        self._endpoints: Final = endpoints
        self._required: Final = required
        self._stored: dict[tuple[str, str], CredentialStored | None] = {}

    def apply(self, incoming: Incoming) -> None:
        """Take in one record of the topic.

        Raises KeyFormatError for a wrong key, UnreadableRecordError for headers of another owner.
        """
        tenant, provider = split_credential_key(incoming.record.key or b"")
        check_owner(incoming, tenant=tenant, subject=provider)
        if isinstance(incoming.data, CredentialStored):
            self._stored[tenant, provider] = incoming.data
        elif isinstance(incoming.data, CredentialRemoved):
            self._stored.pop((tenant, provider), None)

    def skip(self, record: Record) -> None:
        """Note a record that cannot be read: its tenant has a key, and nobody knows which.

        One without a value is a removal.
        """
        try:
            place = split_credential_key(record.key or b"")
        except KeyFormatError as error:
            _log.error("credential of nobody", offset=record.offset, reason=str(error))
            return
        if record.value is None:
            self._stored.pop(place, None)
        else:
            self._stored[place] = None

    def account_of(self, provider: str, tenant: str) -> str:
        """By whose key a tenant's calls are made: empty is that of the environment.

        A tenant that sets another key has another account: what the old one broke is forgotten.
        """
        if (tenant, provider) in self._stored:
            stored = self._stored[tenant, provider]
            return f"{tenant}:{'' if stored is None else stored.nonce}"
        endpoint = self._endpoints.get(provider)
        return tenant if endpoint is not None and self._forbids(endpoint) else ""

    def _forbids(self, endpoint: Endpoint) -> bool:
        """Whether an endpoint is not called with the environment's key."""
        return self._required and not is_loopback(endpoint.base_url)

    def key_of(self, provider: str, tenant: str) -> Secret | None:
        """The key that a tenant's next call of a provider is made with; None sends none.

        Raises TenantKeyError, which says what to do, where it cannot be used.
        """
        endpoint = self._endpoints[provider]
        refused = partial(TenantKeyError, tenant=tenant, provider=provider)
        again = f"set it: facilitair providers set-key {provider}"
        if (tenant, provider) not in self._stored:
            if self._forbids(endpoint):
                raise refused(problem=f"is missing, and this worker uses no other; {again}")
            return endpoint.api_key
        stored = self._stored[tenant, provider]
        if stored is None:
            raise refused(problem=f"cannot be read; {again}")
        sealed = Sealed(
            master_key_id=stored.master_key_id, nonce=stored.nonce, ciphertext=stored.ciphertext
        )
        try:
            return self._master_keys.unseal(sealed, tenant=tenant, provider=provider)
        except SealError as error:
            raise refused(problem=f"cannot be opened: {error.problem}") from error
