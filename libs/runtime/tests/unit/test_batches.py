"""How records are cut into batches changes nothing; what is written keeps its order."""

import asyncio
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facilitair_events.decision import Command, Decision
from facilitair_events.envelope import from_headers, header, instant, timestamp
from facilitair_events.ids import derive
from facilitair_events.requests import ReplyTo
from facilitair_messaging.adapters.embedded import EmbeddedLog
from facilitair_messaging.errors import UnknownTopicError
from facilitair_messaging.messages import read
from facilitair_runtime.errors import InvalidDecisionError
from facilitair_runtime.reducing.outputs import check_decision, outputs_of
from libs.runtime.tests import histories, ledger
from libs.runtime.tests.faults import FaultyLog

_amounts = st.integers(0, 20)
_inboxes = st.lists(
    st.tuples(st.sampled_from(["t:a", "t:b", "u:a"]), _amounts, st.integers(0, 9)), max_size=12
)
_splits = st.lists(st.integers(1, 4), max_size=12)


async def _bytes_after(folder: Path, inbox, splits) -> tuple:
    """Run over an inbox whose time stands still; everything that was written for good."""
    topics = ledger.registry().topics
    async with EmbeddedLog.open(folder / "log.db", topics, clock=lambda: 1_700_000_000_000) as log:
        await log.admin().ensure_topics(topics.values())
        for key, amount, number in inbox:
            one = ledger.record(ledger.Put(amount=amount), key=key, id=f"{key}-{number}")
            await histories.append(log, one)
        if inbox:
            await histories.finish(FaultyLog(log, splits=splits))
        events = histories.applied(await histories.records(log, ledger.EVENTS))
        return (
            histories.content(events),
            histories.commands(await histories.records(log, ledger.TASKS)),
        )


@settings(max_examples=25)
@given(inbox=_inboxes, splits=_splits)
def test_r06_any_batch_split_gives_the_same_bytes(inbox, splits):
    found = []
    for sizes in (splits, [], [1] * 24):
        with tempfile.TemporaryDirectory() as folder:
            found.append(asyncio.run(_bytes_after(Path(folder), inbox, sizes)))
    assert found[0] == found[1] == found[2]


async def test_r07_commands_wait_for_every_event_of_the_batch(log):
    faults = FaultyLog(log)
    await histories.append(log, *ledger.puts(1, 2, 3, 5), *ledger.puts(1, 1, key="t:b"))
    await histories.run_dry(faults)
    topics = [message.topic for message in faults.journal if message.topic != ledger.STATE]
    first_command = topics.index(ledger.TASKS)
    assert set(topics[:first_command]) == {ledger.EVENTS, ledger.STREAM}
    assert set(topics[first_command:]) == {ledger.TASKS}


async def test_r07_replies_are_in_the_first_stage(log):
    faults = FaultyLog(log)
    ask = ledger.Ask(reply_to=ReplyTo(topic=ledger.REPLIES, correlation="q1"))
    await histories.append(log, *ledger.puts(1), ledger.record(ask, id="ask"))
    await histories.run_dry(faults)
    topics = [message.topic for message in faults.journal]
    assert topics.index(ledger.REPLIES) < topics.index(ledger.TASKS)
    (reply,) = await histories.records(log, ledger.REPLIES)
    assert reply.key == b"q1"
    assert read(reply).data == ledger.Told(total=1, seq=1)


async def test_a_question_changes_nothing_and_needs_no_snapshot(log):
    ask = ledger.Ask(reply_to=ReplyTo(topic=ledger.REPLIES, correlation="q1"))
    await histories.append(log, ledger.record(ask, id="ask"))
    await histories.run_dry(FaultyLog(log))
    assert await histories.settled(log)
    assert await histories.records(log, ledger.STATE) == []
    assert await histories.records(log, ledger.EVENTS) == []
    assert len(await histories.records(log, ledger.REPLIES)) == 1


async def test_headers_continue_the_cause(log):
    await histories.append(log, *ledger.puts(5))
    await histories.run_dry(FaultyLog(log))
    (cause,) = await histories.records(log, ledger.INBOX)
    events = await histories.records(log, ledger.EVENTS)
    (command,) = await histories.records(log, ledger.TASKS)
    assert [header(event.headers, "ce_id").decode() for event in events] == [
        derive("t:a", "1"),
        derive("t:a", "2"),
    ]
    for caused in (*events, command):
        envelope, origin = from_headers(caused.headers), from_headers(cause.headers)
        assert envelope.causation == origin.id
        for name in ("tenant", "project", "actor", "correlation", "subject", "traceparent"):
            assert getattr(envelope, name) == getattr(origin, name)
        assert envelope.source == "ledger"
    (state,) = await histories.records(log, ledger.STATE)
    assert from_headers(state.headers).correlation == from_headers(cause.headers).correlation


async def test_stream_copies_have_the_same_bytes(log):
    await histories.append(log, *ledger.puts(5, 2))
    await histories.run_dry(FaultyLog(log))
    events = await histories.records(log, ledger.EVENTS)
    stream = await histories.records(log, ledger.STREAM)
    assert [(e.key, e.value, e.headers) for e in events] == [
        (s.key, s.value, s.headers) for s in stream
    ]


def _outputs(decision, *, at_ms=1_000):
    message = ledger.puts(1)[0]
    return outputs_of(
        ledger.reducer(),
        decision,
        key="t:a",
        cause=from_headers(message.headers),
        at_ms=at_ms,
        limits={name: spec.max_record_bytes for name, spec in ledger.registry().topics.items()},
    )


def _counted(*seqs):
    return tuple(ledger.Counted(seq=seq, at=instant(0), total=0) for seq in seqs)


@pytest.mark.parametrize(("state_ms", "record_ms"), [(5_000, 4_000), (4_000, 5_000)])
def test_r01_the_time_of_outputs_is_the_later_of_state_and_record(state_ms, record_ms):
    state = ledger.LedgerState(seq=1, now_ms=state_ms)
    outputs = _outputs(Decision(state=state, events=_counted(1)), at_ms=record_ms)
    assert header(outputs.first[0].headers, "ce_time") == timestamp(5_000).encode()


@pytest.mark.parametrize(
    ("before", "seqs", "after"),
    [(1, [3], 3), (1, [2, 2], 3), (1, [2, 4], 4), (1, [1], 1), (1, [2], 3), (1, [], 2)],
)
def test_r12_a_decision_whose_seqs_do_not_continue_is_refused(before, seqs, after):
    decision = Decision(state=ledger.LedgerState(seq=after), events=_counted(*seqs))
    with pytest.raises(InvalidDecisionError):
        check_decision(ledger.reducer(), decision, before=ledger.LedgerState(seq=before))


@pytest.mark.parametrize("seqs", [[1], [1, 2], [41, 42], []])
def test_r28_the_first_event_of_a_key_may_have_any_seq(seqs):
    state = ledger.LedgerState(seq=seqs[-1] if seqs else 0)
    decision = Decision(state=state, events=_counted(*seqs))
    check_decision(ledger.reducer(), decision, before=None)


@pytest.mark.parametrize(
    ("before", "events"), [(ledger.LedgerState(), ()), (None, _counted(1)), (None, (1,))]
)
def test_a_decision_that_forgets_its_state_is_refused(before, events):
    with pytest.raises(InvalidDecisionError):
        check_decision(ledger.reducer(), Decision(state=None, events=events), before=before)


def test_an_event_without_a_seq_is_refused():
    state = ledger.LedgerState(seq=1)
    decision = Decision(state=state, events=(ledger.Told(total=1, seq=1), ledger.Close()))
    with pytest.raises(InvalidDecisionError):
        check_decision(ledger.reducer(), decision, before=None)


def test_a_command_for_an_undeclared_topic_is_refused():
    command = Command(topic="nowhere", key="t:a", data=ledger.Close())
    with pytest.raises(UnknownTopicError):
        _outputs(Decision(state=ledger.LedgerState(), commands=(command,)))
