"""``show``, ``cancel`` and the lists: one question, one answer."""

import secrets
import sys
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import msgspec

from facilitair_cli.attaching import Attachment
from facilitair_cli.errors import NotFoundError
from facilitair_cli.exits import ExitCode
from facilitair_cli.locating import located
from facilitair_cli.money_wording import money_lines
from facilitair_cli.screens import json_text, note
from facilitair_cli.state_folder import StateFolder
from facilitair_cli.talking import ask, conversation
from facilitair_cli.terminal_text import harmless, one_line
from facilitair_cli.wording import fault_text, money, spent
from facilitair_client import Collaboration, Cost, Facilitair, Step, Transcript

_NAME_WIDTH = 24
_TEXT_WIDTH = 60


async def show(collaboration: str, attached: Attachment, *, step: str | None, as_json: bool) -> int:
    """Tell what a collaboration is doing, or the final text of one step."""
    described = await ask(attached, lambda client: client.get(collaboration))
    if step is None:
        cost = await ask(attached, lambda client: client.cost(collaboration))
        document = msgspec.to_builtins(described) | {"cost": msgspec.to_builtins(cost)}
        _write(document if as_json else _described(described, cost))
        return ExitCode.DONE
    text = await ask(attached, lambda client: _step(client, described, step=step, as_json=as_json))
    _write(text)
    return ExitCode.DONE


async def cancel(
    collaboration: str,
    *,
    reason: str | None,
    as_json: bool,
    folder: StateFolder,
    environ: Mapping[str, str],
) -> int:
    """Ask to end a collaboration."""
    async with conversation(located(environ, folder)) as client:
        await client.cancel(collaboration, reason)
    document = {"id": collaboration, "action": "cancel"}
    _write(document if as_json else f"cancelling {collaboration}\n")
    return ExitCode.DONE


async def resume(
    collaboration: str, attached: Attachment, *, budget: Decimal | None, as_json: bool
) -> int:
    """Ask a paused collaboration to go on."""
    wish = secrets.token_hex(16)
    await ask(attached, lambda client: client.resume(collaboration, budget, client_id=wish))
    document = {"id": collaboration, "action": "resume"}
    _write(document if as_json else f"resuming {collaboration}: facilitair watch {collaboration}\n")
    return ExitCode.DONE


async def listed(kind: str, attached: Attachment, *, as_json: bool) -> int:
    """List workflows or agents."""
    rows = await ask(attached, lambda client: _rows(client, kind))
    _write(rows if as_json else "".join(_row_text(row) for row in rows))
    return ExitCode.DONE


async def _rows(client: Facilitair, kind: str) -> Sequence[dict[str, Any]]:
    found = await client.workflows() if kind == "workflows" else await client.agents()
    return [msgspec.to_builtins(row) for row in found]


async def _step(
    client: Facilitair, described: Collaboration, *, step: str, as_json: bool
) -> dict[str, Any] | str:
    """The final text of a step, as its result says it. Raises NotFoundError."""
    transcript = Transcript.of(await client.events(described.id))
    found = transcript.latest(step)
    if found is not None and found.output is not None and not found.whole and described.ended:
        # Longer than what travels inline: its chunks on the stream have all of it.
        transcript = Transcript()
        async for event in client.stream(described.id):
            transcript.apply(event)
        found = transcript.latest(step)
    if found is None:
        names = ", ".join(dict.fromkeys(s.name for s in transcript.steps.values() if s.agent))
        raise NotFoundError(what=f"no step {step!r} has run; there are: {names or 'none yet'}")
    if found.output is None or not found.whole:
        raise NotFoundError(what=f"step {found.path} has no final text: it is {found.status}")
    if as_json:
        return {
            "id": described.id,
            "step": found.path,
            "agent": found.agent,
            "attempt": found.attempt,
            "simulated": found.simulated,
            "partial": found.partial,
            "text": found.text,
        }
    if found.partial is not None:
        note(f"{found.path}: this answer is not whole ({found.partial})")
    text = harmless(found.text) if sys.stdout.isatty() else found.text
    return text if text.endswith("\n") else text + "\n"


def _described(described: Collaboration, cost: Cost) -> str:
    lines = [
        f"{described.id}: {described.status}, workflow {described.workflow}",
        f"started {described.created_at:%Y-%m-%d %H:%M:%S %Z}, {spent(described.totals)}",
    ]
    if described.task.inline:
        lines.append(f"task: {one_line(described.task.inline, limit=_TEXT_WIDTH)}")
    lines += [_step_text(step) for step in described.steps]
    lines += money_lines(cost)
    if described.status == "paused":
        lines.append(f"go on: facilitair resume {described.id} [--budget USD]")
    if described.fault is not None:
        lines.append(f"fault: {fault_text(described.fault)}")
    if described.output_step:
        lines.append(f"result: facilitair show {described.id} --step {described.output_step}")
    return harmless("\n".join(lines)) + "\n"


def _step_text(step: Step) -> str:
    parts = [f"  {step.path:<{_NAME_WIDTH}} {step.status:<10}"]
    if step.agent and step.attempt:
        parts.append(f"attempt {step.attempt}")
    if step.partial is not None:
        parts.append(f"partial ({step.partial})")
    if step.totals.calls:
        parts.append(spent(step.totals))
    if step.reserved_usd is not None:
        parts.append(f"{money(step.reserved_usd)} reserved")
    if step.funding is not None:
        parts.append("waits for money or a slot")
    if step.fault is not None:
        parts.append(fault_text(step.fault))
    return "  ".join(parts).rstrip()


def _row_text(row: Mapping[str, Any]) -> str:
    told = row.get("description") or row.get("role") or row.get("provider") or ""
    return harmless(f"{row['name']:<{_NAME_WIDTH}} {row.get('version', ''):<14} {told}\n")


def _write(content: Any) -> None:
    sys.stdout.write(content if isinstance(content, str) else json_text(content) + "\n")
    sys.stdout.flush()
