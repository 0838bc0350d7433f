"""The history checker replays with the reducers that orchestrator and accounts run."""

from dataclasses import fields
from pathlib import Path

from facilitair_accounts.app import build_reducer as build_accounts
from facilitair_orchestrator.app import build_reducer as build_orchestrator
from facilitair_runtime.artifacts import DirectoryArtifacts
from facilitair_runtime.keyed_reducer import Reducer
from facilitair_testing.history.account_replaying import ACCOUNTS
from facilitair_testing.history.replaying import REDUCER

DIFFERENT = {"prepare", "logic_of_state", "key_of", "owner_of"}
"""How artifacts are loaded differs; the others are small functions of either."""


def differences(one: Reducer, other: Reducer) -> list[str]:
    names = [field.name for field in fields(one) if field.name not in DIFFERENT]
    return [name for name in names if getattr(one, name) != getattr(other, name)]


def test_collaborations_are_replayed_as_they_are_decided(tmp_path: Path) -> None:
    assert differences(REDUCER, build_orchestrator(DirectoryArtifacts(tmp_path))) == []


def test_accounts_are_replayed_as_they_are_decided() -> None:
    assert differences(ACCOUNTS, build_accounts()) == []
    assert ACCOUNTS.owner_of("acme") == build_accounts().owner_of("acme")


def test_a_reducer_that_is_composed_otherwise_is_told() -> None:
    assert "inbox" in differences(ACCOUNTS, REDUCER)
