import pytest
from hypothesis import given
from hypothesis import strategies as st

from facilitair_cli.fenced import NamedBlock, file_named_by, named_blocks


@pytest.mark.parametrize(
    ("info", "file"),
    [
        ("python primes.py", "primes.py"),
        ("python src/primes.py", "src/primes.py"),
        ("primes.py", "primes.py"),
        ("python path=src/primes.py", "src/primes.py"),
        ('python title="src/my primes.py"', "src/my primes.py"),
        ("js {title='a.js'}", "a.js"),
        ("python primes.py (new)", "primes.py"),
        ("make Makefile", "Makefile"),
        ("text .gitignore", ".gitignore"),
        ("python ../x.py", "../x.py"),
        ("python", None),
        ("", None),
        ("bash session", None),
        ("asp.net", None),
        ("python 3.11", None),
        ("text a/b", None),
    ],
)
def test_the_info_string_names_the_file(info, file):
    assert file_named_by(info) == file


def test_blocks_with_a_name_are_found_in_order():
    text = "Hi\n```python a.py\nx = 1\n```\n\n```sh\nls\n```\n~~~js b.js\nlet y\n~~~\n"
    assert named_blocks(text) == [NamedBlock("a.py", "x = 1\n"), NamedBlock("b.js", "let y\n")]


def test_a_longer_fence_holds_shorter_ones():
    text = "````markdown README.md\n```sh\nls\n```\n````\n"
    assert named_blocks(text) == [NamedBlock("README.md", "```sh\nls\n```\n")]


def test_a_fence_of_the_other_kind_does_not_close():
    assert named_blocks("~~~text a.txt\n```\n~~~\n") == [NamedBlock("a.txt", "```\n")]


def test_a_cut_block_is_left_out():
    assert named_blocks("```python a.py\nx = 1\n") == []


def test_the_indentation_of_the_fence_is_taken_from_its_lines():
    text = "  ```python a.py\n  if x:\n      y\n z\n  ```\n"
    assert named_blocks(text) == [NamedBlock("a.py", "if x:\n    y\nz\n")]


def test_an_indented_line_of_code_is_no_fence():
    assert named_blocks("    ```python a.py\n    x\n    ```\n") == []


def test_a_closing_fence_has_no_info():
    assert named_blocks("```text a.txt\n```python\n```\n") == [NamedBlock("a.txt", "```python\n")]


LINES = st.lists(st.text(st.characters(blacklist_categories=["Cs", "Cc", "Zl", "Zp"])), max_size=5)


@given(LINES)
def test_what_was_fenced_comes_back(lines):
    content = "".join(f"{line}\n" for line in lines)
    fence = "`" * (3 + max((line.count("`") for line in lines), default=0))
    text = f"{fence}text a.txt\n{content}{fence}\n"
    assert named_blocks(text) == [NamedBlock("a.txt", content)]
