"""What a collaboration would use and cost, before anybody runs it."""

import asyncio
from collections.abc import Iterable
from typing import Any

from fastapi import APIRouter, Request, Response

from facilitair_events.accounts import UsageCell
from facilitair_events.definitions import Definition
from facilitair_gateway.errors import AccountsAwayError
from facilitair_gateway.principal import Principal
from facilitair_gateway.routes.answers import json_response
from facilitair_gateway.routes.bodies import read_json
from facilitair_gateway.routes.callers import Caller, Gateway, Parts
from facilitair_gateway.routes.checks import NewEstimate, checked_estimate
from facilitair_gateway.routes.documents import body_of
from facilitair_gateway.views import plain
from facilitair_llm.token_counting import count_tokens
from facilitair_workflows.estimating import Estimate, PastUsage, estimate

router = APIRouter(prefix="/v1", tags=["money"])

_OFF = "off"


@router.post("/estimates", openapi_extra=body_of(NewEstimate))
async def estimates(*, request: Request, caller: Caller, gateway: Gateway) -> Response:
    """Estimate calls, tokens and cost of a collaboration, step by step. Nothing is run or asked.

    Each figure is what it may be at least, what is likely, and at most; a cost is null without a
    known price. Answers are as long as those of past runs where `past_calls` says so;
    `history` is `none` where nobody keeps accounts, and `away` while they do not answer.
    """
    content = await read_json(request, limit=gateway.limits.max_body_bytes)
    body, definition = checked_estimate(content, gateway=gateway, tenant=caller.tenant)
    history, used = await _history(gateway, caller)
    found = await asyncio.to_thread(
        _estimated, definition, body=body, used=used, at_ms=gateway.now_ms()
    )
    shown: dict[str, Any] = plain(found)
    return json_response(shown | {"currency": "USD", "history": history})


def past_usage(cells: Iterable[UsageCell]) -> dict[str, PastUsage]:
    """What the calls of each agent used that were answered."""
    calls: dict[str, int] = {}
    tokens: dict[str, int] = {}
    for cell in cells:
        calls[cell.agent] = calls.get(cell.agent, 0) + cell.calls - cell.unknown_calls
        tokens[cell.agent] = tokens.get(cell.agent, 0) + cell.usage.output_tokens
    return {
        agent: PastUsage(calls=count, output_tokens=tokens[agent])
        for agent, count in calls.items()
        if count > 0
    }


def _estimated(
    definition: Definition, *, body: NewEstimate, used: dict[str, PastUsage], at_ms: int
) -> Estimate:
    """Loads a vocabulary at its first use: not for the event loop."""
    models = [agent.models[0] for agent in definition.agents.values()]

    def count(text: str) -> int:
        # Vocabularies differ by some percent, answers by much more: one is enough.
        return count_tokens(text, models[0]).tokens

    return estimate(
        definition, task=body.task, inputs=body.inputs, count=count, used=used, at_ms=at_ms
    )


async def _history(gateway: Parts, caller: Principal) -> tuple[str, dict[str, PastUsage]]:
    if gateway.policy.get("reserve") == _OFF:
        return "none", {}
    try:
        view = await gateway.accounts.view(caller.tenant, by=caller, usage=True)
    except AccountsAwayError:
        return "away", {}
    return "known", past_usage(view.usage)
