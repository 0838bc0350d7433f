"""How many tokens a request will use, before anybody counted them."""

from typing import Final

from facilitair_llm.calls import ChatRequest
from facilitair_llm.token_counting import estimate_tokens

_PER_MESSAGE: Final = 4
_USUAL_ANSWER: Final = 512


def estimated_tokens(request: ChatRequest) -> int:
    """Prompt and answer together, roughly: it only paces calls, and the usage corrects it.

    Providers count the whole limit of an answer until it is there.
    """
    counted = (estimate_tokens(message.content).tokens for message in request.messages)
    prompt = sum(counted) + _PER_MESSAGE * len(request.messages)
    return prompt + (request.max_output_tokens or _USUAL_ANSWER)
