import json

import httpx
import pytest

from clients.python.tests.scripted_gateway import Gateway, problem
from facilitair_client import ApiError, Facilitair, Patience

QUICK = Patience(give_up_after_s=0.5, first_s=0.001, longest_s=0.002)
PLACE = "agent-tasks-dlq:0:7"
ROW = {"id": PLACE, "state": "open", "topic": "agent-tasks", "dead_at": "2026-01-01T00:00:00Z"}


def client_of(gateway):
    return Facilitair("http://x", "k", transport=gateway, request_patience=QUICK)


def answer(body, status=200):
    return httpx.Response(status, json=body)


def page(*rows, cursor=None):
    return answer({"data": rows, "has_more": cursor is not None, "next_cursor": cursor})


async def test_all_pages_are_read_also_empty_ones_with_the_filters():
    gateway = Gateway(page(ROW, cursor="c1"), page(cursor="c2"), page(ROW | {"later": 1}))
    async with client_of(gateway) as client:
        found = await client.dead_letters.list(topic="agent-tasks", state="open")
    assert [letter.id for letter in found] == [PLACE, PLACE]
    asked = [dict(request.url.params) for request, _ in gateway.requests]
    filters = {"topic": "agent-tasks", "state": "open", "limit": "500"}
    assert asked == [filters, filters | {"cursor": "c1"}, filters | {"cursor": "c2"}]


async def test_no_more_than_the_most_is_read():
    gateway = Gateway(page(ROW, cursor="c1"), page(ROW, ROW, cursor="c2"))
    async with client_of(gateway) as client:
        assert len(await client.dead_letters.list(most=2)) == 2
    assert len(gateway.requests) == 2


async def test_what_is_done_about_a_letter_is_sent_to_it():
    gateway = Gateway(*(answer({"id": PLACE}) for _ in range(4)))
    async with client_of(gateway) as client:
        letters = client.dead_letters
        assert (await letters.show(PLACE)) == {"id": PLACE}
        await letters.replay(PLACE, again=True)
        await letters.edit(PLACE, [1], headers={"tenant": None}, dry_run=True)
        await letters.discard(PLACE, "why")
    sent = [
        (r.method, r.url.path.rpartition("/dlq/")[2], json.loads(b) if b else None)
        for r, b in gateway.requests
    ]
    assert sent == [
        ("GET", PLACE, None),
        ("POST", f"{PLACE}/replay", {"again": True, "dry_run": False}),
        ("POST", f"{PLACE}/edit",
         {"value": [1], "headers": {"tenant": None}, "again": False, "dry_run": True}),
        ("POST", f"{PLACE}/discard", {"reason": "why"}),
    ]  # fmt: skip


async def test_what_puts_a_record_back_is_sent_once_and_what_does_not_again():
    for dry_run, tries in ((False, 1), (True, 2)):
        gateway = Gateway(problem(503, "letters_unread"), answer({"id": PLACE}))
        async with client_of(gateway) as client:
            if dry_run:
                await client.dead_letters.replay(PLACE, dry_run=True)
            else:
                with pytest.raises(ApiError):
                    await client.dead_letters.replay(PLACE)
        assert len(gateway.requests) == tries
