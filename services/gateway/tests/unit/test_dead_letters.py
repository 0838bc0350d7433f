"""Dead letters over HTTP, on records that a worker's loop really gave up."""

import asyncio
import base64
import json

import msgspec
import pytest
from prometheus_client import CollectorRegistry

from facilitair_events import codec
from facilitair_events.envelope import Envelope, header
from facilitair_events.text import inline
from facilitair_events.topics import AGENT_TASKS
from facilitair_events.work import RunAttempt
from facilitair_messaging.errors import PermanentError
from facilitair_messaging.loop import ConsumerLoop, LoopSettings, Membership
from facilitair_messaging.messages import message
from facilitair_observability.metrics import Metrics
from facilitair_testing.desk import task
from facilitair_testing.eventually import eventually

DLQ = f"{AGENT_TASKS}-dlq"
CANARY = "the prompt of a tenant"


class Worker:
    """Reads tasks as the group ``agent-worker``; gives up those of the path ``bad``."""

    def __init__(self, log, stage):
        self.handled = []
        self._stage = stage
        self.loop = ConsumerLoop(
            log=log,
            membership=Membership(
                service="agent-worker", group="agent-worker", member="w-0", topics=(AGENT_TASKS,)
            ),
            handlers={RunAttempt: self.on_task},
            metrics=Metrics(CollectorRegistry()),
            settings=LoopSettings(commit_interval_s=0, wait_s=0.2),
        )

    async def on_task(self, incoming):
        if incoming.data.path == "bad":
            reason = "no such path"
            raise PermanentError(reason)
        self.handled.append(incoming)

    async def letters(self, count):
        """Records of the dead-letter topic once there are that many."""

        async def enough():
            found = await self._stage.records(DLQ)
            return found if len(found) >= count else None

        return await eventually(enough, what=f"{count} dead letters")


@pytest.fixture
async def worker(log, stage):
    found, stop = Worker(log, stage), asyncio.Event()
    running = asyncio.create_task(found.loop.run(stop))
    yield found
    stop.set()
    await asyncio.wait_for(running, 60)


@pytest.fixture
def give(stage):
    """Append a task, with another value or other headers where they are given."""

    async def append(value=None, *, path="a", tenant="local", drop=(), **more):
        data = task(path, task=inline(CANARY), **more)
        about = Envelope(
            id=f"t-{path}", type=codec.type_name(data), source="test", tenant=tenant,
            time="2026-01-01T00:00:00.000Z", subject="c1", project="default", actor="me",
            correlation="r1",
        )  # fmt: skip
        built = message(
            topic=AGENT_TASKS,
            key=f"{tenant}:{data.collaboration}:{path}",
            data=data,
            envelope=about,
        )
        headers = tuple(pair for pair in built.headers if pair[0] not in drop)
        sent = msgspec.structs.replace(built, headers=headers, value=value or built.value)
        await stage.write(sent)
        return sent

    return append


async def listed(http, **filters):
    answer = await http.get("/v1/admin/dlq", params=filters)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def ids(http, **filters):
    return [row["id"] for row in (await listed(http, **filters))["data"]]


async def act(http, letter, what, **body):
    return await http.post(f"/v1/admin/dlq/{letter}/{what}", json=body)


async def test_a_row_says_where_and_why_and_nothing_of_what_was_written(http, give, worker):
    sent = await give(path="bad")
    (letter,) = await worker.letters(1)
    page = await listed(http)
    assert (page["has_more"], page["next_cursor"]) == (False, None)
    (row,) = page["data"]
    assert row["first_failed_at"]
    assert row["dead_at"] >= row["appended_at"]
    assert row | {"first_failed_at": 0, "dead_at": 0, "appended_at": 0} == {
        "id": f"{DLQ}:0:{letter.offset}", "state": "open", "topic": AGENT_TASKS,
        "partition": int(header(letter.headers, "dlq_partition")), "offset": 0, "appended_at": 0,
        "dead_at": 0, "key": "local:c1:bad", "tenant": "local", "collaboration": "c1",
        "type": "facilitair.attempt.run.v1", "service": "agent-worker", "group": "agent-worker",
        "error": "PermanentError", "reason": "no such path", "attempts": 1, "first_failed_at": 0,
        "size": len(sent.value), "parent": None, "replay": 0,
    }  # fmt: skip
    assert CANARY not in json.dumps(page)


async def test_one_letter_is_shown_whole(http, give, worker):
    sent = await give(path="bad")
    await worker.letters(1)
    (ident,) = await ids(http)
    shown = (await http.get(f"/v1/admin/dlq/{ident}")).json()
    assert shown["value"]["json"] == json.loads(sent.value)
    assert base64.b64decode(shown["value"]["base64"]) == sent.value
    assert shown["groups"] == ["agent-worker"]
    told = {one["name"]: one["value"] for one in shown["headers"]}
    assert told["ce_id"] == "t-bad"
    assert told["dlq_id"] == shown["dlq_id"]
    assert shown["actions"] == []
    assert [link["id"] for link in shown["lineage"]] == [ident]


async def test_bytes_that_are_no_json_are_shown_as_text_and_base64(http, give, worker):
    await give(b"\xff not json")
    await worker.letters(1)
    (ident,) = await ids(http)
    value = (await http.get(f"/v1/admin/dlq/{ident}")).json()["value"]
    assert value["text"] == "� not json"
    assert base64.b64decode(value["base64"]) == b"\xff not json"
    assert "json" not in value


async def test_letters_come_in_pages_with_cursors(http, give, worker):
    for number in range(5):
        await give(path="bad", attempt=number + 1)
    await worker.letters(5)
    found, cursor = [], ""
    for wanted in (2, 2, 1):
        page = await listed(http, limit="2", cursor=cursor)
        assert len(page["data"]) == wanted
        found += [row["id"] for row in page["data"]]
        cursor = page["next_cursor"] or ""
        assert page["has_more"] == bool(cursor)
    assert found == await ids(http) == [f"{DLQ}:0:{offset}" for offset in range(5)]


async def test_every_filter_filters(http, give, worker):
    await give(path="bad")
    await give(b"{", tenant="acme")
    await worker.letters(2)
    both = await ids(http)
    (bad, acme) = both if "no such" in (await listed(http))["data"][0]["reason"] else both[::-1]
    for filters, expected in (
        ({"topic": AGENT_TASKS}, both), ({"topic": DLQ}, both),
        ({"topic": "collaboration-inbox"}, []),
        ({"group": "agent-worker"}, both), ({"group": "other"}, []),
        ({"tenant": "acme"}, [acme]), ({"tenant": "local"}, [bad]),
        ({"reason": "NO SUCH"}, [bad]), ({"reason": "UnreadableRecordError"}, [acme]),
        ({"reason": "Unreadable"}, []),
        ({"state": "open"}, both), ({"state": "replayed"}, []),
        ({"since": "2020-01-01T00:00:00Z"}, both), ({"since": "2999-01-01T00:00:00+01:00"}, []),
    ):  # fmt: skip
        assert await ids(http, **filters) == expected, filters


async def test_every_wrong_filter_is_told_at_once(http):
    wrong = {"topic": "catalog", "state": "lost", "since": "yesterday"}
    answer = await http.get("/v1/admin/dlq", params=wrong)
    assert answer.status_code == 422
    assert [fault["field"] for fault in answer.json()["errors"]] == ["topic", "state", "since"]
    assert (await http.get("/v1/admin/dlq", params={"cursor": "x"})).status_code == 422
    assert (await http.get("/v1/admin/dlq", params={"limit": "0"})).status_code == 422
    naive = await http.get("/v1/admin/dlq", params={"since": "2026-01-01T00:00:00"})
    assert naive.status_code == 422


@pytest.mark.parametrize(
    "letter", ["x", f"{DLQ}:0:99", f"{DLQ}:7:0", "nobody-dlq:0:0", f"{AGENT_TASKS}:0:0"]
)
async def test_an_unknown_letter_is_404_and_says_what_to_do(http, letter):
    for answer in (
        await http.get(f"/v1/admin/dlq/{letter}"),
        await act(http, letter, "replay"),
        await act(http, letter, "edit", value={}),
        await act(http, letter, "discard", reason="r"),
    ):
        assert (answer.status_code, answer.json()["code"]) == (404, "letter_not_found")
        assert "facilitair dlq ls" in answer.json()["detail"]


async def test_a_replay_is_the_original_bytes_with_lineage(http, give, worker, stage, orchestrator):
    sent = await give(path="bad")
    await worker.letters(1)
    (ident,) = await ids(http)
    planned = (await act(http, ident, "replay", dry_run=True)).json()
    assert (planned["dry_run"], planned["state"], planned["result"]["offset"]) == (
        True,
        "open",
        None,
    )
    assert len(await stage.records(AGENT_TASKS)) == 1

    done = (await act(http, ident, "replay")).json()
    assert (done["state"], done["replay"], done["by"]) == ("replayed", 1, "local")
    assert "agent-worker" in done["note"]
    assert "does not exist" in done["warnings"][0]
    again = (await stage.records(AGENT_TASKS))[-1]
    assert done["result"] == {
        "topic": AGENT_TASKS, "partition": again.partition, "offset": again.offset,
    } == planned["result"] | {"offset": again.offset}  # fmt: skip
    assert (again.key, again.value) == (sent.key, sent.value)
    lineage = (("dlq-letter", ident.encode()), ("dlq-replay", b"1"))
    assert again.headers == (*sent.headers, *lineage)


async def test_a_closed_letter_is_refused_unless_again(http, give, worker, stage, orchestrator):
    await give(b"{")
    await worker.letters(1)
    (ident,) = await ids(http)
    assert (await act(http, ident, "replay")).status_code == 200
    before = len(await stage.records(AGENT_TASKS))
    for refused in (
        await act(http, ident, "replay"),
        await act(http, ident, "edit", value={}),
        await act(http, ident, "discard", reason="r"),
    ):
        assert (refused.status_code, refused.json()["code"]) == (409, "letter_closed")
        assert "--again" in refused.json()["detail"]
    assert len(await stage.records(AGENT_TASKS)) == before
    more = (await act(http, ident, "replay", again=True)).json()
    assert more["replay"] == 2
    shown = (await http.get(f"/v1/admin/dlq/{ident}")).json()
    assert [(one["did"], one["replay"]) for one in shown["actions"]] == [
        ("replayed", 1), ("replayed", 2),
    ]  # fmt: skip


async def test_a_record_that_fails_again_has_a_letter_that_names_the_first(
    http, give, worker, stage, orchestrator
):
    await give(path="bad")
    await worker.letters(1)
    (first,) = await ids(http)
    await act(http, first, "replay")
    await worker.letters(3)  # the letter, the note of its replay, and the letter of that
    (second,) = await ids(http, state="open")
    await act(http, second, "replay")
    await worker.letters(5)
    (third,) = await ids(http, state="open")
    for ident in (first, second, third):
        shown = (await http.get(f"/v1/admin/dlq/{ident}")).json()
        chain = [(one["id"], one["state"], one["replay"]) for one in shown["lineage"]]
        assert chain == [(first, "replayed", 0), (second, "replayed", 1), (third, "open", 2)]
    assert shown["parent"] == second
    assert await ids(http, state="replayed") == [first, second]


async def test_an_edit_is_handled_and_the_letter_stays(http, give, worker, orchestrator):
    await give(b'{"collaboration":"c1"}')
    (before,) = await worker.letters(1)
    (ident,) = await ids(http)
    value = json.loads(codec.encode(task("a", task=inline("mended"))))
    tried = (await act(http, ident, "edit", value=value, dry_run=True)).json()
    assert (tried["dry_run"], tried["value"]["json"]["task"]["text"]["v"]) == (True, "mended")
    assert worker.handled == []

    done = (await act(http, ident, "edit", value=value)).json()
    assert done["state"] == "replayed"
    await eventually(lambda: worker.handled, what="the mended task to be handled")
    record = worker.handled[0].record
    assert worker.handled[0].data.task == inline("mended")
    assert worker.handled[0].envelope.id == "t-a"
    assert header(record.headers, "dlq-editor") == b"local"
    assert (await worker.letters(2))[0] == before
    shown = (await http.get(f"/v1/admin/dlq/{ident}")).json()
    assert shown["actions"][0]["value_sha256"] == done["value_sha256"] == tried["value_sha256"]


async def test_every_fault_of_an_edit_is_told_at_once(http, give, worker, stage):
    await give(b"{", drop=("ce_id", "actor"))
    await worker.letters(1)
    (ident,) = await ids(http)
    value = json.loads(codec.encode(task("a")))
    value |= {"attempt": "one", "promt": "x", "timeout_s": -1}
    del value["agent"]
    answer = await act(http, ident, "edit", value=value, headers={"tenant": "acme", "dlq_id": "x"})
    assert answer.status_code == 422
    told = {fault["field"]: fault["message"] for fault in answer.json()["errors"]}
    assert {"headers.dlq_id", "headers.ce_id", "headers.actor", "headers.tenant"} <= told.keys()
    assert {"value", "value.attempt", "value.timeout_s"} <= told.keys()
    assert "the key says 'local'" in told["headers.tenant"]
    whole = json.dumps(answer.json()["errors"])
    assert "'agent' is a required property" in whole
    assert "promt" in whole
    assert len(await stage.records(DLQ)) == 1


async def test_headers_can_be_mended_too(http, give, worker, orchestrator):
    sent = await give(drop=("ce_type", "ce_id"))
    await worker.letters(1)
    (ident,) = await ids(http)
    value = json.loads(sent.value)
    refused = await act(http, ident, "edit", value=value)
    assert refused.status_code == 422
    mended = {"ce_type": "facilitair.attempt.run.v1", "ce_id": "new"}
    assert (await act(http, ident, "edit", value=value, headers=mended)).status_code == 200
    await eventually(lambda: worker.handled, what="the mended task to be handled")
    assert worker.handled[0].envelope.id == "new"


async def test_a_discard_needs_a_reason_and_closes_the_letter(http, give, worker):
    await give(b"{")
    await worker.letters(1)
    (ident,) = await ids(http)
    assert (await act(http, ident, "discard")).status_code == 422
    assert (await act(http, ident, "discard", reason="")).status_code == 422
    done = (await act(http, ident, "discard", reason="of a test")).json()
    assert (done["state"], done["actions"][0]["reason"]) == ("discarded", "of a test")
    assert await ids(http, state="open") == []
    assert await ids(http, state="discarded") == [ident]
    assert (await act(http, ident, "replay")).status_code == 409


async def test_what_is_no_letter_is_not_listed_and_not_shown(http, give, worker):
    await give(b"{")
    await worker.letters(1)
    (ident,) = await ids(http)
    await act(http, ident, "discard", reason="r")
    (_, note) = await worker.letters(2)
    assert (await http.get(f"/v1/admin/dlq/{DLQ}:0:{note.offset}")).status_code == 404
    assert await ids(http) == [ident]


async def test_a_note_of_strangers_closes_nothing(http, give, worker, stage):
    """A poison record may pretend to be a note: as a letter it has an id."""
    await give(path="bad")
    (letter,) = await worker.letters(1)
    (ident,) = await ids(http)
    value = json.dumps(
        {"letter": ident, "by": "x", "at": "2026-01-01T00:00:00Z", "reason": "x"}
    ).encode()
    sent = await give(value, path="a", drop=("ce_type",))
    forged = (*sent.headers, ("ce_type", b"facilitair.letter.discarded.v1"))
    await stage.write(msgspec.structs.replace(sent, headers=forged))
    await worker.letters(3)
    assert len(await ids(http, state="open")) == 3
    assert letter.offset == 0


async def test_an_ended_collaboration_is_warned_about(http, give, worker, submit, stage):
    ended = (await submit(workflow="answer"))["id"]
    await stage.report(ended, "assistant", "done")
    running = (await submit("Do another."))["id"]
    for collaboration in (ended, running):
        await give(path="bad", collaboration=collaboration)
    await worker.letters(2)
    told = {
        row["collaboration"]: (await act(http, row["id"], "replay", dry_run=True)).json()
        for row in (await listed(http))["data"]
    }
    assert "has ended (completed)" in told[ended]["warnings"][0]
    assert "pay" in told[ended]["warnings"][0]
    assert told[running]["warnings"] == []


async def test_letters_are_an_administrators(http, keyring):
    await keyring.begin()
    writer = await keyring.issue()
    answer = await http.get("/v1/admin/dlq", headers={"authorization": f"Bearer {writer}"})
    assert answer.status_code == 403
