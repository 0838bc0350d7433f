"""How many tokens a request will use, before anybody counted them."""

from typing import Final

from facilitair_llm.calls import ChatRequest

_BYTES_PER_TOKEN: Final = 4
_PER_MESSAGE: Final = 4
_USUAL_ANSWER: Final = 512


def estimated_tokens(request: ChatRequest) -> int:
    """Prompt and answer together, roughly: it only paces calls, and the usage corrects it.

    Providers count the whole limit of an answer until it is there.
    """
    written = sum(len(message.content.encode()) for message in request.messages)
    prompt = written // _BYTES_PER_TOKEN + _PER_MESSAGE * len(request.messages)
    return prompt + (request.max_output_tokens or _USUAL_ANSWER)
