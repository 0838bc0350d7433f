import pytest

from facilitair_events.errors import LayoutError
from facilitair_events.layout import checkout_root, definitions_dir, topics_dir


def test_the_checkout_is_found_from_the_package():
    assert (checkout_root() / "libs" / "events" / "pyproject.toml").is_file()
    assert topics_dir() == checkout_root() / "schemas" / "topics"


def test_the_nearest_checkout_wins(tmp_path):
    inner = tmp_path / "outer" / "inner"
    for root in (inner, inner.parent):
        (root / "schemas" / "topics").mkdir(parents=True, exist_ok=True)
    start = inner / "libs" / "x.py"
    assert checkout_root(start) == inner


def test_without_a_checkout_the_error_says_what_to_do(tmp_path):
    with pytest.raises(LayoutError, match=r"schemas/topics.*make init"):
        checkout_root(tmp_path)


def test_definitions_lie_in_a_folder_per_kind():
    assert definitions_dir("workflow") == checkout_root() / "workflows"
    with pytest.raises(LayoutError, match="'workflows': use one of agent, workflow"):
        definitions_dir("workflows")
