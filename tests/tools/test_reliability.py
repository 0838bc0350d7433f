"""The tables of docs/reliability.md."""

from pathlib import Path

import pytest
from msgspec.structs import replace

from facilitair_testing.chaos.faults import KINDS, Fault, Landed
from facilitair_testing.chaos.injectors import INJECTORS
from facilitair_testing.chaos.results import HEADINGS, Result
from facilitair_testing.crash_table import Row
from tools.reliability import (
    MONEY_HEADINGS,
    NOT_RUN,
    PAGE,
    begin,
    block,
    cells_of,
    end,
    with_block,
    write,
)

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / PAGE).read_text()
EMPTY = "".join(f"{begin(name)}\n{NOT_RUN}\n{end(name)}" for name in ("crash", "chaos", "money"))


def result(seed):
    fault = Fault(kind="disk_full", target="broker", after_s=0)
    told = Landed(fault=fault, began_s=0, healed_s=0, reason="needs a mount", missing=True)
    return Result(
        seed=seed, system="kafka", load="L1", planned=1, faults=(told,), submitted=200,
        accepted=200, terminal=200, finished=1.0, violations=(), waits=(), unanswered=0,
        duration_s=1.0, ends={}, commit="abc1234",
    )  # fmt: skip


def row(point, *, reached=True):
    return Row(
        service="gateway", point=point, log="solo", n=2, reached=reached, violations=(),
        recovery_s=1.25,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("name", "columns"), [("crash", 6), ("chaos", len(HEADINGS)), ("money", len(MONEY_HEADINGS))]
)
def test_the_tables_of_the_page_can_be_read(name, columns):
    text = block(TEXT, name)
    if text == NOT_RUN.strip():
        return
    lines = cells_of(text.split("\n\n", 1)[0])
    assert lines
    assert {len(line) for line in lines} == {columns}
    assert not [line for line in lines if "void" in line or "violated" in line]


def test_every_fault_is_explained_on_the_page_for_the_systems_that_have_it():
    rows = [line for line in TEXT.splitlines() if line.startswith("| `")]
    for kind in KINDS:
        (line,) = [one for one in rows if f"`{kind}`" in one]
        solo, kafka = [part.strip() for part in line.split("|")[2:4]]
        assert (solo == "yes") == (kind in INJECTORS["solo"]), kind
        assert (kafka == "yes") == (kind in INJECTORS["kafka"]), kind


def test_what_was_measured_is_written_and_the_rest_of_the_page_stays(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(f"before\n{EMPTY}after\n")
    write(page, results=[result(2), result(1)], rows=[row("before_reply")])
    text = page.read_text()
    assert text.startswith("before\n")
    assert text.endswith("after\n")
    seeds = [line[0] for line in cells_of(block(text, "chaos").split("\n\n", 1)[0])]
    assert seeds == ["1", "2", "all"]
    assert "Measured at commit abc1234." in text
    assert "Not run here: disk_full: needs a mount." in text
    (crash,) = cells_of(block(text, "crash").split("\n\n", 1)[0])
    assert crash == ["gateway", "`before_reply`", "2", "solo", "0", "1.2 s"]
    assert "1 cells, 0 void, 0 violations." in text
    write(page, results=[result(2), result(1)], rows=[row("before_reply")])
    assert page.read_text() == text


def test_what_money_was_put_through_has_a_table_of_its_own(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(EMPTY)
    hurt = Landed(
        fault=Fault(kind="kill", target="accounts", after_s=0), began_s=0, healed_s=1,
        evidence="died", in_flight=3, hurt=2,
    )  # fmt: skip
    money = replace(result(1), load="LM", faults=(hurt,) * 110, ends={"completed": 9, "failed": 1})
    write(page, results=[money], rows=[])
    (line,) = cells_of(block(page.read_text(), "money").split("\n\n", 1)[0])
    assert line[:7] == ["1", "kafka", "220", "200", "9", "1", "0"]
    assert block(page.read_text(), "chaos") == NOT_RUN.strip()


def test_a_table_without_anything_new_stays(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(EMPTY)
    write(page, results=[], rows=[row("after_decide", reached=False)])
    assert block(page.read_text(), "chaos") == NOT_RUN.strip()
    assert "| void |" in page.read_text()
    assert "1 void" in page.read_text()


def test_a_page_without_markers_is_refused():
    with pytest.raises(ValueError, match="crash table"):
        with_block("nothing here", "crash", text="x")
    with pytest.raises(ValueError, match="end of chaos"):
        block(begin("chaos"), "chaos")


@pytest.mark.parametrize("text", ["", "| a |\n| b |", "| a | b |\n| --- |\n| c | d |"])
def test_what_is_no_table_is_refused(text):
    with pytest.raises(ValueError):
        cells_of(text)
