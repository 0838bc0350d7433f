"""What this package raises."""

from collections.abc import Sequence

from facilitair_messaging.errors import PermanentError


class ServiceError(Exception):
    """Root of what this package raises."""


class SettingsError(ServiceError):
    """Settings cannot be used. ``faults`` lists all of them, each naming its variable."""

    def __init__(self, *, faults: Sequence[str]) -> None:
        self.faults = tuple(faults)
        lines = "\n".join(f"  {fault}" for fault in self.faults)
        super().__init__(f"the settings cannot be used:\n{lines}")


class ArtifactError(ServiceError, PermanentError):
    """An artifact cannot be had; trying again gives the same answer."""


class ArtifactReferenceError(ArtifactError):
    """A reference does not name an artifact of this store."""

    def __init__(self, *, uri: str, reason: str) -> None:
        self.uri = uri
        super().__init__(f"{uri!r} is no artifact: {reason}")


class ArtifactMissingError(ArtifactError):
    """No blob lies where the reference points: it was erased, or was never stored."""

    def __init__(self, *, uri: str) -> None:
        self.uri = uri
        super().__init__(f"artifact {uri} is not in the store")


class ArtifactCorruptError(ArtifactError):
    """The blob is not what its digest says."""

    def __init__(self, *, uri: str, found: str) -> None:
        self.uri = uri
        super().__init__(f"artifact {uri} holds other bytes: their sha256 is {found}")
