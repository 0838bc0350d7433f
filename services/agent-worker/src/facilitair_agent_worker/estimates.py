"""How many tokens a request will use, before anybody counted them."""

import math
from typing import Final

import msgspec

from facilitair_events.definitions import Model
from facilitair_events.requests import Usage
from facilitair_llm.calls import ChatRequest
from facilitair_llm.token_calibration import Calibration, learn
from facilitair_llm.token_counting import BYTES_ERROR, estimate_tokens
from facilitair_observability import names
from facilitair_observability.metrics import Metrics

_PER_MESSAGE: Final = 4
_USUAL_ANSWER: Final = 512


class Estimates:
    """Sizes of prompts, and what the providers' own counts taught of them. In memory only."""

    def __init__(self) -> None:
        self._calibration = Calibration()

    def tokens(self, request: ChatRequest, *, model: Model) -> int:
        """Prompt and answer together, roughly: it only paces calls, and the usage corrects it.

        Providers count the whole limit of an answer until it is there.
        """
        factor = self._calibration.of(_name(model)).factor
        return round(_prompt(request) * factor) + (request.max_output_tokens or _USUAL_ANSWER)

    def most_input(self, request: ChatRequest, *, model: Model) -> int:
        """As many tokens as a provider can count of the prompt, and no more than it reads."""
        factor = self._calibration.of(_name(model)).factor
        counted = _prompt(request)
        if request.response_schema is not None:
            schema = msgspec.json.encode(request.response_schema).decode()
            counted += estimate_tokens(schema).tokens
        most = math.ceil(counted * factor * (1 + BYTES_ERROR))
        return most if model.context_window is None else min(most, model.context_window)

    def learn(
        self, request: ChatRequest, *, model: Model, usage: Usage | None, metrics: Metrics
    ) -> None:
        """Take in what the provider counted; what we counted ourselves teaches nothing."""
        if usage is None or usage.estimated or not usage.input_tokens:
            return
        counted, name = _prompt(request), _name(model)
        expected = counted * self._calibration.of(name).factor
        error = abs(expected - usage.input_tokens) / usage.input_tokens
        metrics.observe(names.TOKEN_ESTIMATE_ERROR, error, provider=model.provider)
        self._calibration = learn(
            self._calibration, name, counted=counted, reported=usage.input_tokens
        )


def _prompt(request: ChatRequest) -> int:
    counted = (estimate_tokens(message.content).tokens for message in request.messages)
    return sum(counted) + _PER_MESSAGE * len(request.messages)


def _name(model: Model) -> str:
    return f"{model.provider}/{model.name}"
