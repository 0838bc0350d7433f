"""What the orchestrator raises."""

from facilitair_messaging.errors import PermanentError


class OrchestratorError(Exception):
    """Root of what this package raises."""


class DefinitionArtifactError(OrchestratorError, PermanentError):
    """The artifact that a request names holds no workflow definition."""

    def __init__(self, *, uri: str, reason: str) -> None:
        self.uri = uri
        super().__init__(f"artifact {uri} is no definition: {reason}")


class PollsTooRareError(OrchestratorError, ValueError):
    """A reducer that polls so rarely would be taken for dead."""

    def __init__(self, *, silent_s: float) -> None:
        super().__init__(f"heartbeat_s must be below health.silent_s, which is {silent_s:g}")
