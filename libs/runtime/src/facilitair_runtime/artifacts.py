"""Artifacts: blobs named by their content, and the texts that are too long to travel inline."""

import asyncio
import hashlib
import os
import tempfile
from pathlib import Path
from typing import Final, Protocol

from facilitair_events.errors import KeyFormatError
from facilitair_events.keys import checked_name
from facilitair_events.text import (
    INLINE_LIMIT_BYTES,
    STATE_LIMIT_BYTES,
    Artifact,
    Personal,
    Text,
)
from facilitair_runtime.errors import (
    ArtifactCorruptError,
    ArtifactMissingError,
    ArtifactReferenceError,
)

TEXT: Final = "text/plain; charset=utf-8"
_SCHEME: Final = "artifact:"
_HEX: Final = frozenset("0123456789abcdef")
_DIGEST_CHARS: Final = 64


class ArtifactStore(Protocol):
    """Blobs under ``tenant/collaboration/sha256``."""

    async def put(
        self, *, tenant: str, collaboration: str, content: bytes, media_type: str = TEXT
    ) -> Artifact:
        """Store a blob; it is durable when this returns.

        The same content gives the same artifact, however often and by whomever it is put.
        Raises ArtifactReferenceError for names that cannot be part of a path.
        """
        ...

    async def get(self, artifact: Artifact) -> bytes:
        """The content, checked against the digest of the reference.

        Raises ArtifactReferenceError, ArtifactMissingError or ArtifactCorruptError, which are
        permanent; OSError when the store cannot be read now.
        """
        ...


class DirectoryArtifacts:
    """Artifacts as files under ``root``, for one machine. A file appears whole or not at all."""

    def __init__(self, root: Path) -> None:
        self._root = root

    async def put(
        self, *, tenant: str, collaboration: str, content: bytes, media_type: str = TEXT
    ) -> Artifact:
        digest = hashlib.sha256(content).hexdigest()
        uri = f"{_SCHEME}{tenant}/{collaboration}/{digest}"
        path = self._root.joinpath(*_parts(uri))
        await asyncio.to_thread(_write, path, content)
        return Artifact(uri=uri, sha256=digest, size=len(content), media_type=media_type)

    async def get(self, artifact: Artifact) -> bytes:
        parts = _parts(artifact.uri)
        if parts[-1] != artifact.sha256:
            raise ArtifactReferenceError(uri=artifact.uri, reason="it names another sha256")
        path = self._root.joinpath(*parts)
        try:
            content = await asyncio.to_thread(path.read_bytes)
        except FileNotFoundError:
            raise ArtifactMissingError(uri=artifact.uri) from None
        found = hashlib.sha256(content).hexdigest()
        if found != artifact.sha256:
            raise ArtifactCorruptError(uri=artifact.uri, found=found)
        return content


async def store_text(store: ArtifactStore, tenant: str, collaboration: str, text: str) -> Text:  # noqa: PLR0917 - the path of the blob, then its content
    """Wrap a text by its size: inline, inline and stored, or stored only."""
    content = text.encode()
    inline = Personal(k=None, v=text) if len(content) <= INLINE_LIMIT_BYTES else None
    if len(content) <= STATE_LIMIT_BYTES:
        return Text(size=len(content), text=inline)
    artifact = await store.put(tenant=tenant, collaboration=collaboration, content=content)
    return Text(size=len(content), text=inline, artifact=artifact)


async def load_text(store: ArtifactStore, text: Text) -> str:
    """The string that ``text`` stands for; it reads the store only when there is no inline copy.

    Raises what ``ArtifactStore.get`` does, and ArtifactReferenceError for a text that is neither.
    """
    if text.text is not None:
        return text.text.v
    if text.artifact is None:
        raise ArtifactReferenceError(uri="", reason="the text is neither inline nor stored")
    return (await store.get(text.artifact)).decode()


def _parts(uri: str) -> tuple[str, str, str]:
    """Tenant, collaboration and digest; nothing else can become a path below the root."""
    if not uri.startswith(_SCHEME):
        raise ArtifactReferenceError(uri=uri, reason=f"it does not begin with {_SCHEME}")
    parts = uri.removeprefix(_SCHEME).split("/")
    if len(parts) != 3:  # noqa: PLR2004 - tenant, collaboration, digest
        raise ArtifactReferenceError(uri=uri, reason="it is not tenant/collaboration/sha256")
    tenant, collaboration, digest = parts
    try:
        checked_name("tenant", tenant)
        checked_name("collaboration", collaboration)
    except KeyFormatError as error:
        raise ArtifactReferenceError(uri=uri, reason=str(error)) from error
    if len(digest) != _DIGEST_CHARS or not _HEX.issuperset(digest):
        raise ArtifactReferenceError(uri=uri, reason="it ends with no sha256")
    return tenant, collaboration, digest


def _write(path: Path, content: bytes) -> None:
    """Make the blob durable before its name exists, then the name."""
    if path.exists() and path.stat().st_size == len(content):
        return
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    handle, temporary = tempfile.mkstemp(prefix=".", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    for folder in (path.parent, path.parent.parent, path.parent.parent.parent):
        _sync(folder)


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
