"""Composition of accounts: the only file that names concrete classes."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from facilitair_accounts.settings import AccountsSettings
from facilitair_events.balances import AccountSnapshot, AccountState
from facilitair_events.decision import Received
from facilitair_events.keys import checked_name
from facilitair_events.topics import ACCOUNT_EVENTS, ACCOUNT_REQUESTS, ACCOUNT_STATE
from facilitair_messaging.ports import Log
from facilitair_money.bounds import STATE_LIMIT_BYTES
from facilitair_money.decide import KNOWN_LOGIC, decide, logic_of, size_of, timers
from facilitair_runtime.keyed_reducer import KeyedReducer, Reducer
from facilitair_runtime.reducer_service import build_chassis

SERVICE: Final = "accounts"

Accounts = KeyedReducer[AccountState]


def account_key(received: Received) -> str:
    """The record key of everything about one tenant's money."""
    return received.tenant


def owner_of(key: str) -> tuple[str, str]:
    """Tenant and subject of a key, which are one. Raises KeyFormatError."""
    tenant = checked_name("tenant", key)
    return tenant, tenant


def build_reducer() -> Reducer[AccountState]:
    """The reducer of accounts over their topics.

    One poison record must not stop the money of a tenant: it is skipped, and the books say so.
    """
    return Reducer(
        service=SERVICE,
        inbox=ACCOUNT_REQUESTS,
        state_topic=ACCOUNT_STATE,
        events_topic=ACCOUNT_EVENTS,
        stream_topic=None,
        decide=decide,
        snapshot_type=AccountSnapshot,
        timers=timers,
        known_logic=KNOWN_LOGIC,
        logic_of=logic_of,
        logic_of_state=lambda state: state.logic,
        key_of=account_key,
        owner_of=owner_of,
        state_limit_bytes=STATE_LIMIT_BYTES,
        keeps_offsets=False,
        skips_poison=True,
        size_of=size_of,
    )


@asynccontextmanager
async def build_app(settings: AccountsSettings, log: Log) -> AsyncIterator[Accounts]:
    """Build accounts on a log. It holds nothing open until it runs."""
    yield build_chassis(build_reducer(), settings, log=log)
