"""Plans and loads follow from their seed alone."""

from collections import Counter

import pytest

from facilitair_testing.chaos.budgets import BUDGETS
from facilitair_testing.chaos.faults import EVERYBODY, KINDS, MEANS
from facilitair_testing.chaos.injectors import INJECTORS
from facilitair_testing.chaos.loads import L0, L1, LM, LOADS, TENANTS, asked
from facilitair_testing.chaos.planning import (
    READERS,
    REDUCERS,
    SERVICES,
    SESSION_S,
    kills,
    plan,
)
from facilitair_testing.chaos.results import LEAST_FAULTS
from facilitair_testing.chaos.running import faults_of

SEEDS = range(1, 21)
SYSTEMS = ("solo", "kafka")


@pytest.mark.parametrize("system", SYSTEMS)
def test_the_same_seed_is_the_same_plan_and_another_is_another(system):
    plans = [plan(seed, system=system) for seed in SEEDS]
    assert plans == [plan(seed, system=system) for seed in SEEDS]
    assert len({str([*map(str, one)]) for one in plans}) == len(plans)


def test_the_two_systems_have_plans_of_their_own():
    assert plan(1, system="solo") != plan(1, system="kafka")


@pytest.mark.parametrize("system", SYSTEMS)
def test_a_plan_has_more_faults_than_a_run_needs_and_each_can_be_injected(system):
    for seed in SEEDS:
        faults = plan(seed, system=system)
        possible = [fault for fault in faults if fault.kind not in {"skew", "disk_full"}]
        assert len(possible) >= LEAST_FAULTS, "a machine without cc and mount has void runs"
        assert len(faults) >= LEAST_FAULTS + 3
        assert {fault.kind for fault in faults} <= INJECTORS[system].keys()


def test_every_kind_of_a_system_is_in_the_plans_of_twenty_seeds():
    for system in SYSTEMS:
        planned = {fault.kind for seed in SEEDS for fault in plan(seed, system=system)}
        assert planned == set(INJECTORS[system])


def test_every_kind_of_fault_is_explained():
    assert set(MEANS) == set(KINDS)
    assert {kind for injectors in INJECTORS.values() for kind in injectors} == set(KINDS)


def test_a_pause_ends_within_the_session_and_a_freeze_does_not():
    faults = [fault for seed in SEEDS for fault in plan(seed, system="kafka")]
    assert all(fault.for_s < SESSION_S for fault in faults if fault.kind == "pause")
    assert all(fault.for_s > SESSION_S for fault in faults if fault.kind == "freeze")


@pytest.mark.parametrize("load", [L0, L1], ids=lambda load: load.name)
def test_a_load_is_what_the_catalogue_says(load):
    everything = [one for seed in SEEDS for one in asked(load, seed=seed, waves=14)]
    count = len(everything)
    assert count == load.collaborations * len(SEEDS)
    assert len({one.tenant for one in everything}) == TENANTS
    share = Counter(
        cancel=sum(one.cancel_after is not None for one in everything),
        twice=sum(one.twice for one in everything),
        drop=sum(bool(one.drop_after) for one in everything),
    )
    assert share["cancel"] / count == pytest.approx(0.10, abs=0.03)
    assert share["twice"] / count == pytest.approx(0.05, abs=0.03)
    assert share["drop"] / count == pytest.approx(0.30, abs=0.05)
    assert {one.wave for one in everything} == set(range(14))


def test_the_same_seed_is_the_same_load():
    assert asked(L0, seed=3, waves=5) == asked(L0, seed=3, waves=5)
    assert asked(L0, seed=3, waves=5) != asked(L0, seed=4, waves=5)
    assert len({one.key for one in asked(L1, seed=3, waves=5)}) == L1.collaborations


@pytest.mark.parametrize("system", SYSTEMS)
def test_a_load_of_money_has_deaths_enough_and_nothing_else(system):
    faults = faults_of(1, system=system, load=LM)
    assert faults == kills(1, system=system, count=LM.kills)
    assert {fault.kind for fault in faults} == {"kill"}
    assert LM.collaborations == LM.least_in_flight == 200
    assert (len(faults) == LM.kills) is (system == "solo")
    assert faults != faults_of(2, system=system, load=LM)


def test_every_service_dies_and_every_reducer_loses_its_state():
    killed = {fault.target for fault in kills(1, system="kafka", count=10 * LM.kills)}
    members = {f"{service}-{number}" for service in SERVICES for number in range(2)}
    assert killed == members | set(SERVICES) | {EVERYBODY}
    planned = [fault for seed in range(1, 61) for fault in plan(seed, system="kafka")]
    assert {f.target for f in planned if f.kind == "state_lost"} == set(REDUCERS)
    assert {f.target for f in planned if f.kind == "reset_group"} == set(READERS)


def test_a_quarter_of_the_providers_answers_of_a_load_of_money_go_wrong():
    tasks = [one.task for seed in SEEDS for one in asked(LM, seed=seed, waves=LM.kills)]
    wrong = [task for task in tasks if "[[simulator:" in task]
    assert len(wrong) / len(tasks) == pytest.approx(0.25, abs=0.03)
    assert not any("[[simulator:" in one.task for one in asked(L1, seed=1, waves=14))


def test_every_tenant_of_a_load_has_a_budget_with_a_hard_limit():
    tenants = {one.tenant for load in LOADS.values() for one in asked(load, seed=1, waves=5)}
    assert tenants == set(BUDGETS)
    for budget in BUDGETS.values():
        assert any(limit.get("kind", "hard") == "hard" for limit in budget["limits"])
