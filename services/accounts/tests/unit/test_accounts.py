"""The real reducer of accounts on the real chassis."""

import asyncio
from collections import defaultdict
from contextlib import asynccontextmanager
from decimal import Decimal

import pytest
from msgspec import structs
from pydantic import ValidationError

from facilitair_accounts.app import build_app
from facilitair_accounts.settings import AccountReducerGroup, AccountsSettings
from facilitair_events import topics
from facilitair_events.accounts import (
    AccountAnswered,
    AccountAsked,
    BudgetRequested,
    CallCharged,
    FundsAnswered,
    FundsRequested,
    FundsReturned,
    Part,
)
from facilitair_events.balances import AccountSnapshot
from facilitair_events.books import CallSettled, FundsReserved, RequestSkipped
from facilitair_events.budgets import Budget, Limit
from facilitair_events.envelope import Envelope, header, timestamp
from facilitair_events.ids import derive
from facilitair_events.layout import topics_dir
from facilitair_events.registry import Registry
from facilitair_events.requests import ReplyTo
from facilitair_events.types import NAMES
from facilitair_messaging.adapters.embedded import EmbeddedLog
from facilitair_messaging.messages import message, read
from facilitair_messaging.ports import TopicPartition
from facilitair_runtime.settings import HealthGroup
from facilitair_testing.eventually import eventually

TO = ReplyTo(topic=topics.QUERY_REPLIES, correlation="r1")
ASK = FundsRequested(
    collaboration="c1",
    n=1,
    asked_ms=1,
    project="default",
    actor="me",
    workflow="write",
    parts=(Part(agent="writer", usd=Decimal(1)),),
    slots=1,
)
CHARGE = CallCharged(
    collaboration="c1",
    n=2,
    asked_ms=2,
    project="default",
    actor="me",
    workflow="write",
    call_id="call-1",
    path="draft",
    attempt=1,
    agent="writer",
    outcome="completed",
    charged_usd=Decimal("0.4"),
    reserved_usd=Decimal(1),
)


@pytest.fixture
def settings(tmp_path):
    return AccountsSettings(home=tmp_path, reducer=AccountReducerGroup(snapshot_interval_ms=1))


@pytest.fixture
async def log(tmp_path):
    registry = Registry.load(topics_dir())
    async with EmbeddedLog.open(tmp_path / "log.db", registry.topics) as log:
        await log.admin().ensure_topics(registry.topics.values())
        yield log


@asynccontextmanager
async def _running(settings, log):
    stop = asyncio.Event()
    async with build_app(settings, log) as app:
        task = asyncio.ensure_future(app.run(stop))
        await eventually(lambda: app.ready() or task.done(), what="accounts to be ready")
        try:
            yield app
            if task.done():
                task.result()
        finally:
            stop.set()
            await asyncio.wait({task})


def _request(data, *, name="", tenant="acme", subject=None):
    type_name = NAMES[type(data)]
    envelope = Envelope(
        id=derive("test", type_name, name),
        type=type_name,
        source="test",
        time=timestamp(0),
        subject=subject or tenant,
        tenant=tenant,
        project="default",
        actor="me",
        correlation="r1",
    )
    return message(topic=topics.ACCOUNT_REQUESTS, key=tenant, data=data, envelope=envelope)


async def _append(log, *messages):
    async with log.producer() as producer:
        await producer.send(list(messages))


async def _records(log, topic):
    admin = log.admin()
    tps = [TopicPartition(topic, n) for n in range(await admin.partitions(topic))]
    begin, end = await admin.beginning_offsets(tps), await admin.end_offsets(tps)
    found = []
    async with log.reader() as reader:
        reader.assign(begin)
        while any(reader.positions()[tp] < end[tp] for tp in tps):
            found += await reader.poll(max_records=500, wait_s=1)
    return found


async def _data(log, topic, kind):
    return [one for r in await _records(log, topic) if isinstance(one := read(r).data, kind)]


async def _until(log, topic, *, kind, count=1):
    async def found():
        data = await _data(log, topic, kind)
        return data if len(data) >= count else None

    return await eventually(found, what=f"{count} {kind.__name__}")


async def test_an_envelope_is_reserved_used_and_closed(settings, log):
    async with _running(settings, log) as app:
        assert app.live()
        await _append(log, _request(ASK), _request(CHARGE))
        await _append(log, _request(FundsReturned(collaboration="c1", n=3, asked_ms=3, close=True)))
        await _until(log, topics.ACCOUNT_EVENTS, kind=CallSettled)
        (answer,) = await _until(log, topics.COLLABORATION_INBOX, kind=FundsAnswered)
        assert answer.outcome == "granted"
        assert b"messaging_client_consumed_messages_total" in app.metrics.render()
    assert not await _records(log, topics.COLLABORATION_STREAM)


async def test_answers_go_to_the_collaboration_and_not_to_the_tenant(settings, log):
    async with _running(settings, log):
        await _append(log, _request(ASK))
        await _until(log, topics.COLLABORATION_INBOX, kind=FundsAnswered)
    (record,) = await _records(log, topics.COLLABORATION_INBOX)
    assert record.key == b"acme:c1"
    assert header(record.headers, "ce_subject") == b"c1"
    (event,) = await _records(log, topics.ACCOUNT_EVENTS)
    assert event.key == b"acme"
    assert header(event.headers, "ce_subject") == b"acme"


async def test_who_asks_how_an_account_stands_is_answered_and_leaves_no_account(settings, log):
    async with _running(settings, log):
        await _append(log, _request(AccountAsked(reply_to=TO)))
        (answer,) = await _until(log, topics.QUERY_REPLIES, kind=AccountAnswered)
        assert (answer.outcome, answer.view.tenant) == ("described", "acme")
    assert not await _records(log, topics.ACCOUNT_STATE)


async def test_r8_the_next_owner_goes_on_from_the_snapshot(settings, log):
    async with _running(settings, log):
        await _append(log, _request(ASK))
        await _until(log, topics.ACCOUNT_STATE, kind=AccountSnapshot)
    async with _running(settings, log):
        await _append(log, _request(CHARGE))
        (settled,) = await _until(log, topics.ACCOUNT_EVENTS, kind=CallSettled)
    assert settled.seq == 2
    snapshots = await _data(log, topics.ACCOUNT_STATE, AccountSnapshot)
    assert snapshots[-1].state.counters["tenant|*|total"].spent_usd == Decimal("0.4")


async def test_r13_a_poison_request_is_skipped_and_none_behind_it_is_lost(settings, log):
    poison = structs.replace(_request(ASK, name="poison"), value=b"no json")
    async with _running(settings, log):
        await _append(log, _request(ASK), poison, _request(CHARGE))
        (settled,) = await _until(log, topics.ACCOUNT_EVENTS, kind=CallSettled)
        (skipped,) = await _until(log, topics.ACCOUNT_EVENTS, kind=RequestSkipped)
    assert (skipped.reason, skipped.seq, settled.seq) == ("unreadable", 2, 3)
    (record,) = [r for r in await _records(log, topics.ACCOUNT_REQUESTS) if r.value == b"no json"]
    assert skipped.offset == record.offset
    (letter,) = await _records(log, topics.ACCOUNT_REQUESTS + "-dlq")
    assert letter.value == b"no json"


async def test_a_request_about_another_tenant_is_dead_lettered(settings, log):
    foreign = structs.replace(_request(ASK, tenant="other"), key=b"acme")
    async with _running(settings, log):
        await _append(log, foreign, _request(ASK))
        await _until(log, topics.ACCOUNT_EVENTS, kind=FundsReserved)
    assert len(await _records(log, topics.ACCOUNT_REQUESTS + "-dlq")) == 1
    assert len(await _records(log, topics.ACCOUNT_EVENTS)) == 1


async def test_tenants_have_accounts_of_their_own(settings, log):
    limit = Limit(scope="tenant", window="total", usd=Decimal(0))
    budget = BudgetRequested(client_id="b", actor="me", budget=Budget(limits=(limit,)))
    async with _running(settings, log):
        await _append(log, _request(budget), _request(ASK), _request(ASK, tenant="other"))
        await _until(log, topics.COLLABORATION_INBOX, kind=FundsAnswered, count=2)
    answers = defaultdict(list)
    for record in await _records(log, topics.COLLABORATION_INBOX):
        answers[record.key].append(read(record).data.outcome)
    assert answers == {b"acme:c1": ["refused"], b"other:c1": ["granted"]}


def test_a_reducer_that_polls_too_rarely_is_refused(tmp_path):
    with pytest.raises(ValidationError, match=r"heartbeat_s must be below health.silent_s"):
        AccountsSettings(
            home=tmp_path,
            health=HealthGroup(silent_s=2),
            reducer=AccountReducerGroup(heartbeat_s=2),
        )


def test_accounts_are_snapshotted_less_often_than_collaborations(tmp_path):
    assert AccountsSettings(home=tmp_path).reducer.snapshot_interval_ms == 1_000
