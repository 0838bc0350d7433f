"""What pages of the repository name is there."""

import re
from pathlib import Path

import pytest

from tools.markdown import (
    Block,
    PageError,
    blocks,
    commands,
    links,
    section,
    without_section,
)
from tools.tracked import tracked_files

ROOT = Path(__file__).resolve().parents[2]
LANGUAGES = {"console", "mermaid", "python"}
PAGES = [path for path in tracked_files(ROOT) if path.suffix == ".md"]
SOURCES = [path for path in tracked_files(ROOT) if path.suffix == ".py" and "src" in path.parts]


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_links_lead_to_files(page):
    folder = (ROOT / page).parent
    assert [link for link in links((ROOT / page).read_text()) if not (folder / link).exists()] == []


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md"])
def test_make_targets_exist(name):
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"\bmake ([a-z-]+)`", (ROOT / name).read_text()))
    assert named
    assert named <= targets


def test_no_command_of_the_readme_hides_in_another_block():
    for block in blocks((ROOT / "README.md").read_text()):
        assert block.language in LANGUAGES, f"line {block.line}: write ```console and $ before it"
        if block.language == "console":
            assert commands(block)


def test_variables_of_the_readme_exist():
    code = "".join((ROOT / path).read_text() for path in SOURCES)
    code += (ROOT / "tools" / "install.py").read_text()
    named = set(re.findall(r"\bFACILITAIR_[A-Z_]+", (ROOT / "README.md").read_text()))
    prefixed = {name for name in named if name == "FACILITAIR_GATEWAY_PORT"}  # pydantic builds it
    assert named
    assert [name for name in named - prefixed if name not in code] == []


def test_a_block_is_found_with_its_place():
    assert blocks("a\n```console\n$ b\nc\n```\nd\n") == [Block("console", 3, ("$ b", "c"))]


def test_commands_have_the_output_under_them():
    first, second = commands(Block("console", 10, ("$ a b", "x", "y", "$ c")))
    assert (first.text, first.line, first.shown) == ("a b", 10, ("x", "y"))
    assert (second.text, second.line, second.shown) == ("c", 13, ())


@pytest.mark.parametrize(
    ("lines", "fault"), [(("make run",), "begins with"), (("$ a \\", "b"), "on one line")]
)
def test_a_command_that_cannot_be_run_as_it_stands_is_rejected(lines, fault):
    with pytest.raises(PageError, match=fault):
        commands(Block("console", 1, lines))


def test_an_open_block_is_rejected():
    with pytest.raises(PageError, match="not closed"):
        blocks("```console\n$ a\n")


def test_links_to_the_web_and_inside_the_page_are_not_files():
    page = "[a](b.md) [c](https://d.example) [e](#f) [g](h.md#i)"
    assert links(page) == ["b.md", "h.md"]


def test_a_section_goes_up_to_the_next_one():
    page = "# t\na\n## b\nc\n### d\n## e\nf\n"
    assert section(page, "b") == "## b\nc\n### d\n"
    assert section(page, "e") == "## e\nf\n"
    assert without_section(page, "b") == "# t\na\n## e\nf\n"
    with pytest.raises(PageError, match="no section 'x'"):
        section(page, "x")
