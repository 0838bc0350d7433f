"""The page about poison names every topic, and who reads it how."""

import re

import pytest

from facilitair_events.layout import checkout_root, topics_dir
from facilitair_events.registry import DLQ_SUFFIX, Registry
from facilitair_messaging.dead_letters import Failure, dead_letter
from facilitair_messaging.errors import PermanentError
from facilitair_messaging.ports import Record
from tests.poison.reading import how

PAGE = checkout_root() / "docs" / "concepts" / "poison-records.md"
ANY_LETTERS = "<topic>" + DLQ_SUFFIX


def rows(text):
    """First and second cell of each row of the table of topics."""
    section = text.partition("## What becomes of it")[2].partition("## Dead letters")[0]
    cells = [line.split(" | ") for line in section.splitlines() if line.startswith("| `")]
    return {row[0].strip("| `"): row[1] for row in cells}


def readers(spec):
    """What the second cell has to say."""
    told = [f"{service} ({how(spec, service)})" for service in spec.consumers]
    return ", ".join(told) or "nobody"


def expected(registry):
    return {
        ANY_LETTERS if name.endswith(DLQ_SUFFIX) else name: readers(spec)
        for name, spec in registry.topics.items()
    }


def test_every_topic_stands_there_with_its_readers():
    assert rows(PAGE.read_text()) == expected(Registry.load(topics_dir()))


@pytest.mark.parametrize("change", [lambda t: t.replace("(group)", "(view)"), lambda t: t[:900]])
def test_a_page_that_says_otherwise_is_noticed(change):
    assert rows(change(PAGE.read_text())) != expected(Registry.load(topics_dir()))


def test_every_header_of_a_letter_is_explained():
    record = Record("t", 0, 0, 0, None, None, ())
    failure = Failure(error=PermanentError("x"), attempts=1, first_failed_at_ms=0)
    letter = dead_letter(record, failure, service="s", group="g")
    explained = set(re.findall(r"`(dlq_[a-z_]+)`", PAGE.read_text()))
    assert {name for name, _ in letter.headers} == explained
