"""Usage from the account's state, and the books entry by entry."""

import asyncio
import csv
import io
import json
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import httpx
import pytest

from facilitair_events.accounts import UsageCell
from facilitair_events.books import BudgetChanged, CallReconciled, CallSettled
from facilitair_events.budgets import Budget
from facilitair_events.requests import Usage
from facilitair_events.text import personal
from facilitair_gateway.entry_export import EntryExport
from facilitair_gateway.entry_rows import COLUMNS
from facilitair_gateway.usage import usage_rows
from facilitair_messaging.ports import Message
from services.gateway.tests.accounting import book_entry
from services.gateway.tests.unit.conftest import bearer

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
CALL = "01900000-0000-7000-8000-00000000000a"
OTHER = "01900000-0000-7000-8000-00000000000b"
PATH = "/v1/usage/entries"


def settled(seq: int, *, collaboration: str = CALL, **more) -> CallSettled:
    fields = {
        "n": 1, "project": "p", "actor": "local", "workflow": "code", "call_id": f"call-{seq}",
        "path": "coder", "attempt": 1, "agent": "coder", "outcome": "completed",
        "charged_usd": Decimal("0.0000001"), "cost_usd": Decimal("0.0000001"), "model": "m",
        "usage": Usage(input_tokens=10, output_tokens=5),
    }  # fmt: skip
    at = START + timedelta(minutes=seq)
    return CallSettled(seq=seq, at=at, collaboration=collaboration, **(fields | more))


def reconciled(seq: int, *, reason: str = "asked") -> CallReconciled:
    return CallReconciled(
        seq=seq, at=START + timedelta(minutes=seq), collaboration=CALL, call_id="call-1",
        agent="coder", workflow="code", charged_usd=Decimal("0.01"), was_usd=Decimal("0.05"),
        actor="local", reason=personal(reason),
    )  # fmt: skip


@pytest.fixture
def keep(stage):
    async def keeping(*events, tenant: str = "local") -> None:
        await stage.write(*(book_entry(tenant, event) for event in events))

    return keeping


async def rows(http, **params) -> list[dict]:
    answer = await http.get(PATH, params=params)
    assert answer.status_code == 200, answer.text
    return [json.loads(line) for line in answer.text.splitlines()]


async def test_every_entry_names_its_call_in_the_order_of_the_books(http, keep) -> None:
    budget = BudgetChanged(seq=2, at=START, actor="local", budget=Budget())
    await keep(settled(1), budget, settled(3, was_usd=Decimal("0.5")), reconciled(4))
    found = await rows(http)
    assert [(row["seq"], row["kind"], row["call_id"]) for row in found] == [
        (1, "settled", "call-1"), (3, "settled", "call-3"), (4, "reconciled", "call-1"),
    ]  # fmt: skip
    assert all(tuple(row) == COLUMNS for row in found)
    assert [row["change_usd"] for row in found] == ["0.0000001", "-0.4999999", "-0.04"]
    assert (found[0]["input_tokens"], found[2]["input_tokens"]) == (10, None)
    assert found[2]["reason"] == "asked"


async def test_csv_has_the_same_rows_and_no_formula(http, keep) -> None:
    await keep(settled(1, model="=1+1"), reconciled(2, reason='+cmd\nsecond line, "quoted"'))
    for asked in ({"params": {"format": "csv"}}, {"headers": {"accept": "text/csv"}}):
        answer = await http.get(PATH, **asked)
        assert answer.headers["content-type"].startswith("text/csv")
        assert answer.text.count("\r\n") == 3
        first, second = csv.DictReader(io.StringIO(answer.text))
        assert tuple(first) == COLUMNS
        told = (first["model"], first["charged_usd"], first["late"])
        assert told == (
            "'=1+1",
            "0.0000001",
            "false",
        )
        assert second["reason"] == '\'+cmd second line, "quoted"'
        assert second["change_usd"] == "-0.04"


async def test_an_export_goes_on_behind_any_of_its_lines(http, keep) -> None:
    await keep(*(settled(seq) for seq in range(1, 6)))
    found = await rows(http)
    for place, row in enumerate(found):
        assert await rows(http, cursor=row["cursor"]) == found[place + 1 :]
    answer = await http.get(PATH, params={"format": "csv", "cursor": found[2]["cursor"]})
    assert [line.split(",")[1] for line in answer.text.splitlines()] == ["4", "5"]
    await keep(settled(6))
    assert [row["seq"] for row in await rows(http, cursor=found[-1]["cursor"])] == [6]


async def test_r12_what_two_owners_wrote_is_told_once(http, keep) -> None:
    await keep(settled(1), settled(2), settled(1), settled(2), settled(3))
    found = await rows(http)
    assert [row["seq"] for row in found] == [1, 2, 3]
    assert [row["seq"] for row in await rows(http, cursor=found[0]["cursor"])] == [2, 3]


async def test_r12_books_with_a_gap_are_not_told_as_whole(http, keep) -> None:
    await keep(settled(1), settled(3))
    with pytest.raises(httpx.TransportError):
        await http.get(PATH)


async def test_an_entry_that_cannot_be_read_says_so_and_hides_no_other(http, keep, stage) -> None:
    built = book_entry("local", settled(2))
    broken = Message(built.topic, built.key, b"{", built.headers)
    await keep(settled(1))
    await stage.write(broken)
    await keep(settled(3))
    found = await rows(http)
    assert [row["kind"] for row in found] == ["settled", "unreadable", "settled"]
    assert "cannot be read" in found[1]["fault"]
    assert [row["seq"] for row in await rows(http, cursor=found[1]["cursor"])] == [3]


async def test_entries_are_filtered_by_time_and_collaboration(http, keep) -> None:
    await keep(*(settled(seq, collaboration=OTHER if seq == 3 else CALL) for seq in range(1, 6)))

    def at(minutes: int) -> str:
        return (START + timedelta(minutes=minutes)).isoformat()

    assert [row["seq"] for row in await rows(http, since=at(2), until=at(4))] == [2, 3]
    assert [row["seq"] for row in await rows(http, collaboration=OTHER)] == [3]
    assert await rows(http, since=at(60)) == []


async def test_the_books_of_others_are_not_there(http, keyring, keep) -> None:
    await keep(settled(1))
    await keep(settled(1, collaboration=OTHER), settled(2, collaboration=OTHER), tenant="acme")
    await keyring.begin()
    theirs = bearer(await keyring.tenant("acme", scopes=["read"]))
    answer = await http.get(PATH, headers=theirs)
    assert {json.loads(line)["collaboration"] for line in answer.text.splitlines()} == {OTHER}


async def test_everything_wrong_with_a_query_is_told_at_once(http, keep) -> None:
    wrong = {"format": "xls", "since": "yesterday", "until": "2026-01-01", "collaboration": "c"}
    answer = await http.get(PATH, params=wrong)
    assert answer.status_code == 422
    assert {fault["field"] for fault in answer.json()["errors"]} == set(wrong)


@pytest.mark.parametrize("cursor", ["x", "11-0-0", "0-99999-1"])
async def test_a_cursor_of_other_books_is_refused(http, keep, log, cursor) -> None:
    await keep(settled(1))
    mine = log.partition_for("account-events", b"local")
    sent = cursor.replace("0-9", f"{mine}-9").replace("11-", f"{(mine + 1) % 12}-")
    answer = await http.get(PATH, params={"cursor": sent})
    assert answer.status_code == 400
    assert answer.json()["code"].startswith("cursor_")


@pytest.fixture
def held_books(log, monkeypatch):
    """Readers of the books that find nothing before the event is set."""
    opening, let_go = log.reader, asyncio.Event()

    class HeldReader:
        def __init__(self, reader) -> None:
            self._reader = reader
            self._of_books = False

        def assign(self, offsets) -> None:
            self._of_books = any(tp.topic == "account-events" for tp in offsets)
            self._reader.assign(offsets)

        def positions(self):
            return self._reader.positions()

        async def poll(self, **options):
            if self._of_books:
                await let_go.wait()
            return await self._reader.poll(**options)

    @asynccontextmanager
    async def held():
        async with opening() as reader:
            yield HeldReader(reader)

    monkeypatch.setattr(log, "reader", held)
    return let_go


async def test_who_may_read_no_more_is_cut_off(http, keyring, keep, log, monkeypatch) -> None:
    await keep(*(settled(seq) for seq in range(1, 200)))
    await keyring.begin()
    reader = await keyring.issue(scopes=["read"])
    revoked = asyncio.Event()
    polled = EntryExport.rows

    async def slow(self, opened):
        async for part in polled(self, opened):
            yield part
            await revoked.wait()

    monkeypatch.setattr(EntryExport, "rows", slow)
    async with http.stream("GET", PATH, headers=bearer(reader)) as answer:
        await keyring.revoke(reader)
        revoked.set()
        with pytest.raises(httpx.TransportError):
            await answer.aread()


async def test_exports_are_bounded_and_make_room_when_they_end(
    held_books, start, tmp_path, keep
) -> None:
    await keep(settled(1))
    async with (
        start(tmp_path, exports_at_once=1) as gateway,
        httpx.AsyncClient(base_url=gateway.url, timeout=60) as http,
    ):
        async with http.stream("GET", PATH) as first:
            assert first.status_code == 200
            answer = await http.get(PATH)
            assert (answer.status_code, answer.json()["code"]) == (503, "too_many_exports")
            assert answer.headers["retry-after"]
            held_books.set()
            assert len((await first.aread()).splitlines()) == 1
        assert (await http.get(PATH)).status_code == 200


def cell(day: str, *, agent: str = "coder", model: str = "m", usd: str = "0.1") -> UsageCell:
    return UsageCell(
        day=day, agent=agent, model=model, workflow="code", calls=2, charged_usd=Decimal(usd),
        usage=Usage(input_tokens=10, output_tokens=1), unknown_calls=1, unpriced_calls=1,
    )  # fmt: skip


def test_usage_is_summed_by_what_was_asked() -> None:
    cells = [cell("2026-03-01"), cell("2026-03-02"), cell("2026-03-02", agent="tester", usd="1")]
    found, totals = usage_rows(cells, by=("day", "agent"), since=None, until=None)
    assert [(row["day"], row["agent"], row["charged_usd"]) for row in found] == [
        ("2026-03-01", "coder", "0.1"),
        ("2026-03-02", "coder", "0.1"),
        ("2026-03-02", "tester", "1"),
    ]  # fmt: skip
    assert totals["charged_usd"] == "1.2"
    assert totals["usage"]["input_tokens"] == 30
    assert (totals["calls"], totals["unknown_calls"], totals["unpriced_calls"]) == (6, 3, 3)


@pytest.mark.parametrize(
    ("since", "until", "days"),
    [("2026-03-02", None, 2), (None, "2026-03-02", 2), ("2026-03-02", "2026-03-02", 1)],
)
def test_both_days_of_a_span_are_in_it(since, until, days) -> None:
    cells = [cell(f"2026-03-0{day}") for day in (1, 2, 3)]
    found, _ = usage_rows(
        cells,
        by=("day",),
        since=since and date.fromisoformat(since),
        until=until and date.fromisoformat(until),
    )
    assert len(found) == days


async def test_usage_is_asked_of_the_account(http, accountant) -> None:
    body = (await http.get("/v1/usage", params={"by": "day,agent"})).json()
    assert (body["data"], body["by"], body["has_more"]) == ([], ["day", "agent"], False)
    assert body["totals"]["charged_usd"] == "0"


async def test_a_wrong_question_about_usage_is_refused(http, accountant) -> None:
    wrong = {"by": "day,colour", "since": "x", "until": "2026-13-01"}
    answer = await http.get("/v1/usage", params=wrong)
    assert {fault["field"] for fault in answer.json()["errors"]} == set(wrong)
    assert (await http.get("/v1/usage", params={"by": "day,day"})).status_code == 422
