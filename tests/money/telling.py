"""What tests of money ask a running system for, and what they read of its books."""

from collections.abc import Callable
from http import HTTPStatus
from typing import Any, Final

import httpx

from facilitair_events.books import CallSettled, FundsReserved
from facilitair_events.layout import topics_dir
from facilitair_events.registry import Registry
from facilitair_events.types import TERMINAL_KINDS
from facilitair_messaging.ports import Log
from facilitair_testing.eventually import eventually
from facilitair_testing.history import History, Terms, Violation, judge, read_history
from facilitair_testing.history.index import Index
from facilitair_testing.history.judging import CHECKS, hold_none, judged
from tests.poison.world import PATIENCE_S, World

LEASE_MS: Final = 30_000
_BOOKS: Final = ("account_outcomes", "entries_of_calls", "envelopes", "limits")


async def set_budget(http: httpx.AsyncClient, **budget: Any) -> None:
    """Set the whole budget of this machine's tenant."""
    answer = await http.put("/v1/budget", json=budget)
    assert answer.status_code == HTTPStatus.OK, answer.text


def tenant_limit(usd: object) -> list[dict[str, str]]:
    """A hard limit on all that the tenant ever spends."""
    return [{"scope": "tenant", "window": "total", "usd": str(usd)}]


async def ask(world: World, *, priority: str | None = None) -> str:
    """Ask for a collaboration of one agent; returns its id."""
    body = {"task": "Say it.", "workflow": "answer"}
    if priority is not None:
        body["priority"] = priority
    answer = await world.http.post("/v1/collaborations", json=body)
    assert answer.status_code == HTTPStatus.ACCEPTED, answer.text
    return str(answer.json()["id"])


async def end_of(world: World, ident: str) -> tuple[str, dict[str, Any]]:
    """The terminal event, also while a test keeps some service away."""

    def ended() -> list[tuple[str, dict[str, Any]]]:
        return [event for event in world.events(ident) if event[0] in TERMINAL_KINDS]

    (terminal,) = await eventually(ended, timeout_s=PATIENCE_S, what=f"the end of {ident}")
    return terminal


async def history_of(log: Log) -> History:
    """Everything that the log holds."""
    return await read_history(log, registry=Registry.load(topics_dir()))


async def balanced(log: Log) -> Index:
    """The history once every envelope is closed. Raises BrokenPromiseError for a broken rule."""
    index = await settled(log, lambda index: not _open(index))
    hold_none(judge(index.history, lease_ms=LEASE_MS))
    return index


async def settled(log: Log, enough: Callable[[Index], bool]) -> Index:
    """The history once a test has seen enough of it."""

    async def seen() -> Index | None:
        index = Index(await history_of(log), Terms(lease_ms=LEASE_MS))
        return index if enough(index) else None

    found = await eventually(seen, timeout_s=PATIENCE_S, what="the books")
    assert found is not None
    return found


def faults_of_the_books(index: Index) -> list[Violation]:
    """What the rules of the books alone say, where the rest of a history is gone."""
    rules = [c for c in CHECKS if c.rule.__module__.rpartition(".")[2] in _BOOKS]
    return judged(index, rules)


def entries(index: Index, tenant: str = "local") -> list[CallSettled]:
    """What the tenant was charged, in order."""
    found = index.books.first.get(tenant, {}).values()
    return [entry.data for entry in found if isinstance(entry.data, CallSettled)]


def grants(index: Index, tenant: str = "local") -> list[FundsReserved]:
    """What was granted to the tenant's collaborations, in order."""
    found = index.books.first.get(tenant, {}).values()
    return [entry.data for entry in found if isinstance(entry.data, FundsReserved)]


def _open(index: Index) -> set[str]:
    """Collaborations that hold something, and those whose last word the account has not read."""
    replays = index.books.replays.values()
    held = [list(replay.states.values())[-1].state for replay in replays if replay.states]
    opened = {
        ident
        for state in held
        for shard in state.envelopes.values()
        for ident, envelope in shard.items()
        if not envelope.closed
    }
    written = {seq for events in index.books.first.values() for seq in events}
    unread = {state.tenant for state in held if state.seq and state.seq not in written}
    ended = {key for key in index.books.numbered if index.terminal(key) is None}
    return opened | unread | ended
