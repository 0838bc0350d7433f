"""Settings of the embedded log."""

from pathlib import Path

import pytest

from facilitair_events.registry import Registry
from facilitair_runtime.errors import SettingsError
from facilitair_runtime.log_file import LogSettings, open_log
from facilitair_runtime.settings import load


def test_slow_commits_are_for_tests_alone(monkeypatch) -> None:
    monkeypatch.setenv("FACILITAIR_LOG_SLOW_COMMITS", "/a/dial")
    with pytest.raises(SettingsError, match=r"FACILITAIR_LOG_SLOW_COMMITS.*FACILITAIR_TESTING=1"):
        load(LogSettings)
    monkeypatch.setenv("FACILITAIR_TESTING", "1")
    assert load(LogSettings).slow_commits == Path("/a/dial")


async def test_slow_commits_slow_the_log(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("FACILITAIR_TESTING", "1")
    dial = tmp_path / "dial"
    dial.write_text("1")
    monkeypatch.setenv("FACILITAIR_LOG_SLOW_COMMITS", str(dial))
    async with open_log(tmp_path, Registry({}), settings=load(LogSettings)):
        pass
    assert (tmp_path / "dial.felt").exists()
