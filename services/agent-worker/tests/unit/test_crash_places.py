"""Each crash point of the worker lies where its name says: what was done at that moment."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from facilitair_events.topics import COLLABORATION_INBOX, COLLABORATION_STREAM, LLM_CALLS
from facilitair_messaging.crash_points import arm, disarm
from facilitair_observability.correlation import serving
from facilitair_testing.desk import Desk, task
from facilitair_testing.embedded_look import commits, topic_sizes
from facilitair_testing.eventually import eventually
from facilitair_testing.scripted_model import ScriptedModel

RunWorker = Callable[..., Any]

# Records of the ledger, requests to the model, reports; and the least and the most on the stream.
SEEN = {
    "after_decode": (0, 0, 0, (0, 0)),
    "after_claim": (1, 0, 0, (0, 0)),
    "after_claim_read": (1, 0, 0, (0, 0)),
    "before_request": (1, 0, 0, (0, 1)),
    "first_token": (1, 1, 0, (0, 1)),
    "last_chunk_acked": (1, 1, 0, (2, 9)),
    "result_acked": (1, 1, 2, (2, 9)),
    "before_done": (1, 1, 2, (2, 9)),
}


@pytest.mark.parametrize("point", SEEN)
async def test_a_point_lies_between_the_effects_it_names(
    desk: Desk, run_worker: RunWorker, tmp_path: Path, point: str
) -> None:
    model = ScriptedModel("def ", "add", "(): ...")
    seen = []

    def look() -> None:
        sizes = topic_sizes(tmp_path / "log.db")
        inbox, stream = sizes[COLLABORATION_INBOX], sizes[COLLABORATION_STREAM]
        seen.append((sizes[LLM_CALLS], len(model.calls), inbox, stream))

    arm(point, home=tmp_path / "home", die=look)
    try:
        with serving("agent-worker"):
            async with run_worker(model):
                await desk.give(task())
                await desk.wait_for(LLM_CALLS, 2)
    finally:
        disarm()
    [(ledger, calls, inbox, stream)] = seen
    *expected, (least, most) = SEEN[point]
    assert [ledger, calls, inbox] == expected
    assert least <= stream <= most


async def test_r21_the_commit_comes_after_the_claim(
    desk: Desk, run_worker: RunWorker, tmp_path: Path
) -> None:
    seen: list[tuple[int, int]] = []

    def look() -> None:
        path = tmp_path / "log.db"
        seen.append((topic_sizes(path)[LLM_CALLS], commits(path)))

    arm("before_commit", home=tmp_path / "home", die=look)
    try:
        with serving("agent-worker"):
            async with run_worker(ScriptedModel("done")):
                await desk.give(task())
                await eventually(lambda: seen, what="a commit")
    finally:
        disarm()
    [(ledger, committed)] = seen
    assert ledger >= 1
    assert committed == 0
