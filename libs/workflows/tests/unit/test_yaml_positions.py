"""YAML with lines: what is read, what is refused and where."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facilitair_workflows.yaml_positions import (
    MAX_DEPTH,
    MAX_FILE_BYTES,
    find,
    locate,
    plain,
    read,
)


def test_scalars_are_those_of_the_core_schema():
    root, faults = read(
        b"a: 1\nb: 1.5\nc: true\nd: yes\ne: 2024-01-01\nf: '1'\ng: null\nh: 0o7\ni: 1e999\nj: .5\n"
    )
    assert faults == []
    assert plain(root) == {
        "a": 1,
        "b": 1.5,
        "c": True,
        "d": "yes",
        "e": "2024-01-01",
        "f": "1",
        "g": None,
        "h": "0o7",
        "i": "1e999",
        "j": 0.5,
    }


def test_nodes_know_their_lines():
    root, _ = read(b"a:\n  - x\n  - b: |\n      text\n")
    assert locate(root, ("a",)) == 1
    assert locate(root, ("a", 1)) == 3
    assert locate(root, ("a", 1, "b")) == 3
    assert locate(root, ("a", 1, "missing", "deeper")) == 3
    assert find(root, ("a", 1, "b")).literal
    assert find(root, ("a", 7)) is None


@pytest.mark.parametrize(
    ("data", "line", "message"),
    [
        (b"", 1, "empty"),
        (b"\n \n", 1, "empty"),
        (b"# only a comment\n", 1, "empty"),
        (b"null\n", 1, "empty"),
        (b"a: 1\nb: \xff\n", 2, "UTF-8"),
        (b"a: 1\n---\nb: 2\n", 2, "second document"),
        (b"a: &x 1\n", 1, "anchors"),
        (b"a: 1\nb: *x\n", 2, "anchors"),
        (b"a: 1\nb: !!python/object:os.system x\n", 2, "tags"),
        (b"a: 1\nb: !!str 1\n", 2, "tags"),
        (b"a: 1\n? [x]\n: 2\n", 2, "a key must be a text"),
        (b"a: 1\n1: 2\n", 2, "a key must be a text"),
        (b"a: 1\nb: [1\n", 3, "not YAML"),
        (b"a: 1\n\tb: 2\n", 2, "not YAML"),
        (b'a: "\\UFFFFFFFF"\n', 1, "not YAML"),
        (b'a: 1\nb: "\\ud800"\n', 2, "no character"),
        (b'a: 1\nb: "\\0"\n', 2, "no character"),
        (b"a: \x07\n", 1, "not YAML"),
        (b"[" * (MAX_DEPTH + 1), 1, "nested deeper"),
        (b"#" * (MAX_FILE_BYTES + 1), 1, "bytes"),
    ],
)
def test_what_cannot_be_read_is_one_fault_at_its_line(data, line, message):
    root, faults = read(data)
    assert root is None
    assert [fault.line for fault in faults] == [line]
    assert message in faults[0].message


def test_a_repeated_key_is_a_fault_and_reading_goes_on():
    root, faults = read(b"a: 1\nb: 2\na: 3\nb: 4\n")
    assert [(fault.line, "line " in fault.message) for fault in faults] == [(3, True), (4, True)]
    assert plain(root) == {"a": 1, "b": 2}


def test_aliases_cannot_multiply():
    bomb = b"a: &a [x,x]\nb: &b [*a,*a]\nc: &c [*b,*b]\n"
    assert read(bomb)[0] is None


@given(st.binary(max_size=300) | st.text(alphabet="ab:-[]{}&*!|>'\"\n #?,\t\\x0U", max_size=80))
def test_any_bytes_give_a_tree_or_faults(data):
    root, faults = read(data if isinstance(data, bytes) else data.encode())
    assert root is not None or faults
    assert all(fault.line >= 1 for fault in faults)
