"""How numbers and ends are told to people. Pure."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

from facilitair_cli.terminal_text import harmless
from facilitair_client import Fault, StepTranscript, Totals, Transcript

_CHARS_PER_TOKEN: Final = 4
_CENT: Final = Decimal("0.01")
_MS: Final = 1000


def money(cost: Decimal | None) -> str:
    """An amount with as many digits as it needs; an unknown one is never shown as zero."""
    if cost is None:
        return "cost unknown"
    if cost == 0 or cost >= 1:
        return f"${cost.quantize(_CENT)}"
    whole, _, part = f"{cost:.6f}".partition(".")
    return f"${whole}.{part.rstrip('0'):0<2}"


def spent(totals: Totals) -> str:
    """Tokens and money in one phrase; what nobody counted is never shown as zero."""
    phrase = f"{_tokens(totals)}, {money(totals.cost_usd)}"
    phrase += " (simulated)" if totals.simulated else ""
    if totals.unknown_calls:
        calls = "call" if totals.unknown_calls == 1 else "calls"
        phrase += f", {totals.unknown_calls} {calls} with unknown outcome"
    return phrase


def _tokens(totals: Totals) -> str:
    usage = totals.usage
    if totals.cost_usd is None and totals.calls and not (usage.input_tokens or usage.output_tokens):
        return "tokens unknown"
    about = "about " if usage.estimated else ""
    return f"{about}{usage.input_tokens:,} tokens in, {usage.output_tokens:,} out"


def seconds(duration_ms: int | None) -> str:
    """A duration."""
    return "" if duration_ms is None else f"{duration_ms / _MS:.1f} s"


def estimated_tokens(text_length: int) -> str:
    """How many tokens a text may have, before the provider has counted them."""
    return f"~{text_length // _CHARS_PER_TOKEN:,} tokens"


def heading(step: StepTranscript) -> str:
    """Who writes: the agent, where, which attempt, and whether it is simulated."""
    parts = [step.path] if step.path != step.agent else []
    parts.append(f"attempt {step.attempt}")
    if step.simulated:
        parts.append("simulated")
    return harmless(f"{step.agent or step.path} ({', '.join(parts)})")


def going_on(step: StepTranscript) -> str | None:
    """What the next attempt does about the one before; null where that was told already."""
    asked = f"{step.provider}/{step.model}" if step.provider else f"{step.model}"
    told = {
        "fallback": f"asks {asked} instead",
        "continue": "is asked to go on from there",
        "larger": "is asked again, for a longer answer",
        "correction": "is told what was wrong, and answers again",
        "lost": "is asked again",
    }.get(step.reason or "")
    return None if told is None else harmless(f"{heading(step)} {told}")


def partly(code: str | None) -> str:
    """The mark of an answer that is not whole."""
    return "" if code is None else harmless(f"partial ({code}), ")


def failure(step: StepTranscript) -> str:
    """Why an attempt did not answer, and when the next one begins."""
    why = fault_text(step.fault) if step.fault else "its worker went silent"
    return why if step.retry_in_s is None else f"{why}; tries again in {step.retry_in_s:.1f} s"


def fault_text(fault: Fault) -> str:
    """A fault and what was quoted with it."""
    quoted = fault.quote.v if fault.quote is not None and fault.quote.k is None else None
    shown = f"{fault.message}: {quoted}" if quoted else fault.message
    return harmless(f"{shown} ({fault.code})")


def end_lines(transcript: Transcript) -> list[str]:
    """How a collaboration ended, what it took, and its id."""
    took = seconds(transcript.duration_ms)
    first = transcript.status + (f" in {took}" if took else "")
    lines = []
    if transcript.totals is not None:
        calls = "call" if transcript.totals.calls == 1 else "calls"
        first += f": {transcript.totals.calls} {calls}, {spent(transcript.totals)}"
    lines.append(first)
    if transcript.partial_steps:
        steps = (transcript.steps.get(path) for path in transcript.partial_steps)
        named = ", ".join(f"{step.path} ({step.partial})" for step in steps if step is not None)
        lines.append(harmless(f"partial: {named}"))
    if transcript.failed_step:
        lines.append(harmless(f"step: {transcript.failed_step}"))
    if transcript.reason:
        lines.append(harmless(f"reason: {transcript.reason}"))
    lines += [f"fault: {fault_text(fault)}" for fault in transcript.faults]
    lines.append(f"id: {transcript.collaboration}")
    return lines


def summary(transcript: Transcript, *, files: Sequence[str]) -> dict[str, Any]:
    """The end as data."""
    totals = transcript.totals or Totals()
    return {
        "id": transcript.collaboration,
        "status": transcript.status,
        "workflow": transcript.workflow,
        "result_step": transcript.result_step,
        "result": transcript.result,
        "tokens": {"input": totals.usage.input_tokens, "output": totals.usage.output_tokens},
        "calls": totals.calls,
        "cost_usd": None if totals.cost_usd is None else f"{totals.cost_usd:f}",
        "unknown_calls": totals.unknown_calls,
        "agents": _used(transcript.spent_by("agent")),
        "models": _used(transcript.spent_by("model")),
        "steps": _used(transcript.spent_by("step")),
        "partial_steps": list(transcript.partial_steps),
        "simulated": transcript.simulated,
        "duration_ms": transcript.duration_ms,
        "faults": [{"code": f.code, "message": f.message} for f in transcript.faults],
        "files": list(files),
    }


def _used(groups: Mapping[str, Totals]) -> dict[str, dict[str, Any]]:
    return {
        name: {
            "calls": totals.calls,
            "tokens": {"input": totals.usage.input_tokens, "output": totals.usage.output_tokens},
            "cost_usd": None if totals.cost_usd is None else f"{totals.cost_usd:f}",
            "unknown_calls": totals.unknown_calls,
            "simulated": totals.simulated,
        }
        for name, totals in groups.items()
    }
