"""What a complete answer used, where its provider did not say."""

import asyncio

from facilitair_agent_worker.calling import Answer
from facilitair_events.definitions import Model
from facilitair_events.requests import Usage
from facilitair_llm.calls import ChatRequest
from facilitair_llm.token_counting import count_tokens


async def settled(answer: Answer, *, request: ChatRequest, model: Model) -> Usage | None:
    """The provider's usage, else our own count of a whole answer, which says that it is ours.

    None for an answer that was cut: what the provider made of it after that is not known here.
    Loading a vocabulary takes long, so a thread counts.
    """
    if answer.usage is not None or answer.free or answer.trouble is not None:
        return answer.usage
    return await asyncio.to_thread(_counted, answer.text, request=request, model=model)


def _counted(text: str, *, request: ChatRequest, model: Model) -> Usage:
    prompt = "\n".join(message.content for message in request.messages)
    return Usage(
        input_tokens=count_tokens(prompt, model).tokens,
        output_tokens=count_tokens(text, model).tokens,
        estimated=True,
    )
