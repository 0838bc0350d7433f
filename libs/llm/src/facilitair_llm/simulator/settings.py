"""The simulator's settings, from `FACILITAIR_SIMULATOR_…`."""

from collections.abc import Mapping
from pathlib import Path

from msgspec import Struct

from facilitair_llm.errors import LlmError

PREFIX = "FACILITAIR_SIMULATOR_"
_LIMITS = {"PORT": 65_535, "TTFT_MS": 600_000, "TOKENS_PER_S": 1_000_000}


class SimulatorSettingsError(LlmError):
    """Settings that cannot be used; each of `faults` names one."""

    def __init__(self, *, faults: tuple[str, ...]) -> None:
        self.faults = faults
        super().__init__("; ".join(faults))


class SimulatorSettings(Struct, frozen=True, kw_only=True):
    """`port` 0 takes a free one, `ttft_ms` 0 and `tokens_per_s` 0 mean at once."""

    port: int = 0
    ttft_ms: int = 350
    tokens_per_s: int = 80
    journal: Path | None = None


def read_settings(env: Mapping[str, str]) -> SimulatorSettings:
    """Return the settings; an empty variable counts as unset.

    Raises SimulatorSettingsError with all faults.
    """
    faults: list[str] = []
    found: dict[str, int] = {}
    for name, limit in _LIMITS.items():
        text = env.get(PREFIX + name, "").strip()
        if text.isdecimal() and int(text) <= limit:
            found[name.lower()] = int(text)
        elif text:
            faults.append(f"{PREFIX}{name}={text!r}: expected a whole number from 0 to {limit}")
    known = {PREFIX + name for name in (*_LIMITS, "JOURNAL")}
    faults += [
        f"{name}: there is no such setting; there are {', '.join(sorted(known))}"
        for name in sorted(env)
        if name.startswith(PREFIX) and name not in known
    ]
    if faults:
        raise SimulatorSettingsError(faults=tuple(faults))
    journal = env.get(f"{PREFIX}JOURNAL", "").strip()
    return SimulatorSettings(journal=Path(journal) if journal else None, **found)
