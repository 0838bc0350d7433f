"""One set of services for all tests of a module."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.poison.world import World, embedded_world


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    async with embedded_world(tmp_path_factory.mktemp("poison")) as running:
        yield running
