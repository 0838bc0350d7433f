from pathlib import Path

import pytest

from facilitair_llm.simulator.settings import (
    SimulatorSettings,
    SimulatorSettingsError,
    read_settings,
)


def test_without_variables_the_defaults_hold():
    assert read_settings({"PATH": "/bin", "FACILITAIR_SIMULATOR_PORT": ""}) == SimulatorSettings()


def test_every_setting_is_read():
    assert read_settings(
        {
            "FACILITAIR_SIMULATOR_PORT": "9001",
            "FACILITAIR_SIMULATOR_TTFT_MS": "0",
            "FACILITAIR_SIMULATOR_TOKENS_PER_S": "500",
            "FACILITAIR_SIMULATOR_JOURNAL": "/tmp/j",  # noqa: S108 - only a value here
        }
    ) == SimulatorSettings(port=9001, ttft_ms=0, tokens_per_s=500, journal=Path("/tmp/j"))  # noqa: S108


def test_all_faults_come_at_once():
    with pytest.raises(SimulatorSettingsError) as caught:
        read_settings(
            {
                "FACILITAIR_SIMULATOR_PORT": "70000",
                "FACILITAIR_SIMULATOR_TTFT_MS": "-1",
                "FACILITAIR_SIMULATOR_TOKENS_PER_S": "fast",
                "FACILITAIR_SIMULATOR_TFTT_MS": "1",
            }
        )
    assert len(caught.value.faults) == 4
    assert "FACILITAIR_SIMULATOR_TTFT_MS" in caught.value.faults[3]
