"""Settings of the lease: what follows from what, and what is refused."""

from pathlib import Path

import pytest

from facilitair_agent_worker.settings import AgentWorkerSettings
from facilitair_runtime.errors import SettingsError
from facilitair_runtime.settings import load


def test_renewal_tick_and_use_follow_from_the_lease(tmp_path: Path) -> None:
    lease = AgentWorkerSettings(home=tmp_path, lease_s=3).lease
    assert (lease.renew_s, lease.tick_s, lease.use_s, lease.longest_gap_ms) == (1, 1, 1, 1500)


def test_a_renewal_of_its_own_is_used(tmp_path: Path) -> None:
    assert AgentWorkerSettings(home=tmp_path, lease_s=3, renew_s=0.5).lease.renew_s == 0.5


def test_renewals_that_would_be_too_rare_are_refused_by_name(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("FACILITAIR_AGENT_WORKER_LEASE_S", "3")
    monkeypatch.setenv("FACILITAIR_AGENT_WORKER_RENEW_S", "2")
    with pytest.raises(SettingsError, match=r"FACILITAIR_AGENT_WORKER_RENEW_S.*half of lease_s"):
        load(AgentWorkerSettings)


def test_a_wait_for_a_limit_that_is_long_for_the_lease_is_refused_by_name(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("FACILITAIR_AGENT_WORKER_RATES__WAIT_S", "1.5")
    monkeypatch.setenv("FACILITAIR_AGENT_WORKER_LEASE_S", "3")
    with pytest.raises(SettingsError, match=r"FACILITAIR_AGENT_WORKER_LEASE_S.*rates.wait_s"):
        load(AgentWorkerSettings)
    monkeypatch.delenv("FACILITAIR_AGENT_WORKER_LEASE_S")
    monkeypatch.setenv("FACILITAIR_AGENT_WORKER_RATES__WAIT_S", "11")
    with pytest.raises(SettingsError, match=r"LEASE_S.*rates.wait_s"):
        load(AgentWorkerSettings)
    monkeypatch.setenv("FACILITAIR_AGENT_WORKER_RATES__WAIT_S", "1")
    assert load(AgentWorkerSettings).admission.wait_s == 1
