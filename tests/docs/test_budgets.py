"""Every command of the page about budgets, in its order, on a solo with unknown calls."""

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from facilitair_client import Facilitair
from facilitair_events.accounts import CallCharged
from facilitair_events.codec import type_name
from facilitair_events.envelope import Envelope
from facilitair_events.layout import topics_dir
from facilitair_events.registry import Registry
from facilitair_events.topics import ACCOUNT_REQUESTS
from facilitair_messaging.messages import message
from facilitair_runtime.log_file import LogSettings, open_log
from facilitair_testing.solo import SoloProcess
from tests.docs.session import Session
from tools.markdown import blocks, commands

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "how-to" / "budgets.md"
READING = re.compile(r"budget show|facilitair estimate|facilitair usage --by")
CALLS = {
    "f3a0c2de-0000-5000-8000-000000000001": ("openrouter", "0.02"),
    "f3a0c2de-0000-5000-8000-000000000002": ("openai", "0.01"),
}
EXPORT = """\
generation_id,created_at,cost_total,tokens_prompt,tokens_completion,model_permaslug
gen-1763730000-a,{at},0.01,812,120,openai/gpt-4.1-2025-04-14
"""


def lost(number, call, *, provider, usd, at_ms):
    """The charge of a call that its worker was lost with."""
    data = CallCharged(
        collaboration="before", n=number, asked_ms=at_ms, project="default", actor="local",
        workflow="code", call_id=call, path="coder", attempt=number, agent="coder",
        outcome="unknown", charged_usd=Decimal(usd), model="openai/gpt-4.1", provider=provider,
    )  # fmt: skip
    about = Envelope(
        id=call, type=type_name(data), source="orchestrator", time="2026-01-01T00:00:00.000Z",
        subject="local", tenant="local", project="default", actor="local", correlation=call,
    )  # fmt: skip
    return message(topic=ACCOUNT_REQUESTS, key="local", data=data, envelope=about)


async def lose(home, now):
    """What an orchestrator tells the account of calls that nobody knows the outcome of."""
    registry = Registry.load(topics_dir())
    at_ms = round(now.timestamp() * 1000)
    async with (
        open_log(home, registry, settings=LogSettings()) as log,
        log.producer() as producer,
    ):
        await producer.send(
            [
                lost(number, call, provider=provider, usd=usd, at_ms=at_ms)
                for number, (call, (provider, usd)) in enumerate(CALLS.items(), 1)
            ]
        )


@pytest.mark.integration
@pytest.mark.slow
@pytest.mark.timeout(400)
async def test_every_command_of_the_page_does_what_the_page_says(tmp_path):
    home, now = tmp_path / "home", datetime.now(UTC)
    at = (now - timedelta(minutes=1)).isoformat()
    (tmp_path / "activity.csv").write_text(EXPORT.format(at=at))
    await lose(home, now)
    solo = SoloProcess(home, ttft_ms=0, tokens_per_s=0)
    session = Session(home, reading=READING, folder=tmp_path)
    await solo.start()
    try:
        for block in blocks(PAGE.read_text()):
            for command in commands(block) if block.language == "console" else ():
                await session.check(command)

        async with Facilitair(solo.url) as client:
            account = await client.money.account()
            entries = [entry async for entry in client.money.entries()]
        assert account.unknown_calls == 0
        assert account.budget.timezone == "Europe/Berlin"
        assert {limit.usd for limit in account.budget.limits} == {3, 5, 100}
        changes = [Decimal(entry["change_usd"]) for entry in entries]
        assert sum(changes) == account.spent_usd
        assert account.spent_usd < Decimal("0.0101")  # 0.01 of the bill, and what a run cost
        exported = (tmp_path / "entries.csv").read_text().splitlines()
        assert len(exported) == 4
    finally:
        await solo.stop()
