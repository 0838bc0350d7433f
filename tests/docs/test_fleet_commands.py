"""The commands of README.md about fleets, in a terminal: the live table too."""

import re

import pytest

from facilitair_testing.eventually import eventually
from facilitair_testing.fleet import require_kafka
from tools.markdown import blocks, commands, section

STAYS = "make fleet "
MEMBERS = {
    "accounts-0",
    "orchestrator-0",
    "agent-worker-0",
    "agent-worker-1",
    "gateway-0",
    "kafka",
    "simulator",
}
QUICK = {"FACILITAIR_GATEWAY_PORT": "0", "FACILITAIR_SIMULATOR_PORT": "0"}
HEADINGS = ["process", "state", "pid", "restarts", "lag", "MiB", "where"]
_ROW = re.compile(
    r"^(?P<name>[a-z]+(?:-[a-z]+)*(?:-\d)?) +(?P<state>ready|starting|waiting) +(?P<pid>\d+)"
    r" +(?P<restarts>\d+) +(?:\d+ +)?(?P<mib>\d+) *(?P<where>\S*)$"
)


def tables(text):
    """Each picture of the table: its rows by name. Pictures follow each other in what was drawn."""
    found = []
    whole = text[: text.rfind("\n") + 1]  # the last line may be half of one
    for line in whole.splitlines():
        if line.split() == HEADINGS:
            found.append({})
        elif found and (row := _ROW.match(line.rstrip())):
            found[-1][row["name"]] = row
    return found


def all_ready(text):
    """The last whole picture in which every process is ready."""
    for rows in reversed(tables(text)):
        if rows.keys() >= MEMBERS and {row["state"] for row in rows.values()} == {"ready"}:
            return rows
    return None


@pytest.mark.integration
@pytest.mark.slow
@pytest.mark.timeout(400)
async def test_a_fleet_is_started_used_and_stopped_as_the_readme_says(ready_clone, open_terminal):
    require_kafka()
    page = section((ready_clone / "README.md").read_text(), "A fleet")
    wanted = [c for b in blocks(page) if b.language == "console" for c in commands(b)]
    assert wanted[0].text.startswith(STAYS)
    fleet = None
    for command in wanted:
        terminal = open_terminal(command.text, **QUICK)
        if command.text.startswith(STAYS):
            fleet = terminal
            await eventually(
                lambda shown=terminal: "is up on" in shown.text, timeout_s=120, what="the fleet"
            )
            rows = await eventually(
                lambda shown=terminal: all_ready(shown.text), timeout_s=120, what="a whole table"
            )
            assert len({row["pid"] for row in rows.values()}) == len(MEMBERS)
            assert all(int(row["mib"]) > 0 for row in rows.values())
            assert rows["gateway-0"]["where"].startswith("http://127.0.0.1:")
            continue
        assert terminal.finish(timeout_s=120) == 0, terminal.text
        for line in command.shown:
            assert line.split()[0] in terminal.text
    assert fleet is not None
    assert fleet.finish(timeout_s=60) == 0, fleet.text


def test_a_table_is_read_as_it_is_drawn():
    drawn = "process  state  pid restarts lag MiB where\ngateway-0 ready 12 0  71 http://h\n"
    (rows,) = tables(drawn + "gateway-1 waiting\n")
    assert (rows["gateway-0"]["pid"], rows["gateway-0"]["mib"]) == ("12", "71")
    assert set(rows) == {"gateway-0"}
    assert all_ready(drawn) is None
