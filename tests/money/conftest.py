"""A system of services in this process, whose model answers when a test lets it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.poison.world import World, embedded_world


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    """All services over one embedded log. Its model is one whose prices are known."""
    async with embedded_world(tmp_path) as running:
        running.model.model = "simulated"
        yield running
