"""Content-addressed blobs: durable, idempotent, checked, and confined to their folder."""

import asyncio
import hashlib

import pytest
from msgspec import structs

from facilitair_events.text import Artifact, Text, inline
from facilitair_runtime.artifacts import DirectoryArtifacts, load_text, store_text
from facilitair_runtime.errors import (
    ArtifactCorruptError,
    ArtifactMissingError,
    ArtifactReferenceError,
)


@pytest.fixture
def store(tmp_path):
    return DirectoryArtifacts(tmp_path / "artifacts")


async def test_a_blob_is_read_back(store, tmp_path):
    artifact = await store.put(tenant="acme", collaboration="c1", content=b"hello")
    assert artifact.sha256 == hashlib.sha256(b"hello").hexdigest()
    assert artifact.size == 5
    assert await store.get(artifact) == b"hello"
    lies_at = tmp_path / "artifacts" / "acme" / "c1" / artifact.sha256
    assert lies_at.read_bytes() == b"hello"


async def test_the_same_content_is_one_file_however_often_it_is_put(store, tmp_path):
    puts = [store.put(tenant="acme", collaboration="c1", content=b"x" * 9000) for _ in range(8)]
    artifacts = await asyncio.gather(*puts)
    assert len(set(map(str, artifacts))) == 1
    assert len(list((tmp_path / "artifacts" / "acme" / "c1").iterdir())) == 1


async def test_a_torn_file_of_the_same_name_is_replaced(store, tmp_path):
    artifact = await store.put(tenant="acme", collaboration="c1", content=b"whole")
    path = tmp_path / "artifacts" / "acme" / "c1" / artifact.sha256
    path.write_bytes(b"wh")
    await store.put(tenant="acme", collaboration="c1", content=b"whole")
    assert await store.get(artifact) == b"whole"


async def test_a_changed_blob_is_refused(store, tmp_path):
    artifact = await store.put(tenant="acme", collaboration="c1", content=b"hello")
    (tmp_path / "artifacts" / "acme" / "c1" / artifact.sha256).write_bytes(b"other")
    with pytest.raises(ArtifactCorruptError):
        await store.get(artifact)


async def test_an_erased_blob_is_missing(store, tmp_path):
    artifact = await store.put(tenant="acme", collaboration="c1", content=b"hello")
    (tmp_path / "artifacts" / "acme" / "c1" / artifact.sha256).unlink()
    with pytest.raises(ArtifactMissingError):
        await store.get(artifact)


@pytest.mark.parametrize(
    ("tenant", "collaboration"),
    [("..", "c1"), ("acme", ".."), ("acme", "a/b"), ("", "c1"), ("/etc", "c1"), ("acme", "a\x00")],
)
async def test_a_name_that_leaves_the_folder_is_refused(store, tmp_path, tenant, collaboration):
    with pytest.raises(ArtifactReferenceError):
        await store.put(tenant=tenant, collaboration=collaboration, content=b"x")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "uri",
    [
        "artifact:acme/../{digest}",
        "artifact:acme/c1/../../../{digest}",
        "artifact:acme/c1/{digest}/..",
        "artifact:acme/c1/short",
        "file:///acme/c1/{digest}",
        "artifact:{digest}",
    ],
)
async def test_a_reference_that_is_no_artifact_is_refused(store, uri):
    digest = hashlib.sha256(b"").hexdigest()
    with pytest.raises(ArtifactReferenceError):
        await store.get(Artifact(uri=uri.format(digest=digest), sha256=digest, size=0))


async def test_a_reference_whose_digest_differs_from_its_name_is_refused(store):
    artifact = await store.put(tenant="acme", collaboration="c1", content=b"hello")
    other = structs.replace(artifact, sha256=hashlib.sha256(b"other").hexdigest())
    with pytest.raises(ArtifactReferenceError):
        await store.get(other)


@pytest.mark.parametrize(
    ("size", "is_inline", "is_stored"),
    [
        (0, True, False),
        (8 * 1024, True, False),
        (8 * 1024 + 1, True, True),
        (64 * 1024, True, True),
        (64 * 1024 + 1, False, True),
    ],
)
async def test_the_size_of_a_text_decides_how_it_travels(store, size, is_inline, is_stored):
    text = await store_text(store, "acme", "c1", "x" * size)
    assert (text.text is not None, text.artifact is not None) == (is_inline, is_stored)
    assert text.size == size
    assert await load_text(store, text) == "x" * size


async def test_sizes_are_counted_in_bytes_not_characters(store):
    text = await store_text(store, "acme", "c1", "ä" * (4 * 1024 + 1))
    assert text.artifact is not None
    assert text.size == 8 * 1024 + 2


async def test_a_text_that_is_nowhere_is_refused(store):
    with pytest.raises(ArtifactReferenceError):
        await load_text(store, Text(size=3))


async def test_an_inline_text_needs_no_store(store):
    assert await load_text(store, inline("hi")) == "hi"
