"""What the ledger of calls holds, and how long it is kept (R18)."""

from collections.abc import Callable
from typing import Any

import pytest

from facilitair_events.keys import split_call_key, task_key
from facilitair_events.layout import topics_dir
from facilitair_events.registry import Registry
from facilitair_events.text import inline
from facilitair_events.topics import (
    AGENT_TASKS,
    AGENT_TASKS_BATCH,
    COLLABORATION_INBOX,
    LLM_CALLS,
    WORKER_CONTROL,
)
from facilitair_messaging.ports import Log, Record
from facilitair_testing.desk import Desk, task
from facilitair_testing.eventually import eventually
from facilitair_testing.scripted_model import ScriptedModel
from facilitair_workflows.workflow_files import DAY_S

CANARY = "canary-7f3a"


@pytest.fixture
async def entries(desk: Desk, run_worker: Callable[..., Any]) -> list[Record]:
    """The ledger after one call, whose texts all name the canary."""
    async with run_worker(ScriptedModel(f"answer {CANARY}")):
        await desk.give(task("review.2.coder", task=inline(f"task {CANARY}")))
        await desk.wait_for(COLLABORATION_INBOX, 2)

        async def ended() -> list[Record] | None:
            found = await desk.records(LLM_CALLS)
            return found if kinds(found)[-1:] == ["done"] else None

        found = await eventually(ended, what="the end of the call")
    assert found is not None
    return found


def kinds(records: list[Record]) -> list[str]:
    return [split_call_key(record.key or b"").kind for record in records]


async def test_r18_a_key_names_call_kind_and_nonce_and_no_two_are_equal(
    entries: list[Record],
) -> None:
    assert kinds(entries) == ["claim", "done"]
    assert len({record.key for record in entries}) == 2
    for record in entries:
        parts = split_call_key(record.key or b"")
        assert (parts.tenant, parts.collaboration, parts.path) == ("local", "c1", "review.2.coder")
        assert parts.call_id
        assert parts.nonce


async def test_r18_a_call_lies_in_the_partition_of_its_task(
    entries: list[Record], log: Log
) -> None:
    key = task_key("local", "c1", "review.2.coder").encode()
    assert {record.partition for record in entries} == {log.partition_for(AGENT_TASKS, key)}


async def test_r18_no_text_is_in_the_ledger(desk: Desk, entries: list[Record]) -> None:
    assert not [record for record in entries if CANARY in repr(record)]
    assert [record for record in await desk.records(COLLABORATION_INBOX) if CANARY in repr(record)]


def test_r18_a_claim_outlives_every_record_that_could_cause_its_call_again() -> None:
    registry = Registry.load(topics_dir())
    ledger = registry.spec(LLM_CALLS)
    assert ledger.retention_ms is not None
    for name in (COLLABORATION_INBOX, AGENT_TASKS, AGENT_TASKS_BATCH, WORKER_CONTROL):
        spec = registry.spec(name)
        assert spec.retention_ms is not None
        assert ledger.retention_ms > spec.retention_ms + (spec.segment_ms or 0)


def test_r18_nothing_of_a_call_is_compacted_while_it_runs() -> None:
    lag_ms = Registry.load(topics_dir()).spec(LLM_CALLS).min_compaction_lag_ms
    assert lag_ms is not None
    assert lag_ms > DAY_S * 1000, "the longest time-out that a step may declare"
