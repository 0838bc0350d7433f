"""Each crash point of the chassis lies where its name says: what is in the log at that moment."""

import pytest

from facilitair_events.requests import ReplyTo
from facilitair_messaging.crash_points import arm, disarm
from facilitair_observability.correlation import serving
from facilitair_testing.embedded_look import commits, topic_sizes
from libs.runtime.tests import histories, ledger
from libs.runtime.tests.faults import FaultyLog

ASK = ledger.Ask(reply_to=ReplyTo(topic=ledger.REPLIES, correlation="q"))

# Of one batch of a question and two odd puts, what is acknowledged at the point: events, replies,
# commands, snapshots.
SEEN = {
    "after_decode": (0, 0, 0, 0),
    "after_decide": (0, 0, 0, 0),
    "before_reply": (0, 0, 0, 0),
    "after_events_acked": (2, 1, 0, 0),
    "after_commands_acked": (2, 1, 2, 0),
    "after_snapshot": (2, 1, 2, 1),
    "before_commit": (2, 1, 2, 1),
}


@pytest.mark.parametrize("service", ["accounts", "orchestrator"])
@pytest.mark.parametrize("point", SEEN)
async def test_r07_a_point_lies_between_the_effects_it_names(log, tmp_path, point, service):
    seen = []

    def look() -> None:
        sizes = topic_sizes(tmp_path / "log.db")
        topics = (ledger.EVENTS, ledger.REPLIES, ledger.TASKS, ledger.STATE)
        seen.append((tuple(sizes[topic] for topic in topics), commits(tmp_path / "log.db")))

    await histories.append(log, ledger.record(ASK, id="ask"), *ledger.puts(1, 3))
    arm(point, home=tmp_path / "home", die=look)
    try:
        with serving(service):
            await histories.run_dry(FaultyLog(log))
    finally:
        disarm()
    assert seen == [(SEEN[point], 0)]


async def test_another_service_on_the_chassis_passes_every_point(log, tmp_path):
    await histories.append(log, *ledger.puts(1))
    arm("after_decode", home=tmp_path / "home", die=lambda: pytest.fail("it died"))
    try:
        with serving("metering"):
            await histories.run_dry(FaultyLog(log))
    finally:
        disarm()
