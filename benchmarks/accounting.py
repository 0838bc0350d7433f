"""What one request costs an account, by how much it holds; and how many one tenant can have."""

import asyncio
import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import msgspec
import uvloop
from msgspec import Struct

from benchmarks.appending import open_registered_log
from benchmarks.bench import Bench
from benchmarks.readings import MICROSECONDS, Reading
from facilitair_accounts.app import build_app
from facilitair_accounts.settings import AccountsSettings
from facilitair_events.accounts import CallCharged, FundsRequested, FundsReturned, Part
from facilitair_events.balances import AccountState
from facilitair_events.codec import type_name
from facilitair_events.decision import Received
from facilitair_events.envelope import Envelope, timestamp
from facilitair_events.ids import derive
from facilitair_events.topics import ACCOUNT_EVENTS, ACCOUNT_REQUESTS
from facilitair_messaging.messages import message
from facilitair_messaging.ports import Log, Message, TopicPartition
from facilitair_money.decide import decide
from facilitair_testing.eventually import eventually

TENANT = "acme"
OPEN = (1, 1_000, 10_000)
REQUESTS = 3_000
AT_MS = 1_780_000_000_000
PRICE = Decimal("0.0042")


def measure(bench: Bench) -> list[Reading]:
    """CPU of the reducer, bytes of a snapshot, and requests that the whole service carries out."""
    sizes = bench.pick(OPEN, quick=(1, 5))
    count = bench.pick(REQUESTS, quick=20)
    found = []
    for number in sizes:
        account = _opened(number)
        what = f"account with {number:,} open collaborations"
        size = len(msgspec.json.encode(account.state))
        found += [
            Reading(f"{what}: CPU per request", _request_us(account, count), MICROSECONDS),
            Reading(f"{what}: its snapshot", size / 1024, "KiB"),
        ]
    for number in sizes:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            rate = runner.run(_rate(bench.fresh(), standing=number, count=count))
        what = f"embedded log, one tenant, {number:,} open collaborations"
        found.append(Reading(f"{what}: requests carried out", rate, "/s"))
    return found


def requests(name: str) -> Iterator[Struct]:
    """The life of a collaboration with two calls: asked, charged twice, and closed."""
    common = {"collaboration": name, "project": "web", "actor": "key-7", "workflow": "write"}
    parts = (Part(agent="writer", usd=PRICE), Part(agent="critic", usd=PRICE))
    yield FundsRequested(n=1, asked_ms=AT_MS, parts=parts, slots=2, **common)  # type: ignore[arg-type]
    for n, agent in ((2, "writer"), (3, "critic")):
        yield CallCharged(
            n=n, asked_ms=AT_MS, call_id=derive(name, agent), path=agent, attempt=1, agent=agent,
            outcome="completed", charged_usd=PRICE / 2, reserved_usd=PRICE, cost_usd=PRICE / 2,
            model="m", provider="p", price_version="2026-01",
            **common,  # type: ignore[arg-type]
        )  # fmt: skip
    yield FundsReturned(collaboration=name, n=4, asked_ms=AT_MS, close=True)


class _Account:
    """The fold of an account; only ``decide`` is timed."""

    def __init__(self) -> None:
        self.state: AccountState | None = None
        self.offset = 0
        self.took_s = 0.0

    def feed(self, data: Struct) -> None:
        record = Received(
            tenant=TENANT, subject=TENANT, offset=self.offset, at_ms=AT_MS + self.offset,
            id=f"e{self.offset}", data=data,
        )  # fmt: skip
        began = time.thread_time()
        decision = decide(self.state, record)
        self.took_s += time.thread_time() - began
        self.offset += 1
        self.state = decision.state


def _opened(number: int) -> _Account:
    """With so many collaborations that hold money; most of them wait for a slot."""
    account = _Account()
    for index in range(number):
        account.feed(_ask_without_slots(index))
    account.took_s, account.offset = 0.0, 0
    return account


def _ask_without_slots(index: int) -> Struct:
    first = next(requests(derive("standing", str(index))))
    return msgspec.structs.replace(first, slots=0)


def _request_us(account: _Account, count: int) -> float:
    for index in range(count // 4):
        for data in requests(derive("life", str(index))):
            account.feed(data)
    return account.took_s / account.offset * 1e6


async def _rate(folder: Path, *, standing: int, count: int) -> float:
    """Requests a second from the log through the service to the log, snapshots and commits too."""
    async with open_registered_log(folder) as log:
        await _append(log, [_record(_ask_without_slots(index)) for index in range(standing)])
        settings = AccountsSettings(home=folder)
        stop = asyncio.Event()
        async with build_app(settings, log) as app:
            running = asyncio.create_task(app.run(stop))
            await _until(log, standing)
            lives = [
                _record(data)
                for index in range(count // 4)
                for data in requests(derive("life", str(index)))
            ]
            began = time.perf_counter()
            await _append(log, lives)
            await _until(log, standing + len(lives))
            took_s = time.perf_counter() - began
            stop.set()
            await running
    return len(lives) / took_s


async def _append(log: Log, messages: list[Message]) -> None:
    async with log.producer() as producer:
        await producer.send(messages)


async def _until(log: Log, count: int) -> None:
    async def reached() -> bool:
        return await _told(log) >= count

    await eventually(reached, timeout_s=300, what=f"{count} events in the books")


async def _told(log: Log) -> int:
    """How many events the books have: each of these requests is one."""
    admin = log.admin()
    partitions = await admin.partitions(ACCOUNT_EVENTS)
    ends = await admin.end_offsets([TopicPartition(ACCOUNT_EVENTS, n) for n in range(partitions)])
    return sum(ends.values())


def _record(data: Struct) -> Message:
    envelope = Envelope(
        id=derive("benchmark", repr(data)), type=type_name(data), source="benchmark",
        time=timestamp(AT_MS), subject=TENANT, tenant=TENANT, project="web", actor="key-7",
        correlation="benchmark",
    )  # fmt: skip
    return message(topic=ACCOUNT_REQUESTS, key=TENANT, data=data, envelope=envelope)
