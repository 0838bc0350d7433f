"""A provider of each dialect that quotes the key back: it is heard there, and told nowhere here."""

from contextlib import aclosing

import pytest

from facilitair_llm.calls import ChatMessage, ChatRequest
from facilitair_llm.dialect_registry import load_dialect
from facilitair_llm.errors import ProviderError
from facilitair_llm.network import NetworkRules
from facilitair_llm.providers import HttpChat, Timeouts, build_session
from facilitair_llm.secret import Secret
from facilitair_testing.canaries import sightings
from facilitair_testing.provider.echoing import FAULTS, echoing_provider

KEY = "env-CANARY/+0123456789-x_y"
KINDS = {
    "quoted": "authentication", "encoded": "authentication", "long": "authentication",
    "redirect": "authentication", "page": "unavailable", "header": "malformed",
    "cut": "truncated", "midway": "unavailable", "garbage": "malformed",
}  # fmt: skip


def told_by(error: BaseException | None) -> str:
    """What an error, and what led to it, says of itself where it is logged."""
    if error is None:
        return ""
    return f"{error} {error.args} {vars(error)} {told_by(error.__context__)}"


@pytest.mark.parametrize("dialect", ["openai-chat", "anthropic-messages", "ollama-chat"])
@pytest.mark.parametrize("fault", FAULTS)
async def test_i18_a_key_that_is_quoted_back_is_told_nowhere(dialect: str, fault: str) -> None:
    message = ChatMessage(role="user", content=f"fault={fault} mark")
    chunks, error = [], None
    async with (
        echoing_provider() as provider,
        build_session(NetworkRules(loopback=True)) as session,
    ):
        model = HttpChat(
            session=session, dialect=load_dialect(dialect), base_url=provider.url,
            key_of=lambda _tenant: Secret(KEY), timeouts=Timeouts(),
        )  # fmt: skip
        request = ChatRequest(model="m", messages=(message,))
        try:
            async with aclosing(model.stream(request, call_id="c", tenant="t")) as answer:
                chunks = [chunk async for chunk in answer]
        except ProviderError as caught:
            error = caught
    assert provider.heard["mark"] == [KEY]
    assert (None if error is None else error.kind) == KINDS.get(fault)
    if error is None:
        assert chunks[0].text == "Fine."
        assert chunks[-1].model == "[removed]"
    told = told_by(error) + repr(chunks)
    assert list(sightings({"the key": KEY}, [("what is told", told.encode())])) == []
