"""How many tokens a request will use, before anybody counted them."""

from typing import Final

from facilitair_events.definitions import Model
from facilitair_events.requests import Usage
from facilitair_llm.calls import ChatRequest
from facilitair_llm.token_calibration import Calibration, learn
from facilitair_llm.token_counting import estimate_tokens
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
