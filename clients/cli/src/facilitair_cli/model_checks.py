"""``models check``: one word from each model, by a collaboration of its own."""

import asyncio
import sys
import time
from collections.abc import Sequence
from http import HTTPStatus
from typing import Final

import msgspec
from msgspec import Struct

from facilitair_cli.attaching import Attachment
from facilitair_cli.errors import CommandError
from facilitair_cli.exits import ExitCode
from facilitair_cli.model_finding import find
from facilitair_cli.screens import json_text, note
from facilitair_cli.talking import ask, conversation
from facilitair_cli.terminal_text import harmless, one_line
from facilitair_cli.wording import money
from facilitair_client import ApiError, Facilitair, Transcript

WORKFLOW: Final = "answer"
AGENT: Final = "assistant"
TASK: Final = "Answer with the one word: ok"
WORDS: Final = {
    "authentication": "the key is refused",
    "quota": "no credit: the account has nothing left to pay with",
    "refused_by_provider": "the account may not use it",
    "rate_limited": "too many requests just now",
    "overloaded": "overloaded just now",
    "unavailable": "not reachable, or out of order",
    "address_refused": "the address may not be called from here",
    "timeout": "no answer in time",
    "invalid_request": "the request is refused; is the name of the model right?",
    "context_length": "it holds less than this question",
    "provider_unknown": "the worker has no such provider set up",
    "truncated": "the answer broke off",
    "malformed": "it answers in a way that is not its dialect; is the address right?",
}
"""What is wrong, in plain words; other codes are told as they are."""
_QUOTED: Final = 160


class Checked(Struct, frozen=True, kw_only=True):
    """What became of one question; ``fault`` is a code, ``told`` says it in words."""

    model: str
    ok: bool
    told: str
    first_token_ms: int | None = None
    total_ms: int | None = None
    cost_usd: str | None = None
    simulated: bool = False
    fault: str | None = None
    collaboration: str | None = None


async def check(
    names: Sequence[str], attached: Attachment, *, timeout_s: float, as_json: bool
) -> int:
    """Ask the models and tell what came of it; exit code 1 when one did not answer.

    Raises NotFoundError for a name that is none.
    """
    chosen = await ask(attached, lambda client: _chosen(client, names))
    if not chosen:
        note("no model can be used here; facilitair models ls shows why")
    asking = (_ask(attached, name, timeout_s=timeout_s) for name in dict.fromkeys(chosen))
    found = await asyncio.gather(*asking)
    if as_json:
        sys.stdout.write(json_text([msgspec.to_builtins(one) for one in found]) + "\n")
    else:
        sys.stdout.write("".join(line(one) for one in found))
    return ExitCode.DONE if found and all(one.ok for one in found) else ExitCode.FAILED


async def _chosen(client: Facilitair, names: Sequence[str]) -> list[str]:
    rows = await client.models()
    if names:
        return [(await find(client, name, rows=rows))["name"] for name in names]
    return [row["name"] for row in rows if row["usable"] and row["default"]]


def line(checked: Checked) -> str:
    """What became of a question, for people."""
    return harmless(f"{'ok' if checked.ok else 'FAIL':<4}  {checked.model:<36}  {checked.told}\n")


async def _ask(attached: Attachment, model: str, *, timeout_s: float) -> Checked:
    try:
        place = await attached.place()
        async with conversation(place) as client:
            return await _answer(client, model, timeout_s=timeout_s)
    except CommandError as error:
        told = " ".join(str(error).split())
        return Checked(model=model, ok=False, told=told, fault="refused")


async def _answer(client: Facilitair, model: str, *, timeout_s: float) -> Checked:
    began, transcript = time.monotonic(), Transcript()
    first_token_ms: int | None = None
    submitted = await client.submit(TASK, workflow=WORKFLOW, models={AGENT: model})
    try:
        async with asyncio.timeout(timeout_s):
            async for event in client.stream(submitted.id, submitted.cursor):
                transcript.apply(event)
                if event.kind == "token" and first_token_ms is None:
                    first_token_ms = _ms(began)
                if event.kind in {"attempt.failed", "attempt.unknown"}:
                    break
    except TimeoutError:
        await _cancel(client, submitted.id, reason="models check waits no longer")
        told = f"no answer within {timeout_s:g} s"
        return _failed(model, "timeout", told=told, collaboration=submitted.id)
    if not transcript.ended:
        # One try is what was asked for; another one would cost and wait for nothing.
        await _cancel(client, submitted.id, reason="models check asks once")
        return _from_fault(model, transcript, collaboration=submitted.id)
    if transcript.status != "completed":
        return _from_fault(model, transcript, collaboration=submitted.id)
    return _succeeded(
        model, transcript, first_token_ms=first_token_ms, began=began, collaboration=submitted.id
    )


async def _cancel(client: Facilitair, collaboration: str, *, reason: str) -> None:
    """End a collaboration that may have ended meanwhile."""
    try:
        await client.cancel(collaboration, reason)
    except ApiError as error:
        if error.status != HTTPStatus.CONFLICT:
            raise


def _succeeded(
    model: str,
    transcript: Transcript,
    *,
    first_token_ms: int | None,
    began: float,
    collaboration: str,
) -> Checked:
    cost = None if transcript.totals is None else transcript.totals.cost_usd
    simulated = " (simulated)" if transcript.simulated else ""
    total_ms = _ms(began)
    first = "" if first_token_ms is None else f"first word after {first_token_ms} ms, "
    return Checked(
        model=model,
        ok=True,
        told=f"{first}all after {total_ms} ms, {money(cost)}{simulated}",
        first_token_ms=first_token_ms,
        total_ms=total_ms,
        cost_usd=None if cost is None else f"{cost:f}",
        simulated=transcript.simulated,
        collaboration=collaboration,
    )


def _from_fault(model: str, transcript: Transcript, *, collaboration: str) -> Checked:
    """The failure of its attempt, else of the collaboration."""
    step = transcript.latest(AGENT)
    fault = step.fault if step is not None and step.fault is not None else None
    if fault is None:
        fault = transcript.faults[0] if transcript.faults else None
    if fault is None:
        told = "its worker went silent; what was asked may have been paid for"
        return _failed(model, "unknown", told=told, collaboration=collaboration)
    quote = fault.quote.v if fault.quote is not None and fault.quote.k is None else ""
    said = one_line(quote or fault.message, limit=_QUOTED)
    told = f"{WORDS.get(fault.code, fault.code)} ({said})"
    return _failed(model, fault.code, told=told, collaboration=collaboration)


def _failed(model: str, fault: str, *, told: str, collaboration: str) -> Checked:
    return Checked(model=model, ok=False, told=told, fault=fault, collaboration=collaboration)


def _ms(began: float) -> int:
    return round((time.monotonic() - began) * 1000)
