"""Settings are read once, checked whole, and never show a secret."""

from pathlib import Path

import pytest
from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings

from facilitair_runtime.errors import SettingsError
from facilitair_runtime.settings import (
    Home,
    ProcessGroup,
    ReducerGroup,
    config,
    describe,
    load,
    names,
    prefix,
)


class RouterSettings(BaseSettings):
    model_config = config("orchestrator")

    home: Home
    process: ProcessGroup = ProcessGroup()
    reducer: ReducerGroup = ReducerGroup()
    port: int = Field(8080, ge=1, le=65535, description="Where it listens.")
    token: SecretStr | None = Field(None, min_length=4, description="A secret.")


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch):
    import os  # noqa: PLC0415 - only to clean what the machine may have set

    for name in os.environ:
        if name.startswith("FACILITAIR_"):
            monkeypatch.delenv(name)


def test_defaults_need_no_environment():
    settings = load(RouterSettings)
    assert settings.port == 8080
    assert settings.home.name == ".facilitair"
    assert settings.reducer.snapshot_interval_ms == 200


def test_every_kind_of_variable_is_read(monkeypatch):
    monkeypatch.setenv("FACILITAIR_HOME", "/somewhere")
    monkeypatch.setenv("FACILITAIR_ORCHESTRATOR_PORT", "9")
    monkeypatch.setenv("FACILITAIR_ORCHESTRATOR_REDUCER__MAX_RECORDS", "7")
    settings = load(RouterSettings)
    assert (settings.home, settings.port, settings.reducer.max_records) == (
        Path("/somewhere"),
        9,
        7,
    )


def test_all_faults_are_told_at_once_in_the_words_of_the_environment(monkeypatch):
    monkeypatch.setenv("FACILITAIR_ORCHESTRATOR_PORT", "many")
    monkeypatch.setenv("FACILITAIR_ORCHESTRATOR_REDUCER__MAX_RECORDS", "0")
    monkeypatch.setenv("FACILITAIR_ORCHESTRATOR_PORTT", "1")
    monkeypatch.setenv("FACILITAIR_HOEM", "x")
    with pytest.raises(SettingsError) as caught:
        load(RouterSettings)
    told = str(caught.value)
    assert len(caught.value.faults) == 4
    assert "FACILITAIR_ORCHESTRATOR_PORT: " in told
    assert "'many'" in told
    assert "FACILITAIR_ORCHESTRATOR_REDUCER__MAX_RECORDS: " in told
    assert "FACILITAIR_HOEM is not a setting, did you mean FACILITAIR_HOME?" in told
    assert "did you mean FACILITAIR_ORCHESTRATOR_PORT?" in told


def test_a_secret_is_shown_neither_in_faults_nor_in_descriptions(monkeypatch):
    monkeypatch.setenv("FACILITAIR_ORCHESTRATOR_TOKEN", "abc")
    with pytest.raises(SettingsError) as caught:
        load(RouterSettings)
    assert "FACILITAIR_ORCHESTRATOR_TOKEN" in str(caught.value)
    assert "abc" not in str(caught.value)
    monkeypatch.setenv("FACILITAIR_ORCHESTRATOR_TOKEN", "hush-hush")
    shown = [str(setting) for setting in describe(load(RouterSettings))]
    assert not any("hush" in line for line in shown)


def test_variables_of_other_services_are_theirs_until_the_caller_composes_them(monkeypatch):
    monkeypatch.setenv("FACILITAIR_GATEWAY_PORT", "1")
    load(RouterSettings)
    load(RouterSettings, known=frozenset({"FACILITAIR_GATEWAY_PORT"}))
    with pytest.raises(SettingsError, match="FACILITAIR_GATEWAY_PORT is not a setting"):
        load(RouterSettings, known=frozenset())


def test_a_crash_point_is_refused_where_nobody_tests_beside_all_other_faults(monkeypatch):
    monkeypatch.setenv("FACILITAIR_CRASH_AT", "nowhere")
    monkeypatch.setenv("FACILITAIR_ORCHESTRATOR_PORT", "many")
    with pytest.raises(SettingsError) as caught:
        load(RouterSettings)
    assert len(caught.value.faults) == 3
    assert "needs FACILITAIR_TESTING=1" in str(caught.value)
    assert "there is no point 'nowhere'; there are " in str(caught.value)
    monkeypatch.setenv("FACILITAIR_CRASH_AT", "after_claim:2")
    monkeypatch.setenv("FACILITAIR_TESTING", "1")
    monkeypatch.delenv("FACILITAIR_ORCHESTRATOR_PORT")
    load(RouterSettings)


def test_a_group_is_not_one_variable(monkeypatch):
    monkeypatch.setenv("FACILITAIR_ORCHESTRATOR_REDUCER", "{broken")
    with pytest.raises(SettingsError):
        load(RouterSettings)


def test_an_unknown_member_of_a_group_is_refused(monkeypatch):
    monkeypatch.setenv("FACILITAIR_ORCHESTRATOR_REDUCER__MAX_RECORD", "3")
    with pytest.raises(SettingsError, match="REDUCER__MAX_RECORDS"):
        load(RouterSettings)


def test_settings_do_not_change():
    settings = load(RouterSettings)
    with pytest.raises(ValidationError):
        settings.port = 1
    with pytest.raises(ValidationError):
        settings.reducer.max_records = 1


def test_overrides_win_and_unknown_ones_are_refused(monkeypatch):
    monkeypatch.setenv("FACILITAIR_ORCHESTRATOR_PORT", "9")
    assert load(RouterSettings, port=10).port == 10
    with pytest.raises(SettingsError):
        load(RouterSettings, prot=10)


def test_describe_names_value_origin_and_meaning_of_every_setting(monkeypatch):
    monkeypatch.setenv("FACILITAIR_ORCHESTRATOR_PORT", "9")
    shown = {setting.name: setting for setting in describe(load(RouterSettings))}
    assert set(shown) == names(RouterSettings)
    port = shown["FACILITAIR_ORCHESTRATOR_PORT"]
    assert (port.value, port.origin) == ("9", "environment")
    assert shown["FACILITAIR_ORCHESTRATOR_REDUCER__HEARTBEAT_S"].origin == "default"
    assert all(setting.description for setting in shown.values())


def test_the_prefix_follows_from_the_service_id():
    assert prefix("agent-worker") == "FACILITAIR_AGENT_WORKER_"


def test_the_work_deadline_lies_inside_the_grace_period():
    assert ProcessGroup(grace_s=10, reserve_s=2).deadline_s() == 8
    assert ProcessGroup(grace_s=2, reserve_s=3).deadline_s() == 0


class ListedSettings(BaseSettings):
    model_config = config("gateway")

    names: tuple[int | float, ...] = Field((), description="A list.")
    limits: dict[str, int] = Field({}, description="A table.")


def test_a_list_that_is_no_json_is_told_by_its_variable(monkeypatch):
    monkeypatch.setenv("FACILITAIR_GATEWAY_NAMES", "eu")
    monkeypatch.setenv("FACILITAIR_GATEWAY_LIMITS", "a=1")
    with pytest.raises(SettingsError) as caught:
        load(ListedSettings)
    assert list(caught.value.faults) == [
        'FACILITAIR_GATEWAY_NAMES must be JSON such as ["a", "b"], not \'eu\'',
        "FACILITAIR_GATEWAY_LIMITS must be JSON such as {\"a\": …}, not 'a=1'",
    ]


def test_a_member_of_a_list_or_table_is_told_by_its_variable_and_place(monkeypatch):
    monkeypatch.setenv("FACILITAIR_GATEWAY_NAMES", '["x"]')
    monkeypatch.setenv("FACILITAIR_GATEWAY_LIMITS", '{"groq": "many"}')
    with pytest.raises(SettingsError) as caught:
        load(ListedSettings)
    told = [fault.partition(": ")[0] for fault in caught.value.faults]
    assert set(told) == {
        "FACILITAIR_GATEWAY_NAMES (0.int)",
        "FACILITAIR_GATEWAY_NAMES (0.float)",
        "FACILITAIR_GATEWAY_LIMITS (groq)",
    }
