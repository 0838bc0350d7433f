"""Each crash point of the gateway lies where its name says: what is in the log at that moment."""

import httpx
import pytest

from facilitair_events.topics import COLLABORATION_INBOX, QUERY_REPLIES
from facilitair_messaging.crash_points import arm, disarm
from facilitair_observability.correlation import serving
from facilitair_testing.embedded_look import topic_sizes

JOB = {"task": "Write a prime checker."}

# Records in the inbox, and answers: the least and the most.
SEEN = {
    "before_requested_acked": (0, (0, 0)),
    "after_requested_acked": (1, (0, 1)),
    "before_reply": (1, (1, 1)),
}


@pytest.mark.parametrize("point", SEEN)
async def test_r15_a_point_lies_between_the_effects_it_names(
    start, orchestrator, tmp_path, point
) -> None:
    seen = []

    def look() -> None:
        sizes = topic_sizes(tmp_path / "log.db")
        seen.append((sizes[COLLABORATION_INBOX], sizes[QUERY_REPLIES]))

    arm(point, home=tmp_path / "home", die=look)
    try:
        with serving("gateway"):
            async with start(tmp_path) as gateway, httpx.AsyncClient(timeout=60) as http:
                answer = await http.post(f"{gateway.url}/v1/collaborations", json=JOB)
    finally:
        disarm()
    assert answer.status_code == 202
    [(inbox, replies)] = seen
    asked, (least, most) = SEEN[point]
    assert inbox == asked
    assert least <= replies <= most
