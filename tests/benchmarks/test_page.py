import pytest

from benchmarks.measuring import Group
from benchmarks.page import BEGIN, END, PageError, section, sections, with_sections
from benchmarks.readings import Reading

ABOUT = {
    "commit": "abc1234",
    "date": "2026-11-21 19:00 UTC",
    "machine": "2 cores",
    "system": "Linux 6",
    "python": "CPython 3.11",
    "libraries": "uvloop 1",
}
PAGE = f"# Page\n\nProse.\n\n{BEGIN}\n{END}\nAfter.\n"
ORDER = ("hop", "streams", "lines")


def group(name, *values, goal=None):
    return Group(
        name=name,
        about="What it is.",
        readings=[Reading("x", value, "ms", goal) for value in values],
        loads=[0.5, 1.25],
        load_after=2.0,
        took_s=12.4,
    )


def told(name, *values, goal=None, commit="abc1234"):
    about = ABOUT | {"commit": commit}
    return section(group(name, *values, goal=goal), command="python -m benchmarks", about=about)


def test_a_section_says_how_when_and_on_what_it_was_measured():
    lines = told("hop", 1, 2, 3, goal=5).splitlines()
    assert lines[0] == "### hop"
    assert lines[3] == (
        "Measured in 2 interleaved rounds by `python -m benchmarks` at commit abc1234 on"
        " 2026-11-21 19:00 UTC; it took 12 s."
    )
    assert lines[4] == "Load average of a minute before: 0.50, 1.25; after: 2.00."
    assert lines[5] == "Machine: 2 cores; Linux 6; CPython 3.11; uvloop 1."
    assert "| x | ≤ 5 ms | 2 ms | 1 to 3 | yes, 2.5x below |" in lines


@pytest.mark.parametrize(
    ("goal", "said"), [(None, False), (5, False), (1, True)], ids=["no goal", "met", "missed"]
)
def test_a_section_with_a_missed_goal_leads_to_where_it_is_explained(goal, said):
    assert ("A goal is missed: [where" in told("hop", 2, goal=goal)) is said


def test_what_was_saved_is_read_back_and_nothing_else_of_the_page_changes():
    saved = {"hop": told("hop", 1).strip(), "lines": told("lines", 7).strip()}
    page = with_sections(PAGE, saved, order=ORDER)
    assert sections(page) == saved
    assert page.startswith("# Page\n\nProse.\n\n")
    assert page.endswith(f"{END}\nAfter.\n")
    assert with_sections(page, saved, order=ORDER) == page


def test_a_partial_run_replaces_its_own_sections_only_and_keeps_the_order():
    page = with_sections(PAGE, {"lines": told("lines", 7, commit="old")}, order=ORDER)
    page = with_sections(page, {"hop": told("hop", 1, commit="new")}, order=ORDER)
    page = with_sections(page, {"lines": told("lines", 8, commit="newer")}, order=ORDER)
    found = sections(page)
    assert list(found) == ["hop", "lines"]
    assert "at commit new on" in found["hop"]
    assert "at commit newer on" in found["lines"]
    assert "commit old" not in page


def test_a_section_that_no_benchmark_can_renew_is_dropped():
    page = with_sections(PAGE, {"hop": told("hop", 1)}, order=ORDER)
    assert sections(with_sections(page, {}, order=("lines",))) == {}


@pytest.mark.parametrize("page", ["", BEGIN, END, f"{END}{BEGIN}"])
def test_a_page_without_a_place_for_numbers_is_refused(page):
    with pytest.raises(PageError, match="numbers"):
        with_sections(page, {}, order=ORDER)
