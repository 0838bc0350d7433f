"""A chat model that follows a script, for tests of what calls models."""

import asyncio
from collections.abc import AsyncGenerator

from facilitair_events.requests import Usage
from facilitair_llm.calls import ChatRequest, Chunk, Finished, FinishReason, TextDelta
from facilitair_llm.errors import ProviderError


class ScriptedModel:
    """Yields what it is told; ``gate`` holds it before the chunk of that number."""

    def __init__(self, *texts: str, error: ProviderError | None = None) -> None:
        self.texts = list(texts)
        self.error = error
        self.requests: list[ChatRequest] = []
        self.calls: list[str] = []
        self.finish: FinishReason = "stop"
        self.model = "scripted-1"
        self.hold_at: int | None = None
        self.gate = asyncio.Event()
        self.closed = 0

    async def stream(
        self, request: ChatRequest, *, call_id: str, tenant: str
    ) -> AsyncGenerator[Chunk, None]:
        """Yield the script; the call is recorded when the first chunk is asked for."""
        self.requests.append(request)
        self.calls.append(f"{tenant}/{call_id}")
        try:
            for number, text in enumerate(self.texts):
                if number == self.hold_at:
                    await self.gate.wait()
                yield TextDelta(text=text)
            if self.error is not None:
                raise self.error
            usage = Usage(input_tokens=3, output_tokens=len(self.texts))
            yield Finished(finish_reason=self.finish, usage=usage, model=self.model)
        finally:
            self.closed += 1
