"""Ends processes that run and get nowhere; their keepers start them again (I14)."""

import asyncio
import time
from collections.abc import Sequence
from typing import Final

from facilitair_cli.announcements import find
from facilitair_cli.fleet.keeping import Keeper, Tell
from facilitair_cli.probing import PROBE_S, Probed, probe
from facilitair_cli.state_folder import StateFolder
from facilitair_runtime.supervisor_settings import SupervisorSettings

_STACKS_S: Final = 1.0
"""How long a process may take to write down where it hangs."""


class Verdict:
    """What is known of one process, from the answers to ``/live``. Pure; the time is passed in.

    It counts the time between answers, and not more for one than a question can take: a launcher
    that stood still itself has seen nothing.
    """

    def __init__(self, settings: SupervisorSettings) -> None:
        self._settings = settings
        self._longest_s = settings.probe_s + PROBE_S
        self._heard_at: float | None = None
        self._silent_s = 0.0
        self._failing_s = 0.0

    def forget(self) -> None:
        """It is another process now, or one that is being started."""
        self._heard_at = None
        self._silent_s = self._failing_s = 0.0

    def hear(self, probed: Probed, *, now: float) -> str | None:
        """Take an answer, or that there was none; why the process must end, or None."""
        passed_s = 0.0 if self._heard_at is None else min(now - self._heard_at, self._longest_s)
        self._heard_at = now
        self._silent_s = 0.0 if probed.answered else self._silent_s + passed_s
        self._failing_s = 0.0 if probed.holds else self._failing_s + passed_s
        if self._silent_s >= self._settings.unanswered_s:
            return f"does not answer for {self._silent_s:.0f} s"
        if probed.answered and self._failing_s >= self._settings.failing_s:
            return f"is not live for {self._failing_s:.0f} s: {probed.why}"
        return None


async def end_wedged(
    folder: StateFolder, keepers: Sequence[Keeper], *, settings: SupervisorSettings, tell: Tell
) -> None:
    """Watch all members until cancelled. A process that is being started is left in peace."""
    async with asyncio.TaskGroup() as tasks:
        for keeper in keepers:
            tasks.create_task(_watch(folder, keeper, settings=settings, tell=tell))


async def _watch(
    folder: StateFolder, keeper: Keeper, *, settings: SupervisorSettings, tell: Tell
) -> None:
    verdict, pid = Verdict(settings), keeper.pid
    while True:
        await asyncio.sleep(settings.probe_s)
        announced = find(folder.ops(keeper.member.name))
        if keeper.pid is None or announced is None or announced.pid != keeper.pid:
            verdict.forget()
            continue
        if keeper.pid != pid:
            verdict.forget()
            pid = keeper.pid
        probed = await asyncio.to_thread(probe, announced.url, "/live")
        reason = verdict.hear(probed, now=time.monotonic())
        if reason is not None and keeper.pid == pid:
            tell(f"{keeper.member.name} {reason}; it is killed and started again")
            await keeper.end_wedged(stacks_s=_STACKS_S)
            verdict.forget()
