"""A run goes on whatever a fault or the system does, and says so."""

import pytest

from facilitair_native.errors import ServerStateError
from facilitair_testing.chaos import running
from facilitair_testing.chaos.faults import Fault, Landed, NotLandedError, NotPossibleError
from facilitair_testing.eventually import ConditionNotMetError

FAULT = Fault(kind="kill", target="orchestrator", after_s=0)


class System:
    name = "solo"


async def inject(monkeypatch, outcome) -> Landed:
    async def injected(_system, _fault):
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    monkeypatch.setattr(running, "INJECTORS", {"solo": {"kill": injected}})
    return await running._inject(System(), FAULT, at_s=1.0, began=0.0)  # noqa: SLF001 - one step


async def test_a_fault_that_was_seen_has_landed(monkeypatch):
    landed = await inject(monkeypatch, "died")
    assert (landed.evidence, landed.reason, landed.missing) == ("died", None, False)


@pytest.mark.parametrize(
    "error",
    [
        NotLandedError(expected="its end"),
        ConditionNotMetError(what="an end", timeout_s=1, last=None),
        ServerStateError(server="Kafka", reason="does not run"),
        ProcessLookupError(),
        TimeoutError(),
    ],
    ids=lambda error: type(error).__name__,
)
async def test_a_fault_that_was_not_seen_has_not_landed_and_the_run_goes_on(monkeypatch, error):
    landed = await inject(monkeypatch, error)
    assert landed.evidence is None
    assert type(error).__name__ in landed.reason
    assert not landed.missing


async def test_a_fault_that_the_machine_cannot_have_is_missing(monkeypatch):
    landed = await inject(monkeypatch, NotPossibleError(needs="a tmpfs"))
    assert landed.evidence is None
    assert landed.missing


async def test_a_mistake_of_the_test_itself_ends_the_run(monkeypatch):
    with pytest.raises(KeyError):
        await inject(monkeypatch, KeyError("typo"))


@pytest.mark.parametrize(("name", "jumps_ms"), [("solo", 16_000), ("kafka", 0)])
def test_only_the_clock_of_a_log_excuses_its_times(name, jumps_ms):
    system = System()
    system.name = name
    skew = Fault(kind="skew", target="everybody", after_s=0, amount=-8.0)
    landed = [
        Landed(fault=skew, began_s=0, healed_s=1, evidence="felt"),
        Landed(fault=FAULT, began_s=0, healed_s=1, evidence="died"),
    ]
    assert running._jumps_ms(system, landed) == jumps_ms  # noqa: SLF001 - a pure part
    assert running._jumps_ms(system, landed[1:]) == 0  # noqa: SLF001 - as above
