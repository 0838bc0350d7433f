import pytest

from facilitair_cli.changing import changed
from facilitair_cli.errors import OptionError

VALUE = {"task": {"text": {"v": "old"}}, "needs": ["a", {"b": 1}], "dots": 1}


def test_places_are_changed_in_order_and_the_original_is_not():
    changes = ['task.text.v="new"', "needs.1.b=[2]", "needs.0=null", "extra={}", "extra.x=1"]
    assert changed(VALUE, changes) == {
        "task": {"text": {"v": "new"}}, "needs": [None, {"b": [2]}], "dots": 1, "extra": {"x": 1},
    }  # fmt: skip
    assert VALUE["task"] == {"text": {"v": "old"}}
    assert changed(VALUE, ['dots="a=b"'])["dots"] == "a=b"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ("dots", "of the form path=json"),
        ("=1", "of the form path=json"),
        ("dots=new", "a text is quoted"),
        ("dots=", "a text is quoted"),
        ("dots=NaN", "a text is quoted"),
        ("dots=\udcff", "a text is quoted"),
        ("tsak.text=1", "no 'tsak' on its path"),
        ("needs.2=1", "no '2' on its path"),
        ("needs.x.y=1", "no 'x' on its path"),
        ("dots.x=1", "no 'x' on its path"),
    ],
)
def test_a_change_that_leads_nowhere_is_refused(change, reason):
    with pytest.raises(OptionError, match=reason):
        changed(VALUE, [change])
