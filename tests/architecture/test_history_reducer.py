"""The history checker replays with the reducer that the orchestrator runs."""

from dataclasses import fields
from pathlib import Path

from facilitair_orchestrator.app import build_reducer
from facilitair_runtime.artifacts import DirectoryArtifacts
from facilitair_testing.history.replaying import REDUCER

DIFFERENT = {"prepare", "logic_of_state"}
"""How artifacts are loaded differs; the other is a lambda in both."""


def test_it_is_composed_alike(tmp_path: Path) -> None:
    real = build_reducer(DirectoryArtifacts(tmp_path))
    for field in fields(real):
        if field.name not in DIFFERENT:
            assert getattr(REDUCER, field.name) == getattr(real, field.name), field.name
