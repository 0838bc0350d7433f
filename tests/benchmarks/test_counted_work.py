"""What a collaboration costs the log, counted: a regression fails here on any machine."""

from collections import Counter

import pytest

from benchmarks.processes import simulator
from benchmarks.systems import AT_ONCE, STEPS, solo_with_chain
from facilitair_client import Facilitair
from facilitair_testing.embedded_look import topic_sizes
from facilitair_testing.eventually import eventually

pytestmark = pytest.mark.integration

ASKS = -(-STEPS // 4)
"""An ask for money is for four calls."""
EVENTS = 3 * STEPS + 2 + ASKS
"""A step is scheduled, its attempt completes, it completes; accepted and completed around them.

Each grant of money is an event too.
"""
LEDGER = 2 * STEPS
"""Claim and done."""
INBOX = 2 * STEPS + 1 + ASKS
"""The call and its attempt; the request; and the account's answers."""
MONEY = ASKS + STEPS + 1
"""What is asked for, what each call cost, and the end; each is one entry of the books."""


async def run(client: Facilitair) -> None:
    accepted = await client.submit("Say what a keyed log is.", workflow="chain")
    async for event in client.stream(accepted.id):
        last = event
    assert last.kind == "collaboration.completed"


def settled(sizes: Counter[str]) -> bool:
    """Whether all is written that comes after the last event."""
    return (sizes["llm-calls"], sizes["account-events"]) == (LEDGER, MONEY)


async def test_a_chain_of_steps_costs_so_many_records_and_no_more():
    with simulator(**AT_ONCE) as model_url:
        async with solo_with_chain(model_url) as solo, Facilitair(solo.url) as client:
            path = solo.home / "log" / "log.db"
            await run(client)  # what is written once per start
            await eventually(lambda: settled(topic_sizes(path)), what="the last of the books")
            before = topic_sizes(path)
            await run(client)
            await eventually(
                lambda: settled(topic_sizes(path) - before), what="the last of the books"
            )
            added: Counter[str] = topic_sizes(path) - before
    assert added["agent-tasks"] == STEPS
    assert added["collaboration-events"] == EVENTS
    assert added["collaboration-inbox"] == INBOX
    # Copies of the events, what announces each attempt, and its text, mostly in one piece.
    assert added["collaboration-stream"] <= EVENTS + 4 * STEPS
    # At most one in 200 ms: on a slow machine there are more, never more than records decided.
    assert added["collaboration-state"] <= INBOX
    assert added["query-replies"] == 1
    assert added["account-requests"] == added["account-events"] == MONEY
    assert added["account-state"] <= MONEY
    assert not added.keys() - {
        *("agent-tasks", "collaboration-events", "collaboration-inbox"),
        *("collaboration-state", "collaboration-stream", "llm-calls", "query-replies"),
        *("account-requests", "account-events", "account-state"),
    }
