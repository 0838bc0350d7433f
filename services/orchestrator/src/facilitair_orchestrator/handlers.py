"""What has to be fetched for a record before the pure part sees it."""

from collections.abc import Awaitable, Callable

import msgspec
from msgspec import structs

from facilitair_events.decision import Received
from facilitair_events.definitions import Definition
from facilitair_events.requests import CollaborationRequested
from facilitair_orchestrator.errors import DefinitionArtifactError
from facilitair_runtime.artifacts import ArtifactStore

_definition = msgspec.json.Decoder(Definition)


def build_prepare(artifacts: ArtifactStore) -> Callable[[Received], Awaitable[Received]]:
    """A function that puts a large definition into the request that names it (R10).

    It gives the same record for ever: an artifact is named by its digest.
    Raises ArtifactError and DefinitionArtifactError, which are permanent; OSError when the store
    cannot be read now.
    """

    async def prepare(received: Received) -> Received:
        data = received.data
        if not isinstance(data, CollaborationRequested) or data.definition is not None:
            return received
        if data.definition_artifact is None:
            return received
        content = await artifacts.get(data.definition_artifact)
        try:
            definition = _definition.decode(content)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            uri = data.definition_artifact.uri
            raise DefinitionArtifactError(uri=uri, reason=str(error)) from error
        return structs.replace(received, data=structs.replace(data, definition=definition))

    return prepare
