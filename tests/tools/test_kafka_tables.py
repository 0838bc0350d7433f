from pathlib import Path

import pytest

from facilitair_events.registry import Registry
from tools.kafka_tables import BEGIN, END, PAGE, main, tables, with_tables

ROOT = Path(__file__).resolve().parents[2]
SPECS = Registry.load(ROOT / "schemas" / "topics").topics


def test_the_page_has_the_tables_of_the_topic_files():
    page = (ROOT / PAGE).read_text()
    assert with_tables(page, tables(SPECS.values())) == page
    assert main(["--check"]) == 0


def test_a_service_may_do_what_the_topic_files_say_and_nothing_else():
    rows = {
        line.split("|")[1].strip(" `"): [cell.strip() for cell in line.split("|")[2:5]]
        for line in tables(SPECS.values()).splitlines()
        if line.startswith("| `")
    }
    reads, writes, group = rows["agent-worker"]
    assert "`agent-tasks`" in reads
    assert "`agent-tasks-dlq`" in writes
    assert "`agent-tasks`" not in writes
    assert group == "`agent-worker`"
    assert rows["gateway"][2] == "none"


def test_a_page_without_its_markers_is_rejected():
    with pytest.raises(ValueError, match="tables"):
        with_tables("# A page\n", "")
    assert with_tables(f"a\n{BEGIN}old\n{END}b\n", "new") == f"a\n{BEGIN}\nnew\n{END}b\n"
