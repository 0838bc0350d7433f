"""What the orchestrator raises."""

from facilitair_messaging.errors import PermanentError


class OrchestratorError(Exception):
    """Root of what this package raises."""


class DefinitionArtifactError(OrchestratorError, PermanentError):
    """The artifact that a request names holds no workflow definition."""

    def __init__(self, *, uri: str, reason: str) -> None:
        self.uri = uri
        super().__init__(f"artifact {uri} is no definition: {reason}")
