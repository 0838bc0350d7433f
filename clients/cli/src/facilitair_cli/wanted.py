"""What ``run`` was asked for."""

from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path

from msgspec import Struct


class Wanted(Struct, frozen=True, kw_only=True):
    """One collaboration to run; with ``out`` its texts and files are written there.

    ``budget`` is the most that it may cost, in USD.
    """

    task: str
    workflow: str
    inputs: Mapping[str, str]
    models: Mapping[str, str]
    out: Path | None = None
    budget: Decimal | None = None
    force: bool = False
    detach: bool = False
    as_json: bool = False
