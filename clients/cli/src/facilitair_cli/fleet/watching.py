"""How the processes of a fleet are: ready or not, how much memory, how far behind."""

import asyncio
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from msgspec import Struct

from facilitair_cli.announcements import find
from facilitair_cli.fleet.keeping import Keeper
from facilitair_cli.probing import is_ready
from facilitair_cli.state_folder import StateFolder

_MIB: Final = 1024 * 1024


class Row(Struct, frozen=True, kw_only=True):
    """One process. ``lag`` is that of its whole group; None where there is none, or not known."""

    name: str
    state: str
    pid: int | None = None
    restarts: int = 0
    lag: int | None = None
    memory_mib: int | None = None
    place: str = ""


async def member_rows(
    folder: StateFolder, keepers: Sequence[Keeper], *, lags: Mapping[str, int]
) -> list[Row]:
    """One row for each member, in their order."""
    return list(await asyncio.gather(*(_row(folder, keeper, lags=lags) for keeper in keepers)))


async def is_up(folder: StateFolder, keeper: Keeper) -> bool:
    """Whether the process that runs now is ready."""
    announced = find(folder.ops(keeper.member.name))
    if announced is None or announced.pid != keeper.pid:
        return False
    return await asyncio.to_thread(is_ready, announced.url)


async def _row(folder: StateFolder, keeper: Keeper, *, lags: Mapping[str, int]) -> Row:
    pid = keeper.pid
    place = find(folder.announcement(keeper.member.name))
    state = "waiting"
    if pid is not None:
        state = "ready" if await is_up(folder, keeper) else "starting"
    return Row(
        name=keeper.member.name,
        state=state,
        pid=pid,
        restarts=keeper.restarts,
        lag=lags.get(keeper.member.service) if keeper.member.number == 0 else None,
        memory_mib=memory_mib(pid),
        place=place.url if place is not None else "",
    )


def memory_mib(pid: int | None) -> int | None:
    """What a process holds in memory; None when it is gone, or the system does not tell."""
    if pid is None:
        return None
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    except (OSError, ValueError, IndexError):
        return None
    return pages * os.sysconf("SC_PAGE_SIZE") // _MIB
