"""The journal of clients: what is written before a request leaves, and what is read back."""

from contextlib import closing
from itertools import count
from pathlib import Path

import pytest

from facilitair_testing.client_journal import ClientJournal
from facilitair_testing.history import Frame
from facilitair_testing.history.reading import HistoryUnreadableError, read_client_journal


def test_a_line_stands_before_the_request_leaves_and_one_after_its_answer(tmp_path: Path) -> None:
    path = tmp_path / "client.jsonl"
    clock = count(100)
    with closing(ClientJournal(path, now_ms=lambda: next(clock))) as journal:
        asked = journal.invoke("submit", client="c", key="k", body="b")
        (before,) = read_client_journal(path)
        journal.ok(asked, status=202, collaboration="x", cursor="1-2-0")
    after = list(read_client_journal(path))[1]
    assert (before.type, before.at_ms, before.key, before.collaboration) == (
        "invoke", 100, "k", None,
    )  # fmt: skip
    assert (after.id, after.type, after.at_ms) == (before.id, "ok", 101)
    assert (after.key, after.body, after.status, after.collaboration) == ("k", "b", 202, "x")
    assert after.cursor == "1-2-0"


def test_frames_are_read_back_as_they_were_shown(tmp_path: Path) -> None:
    path = tmp_path / "client.jsonl"
    frames = (
        Frame(id="1-2-3", event="step.completed", seq=3),
        Frame(id="1-3-3", event="token", step="a", attempt=1, index=0),
    )
    with closing(ClientJournal(path)) as journal:
        journal.ok(journal.invoke("watch", client="c", collaboration="x"), frames=frames)
        journal.info(journal.invoke("watch", client="c", collaboration="x"), frames=frames[:1])
    lines = list(read_client_journal(path))
    assert [(line.type, line.frames) for line in lines] == [
        ("invoke", ()), ("ok", frames), ("invoke", ()), ("info", frames[:1]),
    ]  # fmt: skip


def test_two_journals_of_one_file_do_not_mix_operations(tmp_path: Path) -> None:
    path = tmp_path / "client.jsonl"
    with closing(ClientJournal(path)) as one, closing(ClientJournal(path)) as other:
        ids = {one.invoke("cancel", client="a"), other.invoke("cancel", client="b")}
    assert len(ids) == 2
    assert {line.id for line in read_client_journal(path)} == ids


def test_an_operation_ends_once(tmp_path: Path) -> None:
    with closing(ClientJournal(tmp_path / "client.jsonl")) as journal:
        asked = journal.invoke("submit", client="c")
        journal.fail(asked, status=409)
        with pytest.raises(KeyError):
            journal.info(asked)


def test_a_last_line_that_was_cut_off_is_left_out_and_any_other_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "client.jsonl"
    with closing(ClientJournal(path)) as journal:
        journal.invoke("submit", client="c")
    with path.open("ab") as file:
        file.write(b'{"at_ms": 1')
    assert len(list(read_client_journal(path))) == 1
    with path.open("ab") as file:
        file.write(b"\n")
    with pytest.raises(HistoryUnreadableError, match=r"client\.jsonl:2"):
        list(read_client_journal(path))
