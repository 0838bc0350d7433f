"""Who may do what, now: from a request's credential to its principal, and for as long as it lasts.

The only source is the directory of the topic ``tenants``; while that is not read, nobody is served.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable
from datetime import datetime
from typing import Final

import msgspec
import structlog
from msgspec import Struct

from facilitair_gateway.api_keys import matches, parse, same_secret
from facilitair_gateway.directory import AccessRecord, Directory
from facilitair_gateway.errors import (
    KeyInvalidError,
    KeyMissingError,
    NotLocalError,
    NotReadyError,
    ScopeMissingError,
    TooManyGuessesError,
)
from facilitair_gateway.guesses import Guesses
from facilitair_gateway.principal import (
    EVERYTHING,
    LOCAL_TENANT,
    KeyScope,
    Principal,
    granted,
    local_principal,
)

log = structlog.get_logger(__name__)

SWEEP_S: Final = 1.0
"""How long a stream may outlive the expiry of its key; a revocation ends it at once."""

OPERATOR: Final = "operator"
"""The actor, and the key id, of the key that the settings name."""

_SCHEME: Final = "bearer"


class Credential(Struct, frozen=True, kw_only=True):
    """What a request says about who asks. ``local``: it comes from a program of this machine.

    ``peer`` is the address at the other end of its connection.
    """

    authorizations: tuple[str, ...]
    local: bool
    peer: str = ""
    traceparent: str | None = None


class Secrets(Struct, frozen=True, kw_only=True):
    """What the settings say in secret: see ``GatewaySettings``."""

    pepper: str | None = None
    admin_key: str | None = None

    def __repr__(self) -> str:
        return "Secrets()"


class Access:
    """Admits requests, and tells open streams when what admitted them is no more."""

    def __init__(
        self,
        directory: Directory,
        *,
        ready: Callable[[], bool],
        secrets: Secrets,
        now: Callable[[], datetime],
        guesses: Guesses,
    ) -> None:
        self._guesses = guesses
        self._directory = directory
        self._ready = ready
        self._secrets = secrets
        self._now = now
        self._watching: dict[str | None, set[Callable[[], None]]] = defaultdict(set)

    @property
    def open(self) -> bool:
        """Whether programs of this machine need no key: none exists, and the settings name none."""
        return self._secrets.admin_key is None and not self._directory.has_keys

    def admit(self, credential: Credential, scope: KeyScope) -> Principal:
        """Who asks, allowed to do what needs ``scope``.

        While access is open a credential is not looked at: clients of other servers send some.
        Raises NotReadyError, TooManyGuessesError, UnauthenticatedError in its kinds, and
        ScopeMissingError.
        """
        if not self._ready():
            raise NotReadyError
        if self.open:
            if not credential.local:
                raise NotLocalError
            return local_principal(traceparent=credential.traceparent)
        principal = self._guessed(credential)
        require(principal, scope)
        return msgspec.structs.replace(principal, traceparent=credential.traceparent)

    def is_valid(self, principal: Principal) -> bool:
        """Whether what admitted a principal still would."""
        if principal.key_id is None:
            return self.open
        if principal.key_id == OPERATOR:
            return True
        return self._directory.usable(principal.key_id, self._now()) is not None

    def watch(self, principal: Principal, ended: Callable[[], None]) -> None:
        """Call ``ended`` when the principal is not valid any more; ``unwatch`` must follow."""
        self._watching[principal.key_id].add(ended)

    def unwatch(self, principal: Principal, ended: Callable[[], None]) -> None:
        """Undo ``watch``; once is as good as twice."""
        self._watching[principal.key_id].discard(ended)
        if not self._watching[principal.key_id]:
            del self._watching[principal.key_id]

    def on_change(self, key: str, record: AccessRecord | None) -> None:
        """Note a change of the topic; it counts for open streams too."""
        was_open = self.open
        self._directory.on_change(key, record)
        if was_open and not self.open and self._ready():
            log.info("access is closed", reason="there are keys now, every request needs one")
        self.sweep()

    def sweep(self) -> None:
        """Tell everybody who is not valid any more."""
        for key_id, told in list(self._watching.items()):
            watched = Principal(tenant=LOCAL_TENANT, actor="", key_id=key_id)
            if not self.is_valid(watched):
                for ended in list(told):
                    ended()

    async def run(self) -> None:
        """Notice keys that expire, until cancelled."""
        while True:
            await asyncio.sleep(SWEEP_S)
            self.sweep()

    def announce(self) -> None:
        """Say once in the log who is served."""
        if self.open:
            log.warning(
                "access is open",
                reason="no API key exists: programs of this machine are tenant local, as admin",
                close_it="facilitair keys create --scope admin",
            )
        else:
            log.info("access needs a key")

    def _guessed(self, credential: Credential) -> Principal:
        """Who has a key, while this address was not wrong too often."""
        peer, given = credential.peer, credential.authorizations
        if given and not self._guesses.allowed(peer, given):
            raise TooManyGuessesError
        try:
            principal = self._by_key(_bearer(credential))
        except KeyInvalidError:
            self._guesses.wrong(peer)
            raise
        self._guesses.right(peer, given)
        return principal

    def _by_key(self, text: str) -> Principal:
        if self._secrets.admin_key is not None and same_secret(text, self._secrets.admin_key):
            return Principal(
                tenant=LOCAL_TENANT, actor=OPERATOR, scopes=EVERYTHING, key_id=OPERATOR
            )
        given = parse(text)
        if given is None:
            raise KeyInvalidError
        usable = self._directory.usable(given.key_id, self._now())
        if not matches(usable, given.secret, pepper=self._secrets.pepper) or usable is None:
            raise KeyInvalidError
        return Principal(
            tenant=usable.tenant,
            actor=f"key-{usable.key_id}",
            scopes=granted(usable.scopes),
            key_id=usable.key_id,
            project=usable.project or "default",
        )


def require(principal: Principal, scope: KeyScope) -> None:
    """Raises ScopeMissingError unless a principal may do what needs ``scope``."""
    if scope not in principal.scopes:
        raise ScopeMissingError(scope=scope)


def _bearer(credential: Credential) -> str:
    """The key that was sent. Raises KeyMissingError, and KeyInvalidError for what is no key."""
    if not credential.authorizations:
        raise KeyMissingError
    if len(credential.authorizations) > 1:
        raise KeyInvalidError
    scheme, _, key = credential.authorizations[0].strip().partition(" ")
    if scheme.lower() != _SCHEME:
        raise KeyInvalidError
    return key.strip()
