"""What a collaboration costs the log, counted: a regression fails here on any machine."""

from collections import Counter

import pytest

from benchmarks.processes import simulator
from benchmarks.systems import AT_ONCE, STEPS, solo_with_chain
from facilitair_client import Facilitair
from facilitair_testing.embedded_look import topic_sizes
from facilitair_testing.eventually import eventually

pytestmark = pytest.mark.integration

EVENTS = 3 * STEPS + 2
"""A step is scheduled, its attempt completes, it completes; accepted and completed around them."""
LEDGER = 2 * STEPS
"""Claim and done."""
INBOX = 2 * STEPS + 1
"""The call and its attempt; and the request."""


async def run(client: Facilitair) -> None:
    accepted = await client.submit("Say what a keyed log is.", workflow="chain")
    async for event in client.stream(accepted.id):
        last = event
    assert last.kind == "collaboration.completed"


async def test_a_chain_of_steps_costs_so_many_records_and_no_more():
    with simulator(**AT_ONCE) as model_url:
        async with solo_with_chain(model_url) as solo, Facilitair(solo.url) as client:
            path = solo.home / "log" / "log.db"
            await run(client)  # what is written once per start
            await eventually(
                lambda: topic_sizes(path)["llm-calls"] == LEDGER, what="the last of the ledger"
            )
            before = topic_sizes(path)
            await run(client)
            await eventually(
                lambda: (topic_sizes(path) - before)["llm-calls"] == LEDGER,
                what="the last of the ledger",
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
    assert not added.keys() - {
        *("agent-tasks", "collaboration-events", "collaboration-inbox"),
        *("collaboration-state", "collaboration-stream", "llm-calls", "query-replies"),
    }
