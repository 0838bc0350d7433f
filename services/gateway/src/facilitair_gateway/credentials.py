"""Keys that tenants brought for model providers: sealed here, opened only by the workers."""

from collections.abc import Callable
from typing import Final

from msgspec import Struct

from facilitair_events.credentials import CredentialRemoved, CredentialStored
from facilitair_events.keys import credential_key
from facilitair_events.requests import Fault
from facilitair_events.topics import CREDENTIALS
from facilitair_gateway.errors import (
    ConflictError,
    RequestFaultsError,
    UnknownCredentialError,
    UnknownProviderError,
)
from facilitair_gateway.principal import Principal
from facilitair_gateway.recording import Recorder
from facilitair_llm.endpoints import Endpoints
from facilitair_llm.errors import SealError
from facilitair_llm.sealing import NONCE_BYTES
from facilitair_llm.secret import Secret, key_problem
from facilitair_messaging.ports import Log, Producer
from facilitair_messaging.view import CompactedView
from facilitair_observability.metrics import Metrics

CredentialRecord = CredentialStored | CredentialRemoved

MAX_KEY_CHARS: Final = 4096
_HINT_CHARS: Final = 4
_HINTED_FROM: Final = 16
"""Four characters of a shorter key would be too much of it."""


class Credentials:
    """What the tenants brought. ``view`` must run, and is ready before anybody is served."""

    def __init__(
        self,
        view: CompactedView[CredentialRecord],
        recorder: Recorder,
        *,
        endpoints: Endpoints,
        entropy: Callable[[int], bytes],
    ) -> None:
        self.view = view
        self._recorder = recorder
        self._endpoints = endpoints
        self._entropy = entropy

    @property
    def providers(self) -> tuple[str, ...]:
        """Which providers are set up here."""
        return tuple(sorted(self._endpoints.by_provider))

    def find(self, provider: str, *, tenant: str) -> CredentialStored | None:
        """The key that a tenant has for a provider, sealed."""
        record = self.view.get(credential_key(tenant, provider))
        return record if isinstance(record, CredentialStored) else None

    def get(self, provider: str, *, tenant: str) -> CredentialStored:
        """That key. Raises UnknownCredentialError."""
        found = self.find(provider, tenant=tenant)
        if found is None:
            raise UnknownCredentialError(provider=provider)
        return found

    def opens(self, record: CredentialStored) -> bool:
        """Whether the master keys of this gateway include the one that sealed a key."""
        return record.master_key_id in self._endpoints.master_keys.ids

    async def store(self, provider: str, text: str, *, by: Principal) -> CredentialStored:
        """Seal a key for the caller's tenant; it takes the place of one from before.

        Raises UnknownProviderError, RequestFaultsError for what is no key, and ConflictError
        without a master key.
        """
        if provider not in self._endpoints.by_provider:
            raise UnknownProviderError(known=self.providers)
        text = text.strip()
        problem = key_problem(text)
        if problem is not None:
            fault = Fault(code="invalid_field", message=f"'key': {problem}", field="key")
            raise RequestFaultsError(faults=(fault,))
        try:
            sealed = self._endpoints.master_keys.seal(
                Secret(text),
                tenant=by.tenant,
                provider=provider,
                nonce=self._entropy(NONCE_BYTES),
            )
        except SealError as error:
            raise ConflictError(code="master_key_missing", message=str(error)) from error
        record = CredentialStored(
            tenant=by.tenant,
            provider=provider,
            algorithm="aes-256-gcm",
            master_key_id=sealed.master_key_id,
            nonce=sealed.nonce,
            ciphertext=sealed.ciphertext,
            hint=text[-_HINT_CHARS:] if len(text) >= _HINTED_FROM else "",
            set_by=by.actor,
            set_at=self._recorder.now(),
        )
        await self._write(record, by=by)
        return record

    async def remove(self, provider: str, *, by: Principal) -> CredentialRemoved:
        """Remove the key of the caller's tenant; its next call is made without it.

        Raises UnknownCredentialError.
        """
        self.get(provider, tenant=by.tenant)
        record = CredentialRemoved(
            tenant=by.tenant,
            provider=provider,
            removed_by=by.actor,
            removed_at=self._recorder.now(),
        )
        await self._write(record, by=by)
        return record

    async def _write(self, record: CredentialRecord, *, by: Principal) -> None:
        key = credential_key(record.tenant, record.provider)
        await self._recorder.write(
            record,
            key=key,
            by=by,
            project=by.project,
            shows=lambda: self.view.get(key) == record,
        )


def build_credentials(
    log: Log,
    producer: Producer,
    *,
    endpoints: Endpoints,
    timeout_s: float,
    now_ms: Callable[[], int],
    fresh_id: Callable[[], str],
    entropy: Callable[[int], bytes],
    metrics: Metrics,
) -> Credentials:
    """The credentials of a log; ``entropy`` gives as many random bytes as it is asked for."""
    recorder = Recorder(
        producer, topic=CREDENTIALS, timeout_s=timeout_s, now_ms=now_ms, fresh_id=fresh_id
    )

    def on_change(_key: str, _record: Struct | None) -> None:
        recorder.on_change()

    view = CompactedView[CredentialRecord](
        log=log,
        topic=CREDENTIALS,
        types=(CredentialStored, CredentialRemoved),
        metrics=metrics,
        on_change=on_change,
    )
    return Credentials(view, recorder, endpoints=endpoints, entropy=entropy)
