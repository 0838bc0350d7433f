from pathlib import Path

import pytest

from tools.service_table import BEGIN, END, service_table, with_table

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def repository(tmp_path):
    for service in ("router", "archive"):
        (tmp_path / "services" / service).mkdir(parents=True)
    topics = tmp_path / "schemas" / "topics"
    topics.mkdir(parents=True)
    (topics / "b-topic.yaml").write_text("producers: [router]\nconsumers: [archive, later]\n")
    (topics / "a-topic.yaml").write_text("producers: [router]\nconsumers: []\n")
    return tmp_path


def test_each_service_has_a_row_with_its_topics_in_order(repository):
    assert service_table(repository).splitlines()[2:] == [
        "| [`archive`](services/archive) | `b-topic` |  |",
        "| [`router`](services/router) |  | `a-topic`, `b-topic` |",
    ]


def test_the_table_replaces_what_stood_between_the_markers():
    once = with_table(f"head\n{BEGIN}old\n{END}tail\n", "new\n")
    assert once == f"head\n{BEGIN}\nnew\n\n{END}tail\n"
    assert with_table(once, "new\n") == once


def test_a_readme_without_markers_is_an_error():
    with pytest.raises(ValueError, match="services"):
        with_table("head\n", "new\n")


def test_the_readme_is_current():
    readme = (ROOT / "README.md").read_text()
    assert with_table(readme, service_table(ROOT)) == readme
