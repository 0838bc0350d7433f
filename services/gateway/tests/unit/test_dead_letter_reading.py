"""What gateways make of a dead-letter topic: bounded reads, and each other's notes."""

import asyncio
import itertools

import httpx
import pytest
from prometheus_client import CollectorRegistry

from facilitair_events.layout import topics_dir
from facilitair_events.registry import Registry
from facilitair_events.topics import AGENT_TASKS
from facilitair_gateway.errors import LettersUnreadError
from facilitair_gateway.letters.reading import LetterReader, Wanted
from facilitair_messaging.adapters.embedded.appends import EmbeddedProducer
from facilitair_messaging.adapters.embedded.reader import EmbeddedReader
from facilitair_messaging.ports import Message
from facilitair_observability.metrics import Metrics

DLQ = f"{AGENT_TASKS}-dlq"


def message_to_dlq(headers):
    return Message(DLQ, b"local:c1:a", b"{", headers)


async def listed(http, **filters):
    answer = await http.get("/v1/admin/dlq", params=filters)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def ids(http, **filters):
    return [row["id"] for row in (await listed(http, **filters))["data"]]


async def act(http, letter, what, **body):
    return await http.post(f"/v1/admin/dlq/{letter}/{what}", json=body)


async def test_a_record_without_a_key_is_not_put_back(http, stage):
    headers = (("dlq_id", b"i"), ("dlq_key_null", b"true"))
    await stage.write(message_to_dlq(headers))
    (ident,) = await ids(http)
    answer = await act(http, ident, "replay")
    assert (answer.status_code, answer.json()["code"]) == (409, "letter_without_key")
    assert (await act(http, ident, "discard", reason="no key")).status_code == 200


async def test_letters_of_one_record_are_closed_together(http, stage):
    """A record that is read twice may give two letters."""
    for _ in range(2):
        await stage.write(message_to_dlq((("dlq_id", b"same"),)))
    first, second = await ids(http)
    await act(http, first, "discard", reason="r")
    assert await ids(http, state="discarded") == [first, second]


@pytest.mark.usefixtures("unanswered")
async def test_what_is_not_known_about_a_collaboration_is_a_warning(http, stage):
    await stage.write(
        message_to_dlq((("dlq_id", b"i"),)),
        Message(DLQ, b"nonsense", b"{", (("dlq_id", b"j"), ("tenant", b"acme"))),
    )
    told = [(await act(http, one, "replay", dry_run=True)).json() for one in await ids(http)]
    assert "did not say" in told[0]["warnings"][0]  # there is no orchestrator
    assert "names no collaboration" in told[1]["warnings"][0]
    assert await ids(http, tenant="acme") == [f"{DLQ}:0:1"]


@pytest.mark.usefixtures("unanswered")
async def test_a_record_that_the_log_refuses_stays_a_letter(http, stage):
    largest = Registry.load(topics_dir()).spec(AGENT_TASKS).max_record_bytes
    await stage.write(Message(DLQ, b"local:c1:a", b"x" * largest, (("dlq_id", b"i"),)))
    (ident,) = await ids(http)
    answer = await act(http, ident, "replay")
    assert (answer.status_code, answer.json()["code"]) == (422, "record_refused")
    assert await ids(http, state="open") == [ident]


async def test_every_gateway_tells_the_same(http, start, stage, tmp_path):
    await stage.write(*(message_to_dlq((("dlq_id", b"%d" % n),)) for n in range(2)))
    first, second = await ids(http)
    async with (
        start(tmp_path / "other", member="gateway-1") as gateway,
        httpx.AsyncClient(base_url=gateway.url, timeout=60) as other,
    ):
        assert await ids(other, state="open") == [first, second]
        await act(http, first, "discard", reason="here")
        assert (await act(other, first, "discard", reason="there")).status_code == 409
        await act(other, second, "discard", reason="there")
        assert await ids(http, state="open") == []


async def test_who_reads_too_long_is_told_to_ask_again(start, log, stage, tmp_path):
    await stage.write(message_to_dlq((("dlq_id", b"i"),)))
    async with (
        start(tmp_path, letters_read_s=1e-9) as gateway,
        httpx.AsyncClient(base_url=gateway.url, timeout=60) as client,
    ):
        answer = await client.get("/v1/admin/dlq")
        assert (answer.status_code, answer.json()["code"]) == (503, "letters_unread")


async def test_a_page_that_would_take_too_long_ends_early(log, stage):
    for _ in range(5):
        await stage.write(message_to_dlq((("dlq_id", b"i"),)))
    ticks = itertools.count()
    reader = LetterReader(
        log, Registry.load(topics_dir()), read_s=30, metrics=Metrics(CollectorRegistry()),
        clock=lambda: 10.0 * next(ticks),
    )  # fmt: skip
    first = await reader.page(Wanted(), after=None, limit=100)
    assert [letter.place.offset for letter, _ in first.letters] == [0, 1, 2]
    late = LetterReader(
        log, Registry.load(topics_dir()), read_s=30, metrics=Metrics(CollectorRegistry()),
        clock=lambda: 100.0 * next(ticks),
    )  # fmt: skip
    found, after = [], first.following
    while after is not None:
        page = await late.page(Wanted(), after=after, limit=100)
        found += [letter.place.offset for letter, _ in page.letters]
        after = page.following
    assert found == [3, 4]


async def test_a_log_that_hangs_does_not_hang_a_request(log, stage, monkeypatch):
    await stage.write(message_to_dlq((("dlq_id", b"i"),)))
    reader = LetterReader(
        log, Registry.load(topics_dir()), read_s=0.2, metrics=Metrics(CollectorRegistry())
    )
    await reader.notes(DLQ)
    never = asyncio.Event()
    monkeypatch.setattr(EmbeddedReader, "poll", lambda *_args, **_more: never.wait())
    with pytest.raises(LettersUnreadError):
        await reader.page(Wanted(), after=None, limit=100)


async def test_who_cannot_be_told_that_it_was_done_is_told_where_to_look(
    start, stage, tmp_path, monkeypatch
):
    await stage.write(message_to_dlq((("dlq_id", b"i"),)))
    async with (
        start(tmp_path, request_timeout_s=1) as gateway,
        httpx.AsyncClient(base_url=gateway.url, timeout=60) as client,
    ):
        never = asyncio.Event()
        monkeypatch.setattr(EmbeddedProducer, "send", lambda *_args: never.wait())
        answer = await act(client, f"{DLQ}:0:0", "discard", reason="r")
        assert (answer.status_code, answer.json()["code"]) == (503, "not_confirmed")
        assert f"dlq show {DLQ}:0:0" in answer.json()["detail"]
