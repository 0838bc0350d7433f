"""A quiet tenant beside a noisy one, whose many tasks wait: fairness by slots (R26).

Both ask the same solo, whose model takes its time. The quiet tenant asks for one collaboration
after the other, alone at first, then while ten thousand of the noisy tenant wait for a slot, and
some of its batch class for one of theirs.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from http import HTTPStatus
from pathlib import Path
from secrets import token_hex
from tempfile import TemporaryDirectory
from typing import Any, Final

import aiohttp

from benchmarks.bench import Bench
from benchmarks.readings import Reading, percentile
from facilitair_testing.chaos.preparing import issue_keys, session_for
from facilitair_testing.solo import SoloProcess

QUEUED: Final = 10_000
BATCH: Final = 50
ASKED: Final = 60
AT_ONCE: Final = 24
GOAL_TIMES: Final = 1.3
NOISY_SLOTS: Final = {"interactive": 4, "batch": 1}
TASK: Final = "Say what a keyed log is."
_TTFT_MS: Final = 300
_TOKENS_PER_S: Final = 60
_TERMINAL: Final = b"event: collaboration."
_PENDING: Final = frozenset({"queued", "accepted", "running"})


def measure(bench: Bench) -> list[Reading]:
    """One solo with two tenants. Raises ValueError when the crowd had gone before the end."""
    return asyncio.run(_measure(bench))


async def _measure(bench: Bench) -> list[Reading]:
    queued, batch, count = bench.pick((QUEUED, BATCH, ASKED), quick=(20, 2, 3))
    async with _solo() as (url, quiet, noisy):
        alone = await _times(url, quiet, count=count)
        at_once = asyncio.Semaphore(AT_ONCE)
        crowd = await _asked(url, noisy, count=queued, at_once=at_once)
        late = await _asked(url, noisy, count=batch, at_once=at_once, priority="batch")
        beside = await _times(url, quiet, count=count)
        ended = await _ended(late, url=url, tenant=noisy)
        if not bench.quick and await _ended(crowd[-1:], url=url, tenant=noisy):
            raise ValueError(crowd[-1])  # nobody was left to wait: nothing was measured
    before, after = percentile(alone, 0.95), percentile(beside, 0.95)
    many = f"{queued:,} tasks of another tenant that wait"
    return [
        Reading("a collaboration of a quiet tenant alone, p95", before * 1000, "ms"),
        Reading(f"the same beside {many}, p95", after * 1000, "ms"),
        Reading("how many times as long that is", after / before, "x", GOAL_TIMES),
        Reading("batch collaborations of the noisy tenant that ended", ended, "", 1, least=True),
    ]


@asynccontextmanager
async def _solo() -> AsyncIterator[tuple[str, aiohttp.ClientSession, aiohttp.ClientSession]]:
    """A solo with an administrator, and the sessions of its two tenants."""
    admin_key = token_hex(20)
    with TemporaryDirectory(prefix="facilitair-bench-") as name:
        solo = SoloProcess(
            Path(name) / "home",
            ttft_ms=_TTFT_MS,
            tokens_per_s=_TOKENS_PER_S,
            log=Path(name) / "solo.log",
            variables={"FACILITAIR_GATEWAY_ADMIN_KEY": admin_key},
        )
        try:
            await solo.start()
            keys = await issue_keys([solo.url], admin_key=admin_key)
            await _set_slots(solo.url, "tenant-1", admin_key=admin_key)
            async with (
                session_for(keys["tenant-0"]) as quiet,
                session_for(keys["tenant-1"]) as noisy,
            ):
                yield solo.url, quiet, noisy
        finally:
            await solo.stop()


async def _set_slots(url: str, tenant: str, *, admin_key: str) -> None:
    async with (
        session_for(admin_key) as http,
        http.put(f"{url}/v1/admin/tenants/{tenant}/budget", json={"slots": NOISY_SLOTS}) as got,
    ):
        await _checked(got, wanted=HTTPStatus.OK)


async def _times(url: str, tenant: aiohttp.ClientSession, *, count: int) -> list[float]:
    """Seconds from asking to the terminal frame, of one after the other."""
    return [await _watched(url, tenant) for _ in range(count)]


async def _watched(url: str, tenant: aiohttp.ClientSession) -> float:
    began = time.perf_counter()
    ident = await _ask(url, tenant)
    async with tenant.get(f"{url}/v1/collaborations/{ident}/stream") as got:
        async for line in got.content:
            if line.startswith(_TERMINAL) and b"accepted" not in line:
                break
    return time.perf_counter() - began


async def _asked(
    url: str,
    tenant: aiohttp.ClientSession,
    *,
    count: int,
    at_once: asyncio.Semaphore,
    priority: str = "interactive",
) -> list[str]:
    """Ask for many and watch none."""

    async def one() -> str:
        async with at_once:
            return await _ask(url, tenant, priority=priority)

    return list(await asyncio.gather(*(one() for _ in range(count))))


async def _ask(url: str, tenant: aiohttp.ClientSession, *, priority: str = "interactive") -> str:
    body = {"task": TASK, "workflow": "answer", "priority": priority}
    async with tenant.post(f"{url}/v1/collaborations", json=body) as got:
        return str((await _checked(got, wanted=HTTPStatus.ACCEPTED))["id"])


async def _ended(idents: Sequence[str], *, url: str, tenant: aiohttp.ClientSession) -> int:
    """How many of them have ended."""
    ended = 0
    for ident in idents:
        async with tenant.get(f"{url}/v1/collaborations/{ident}") as got:
            status = (await _checked(got, wanted=HTTPStatus.OK))["status"]
            ended += status not in _PENDING
    return ended


async def _checked(got: aiohttp.ClientResponse, *, wanted: HTTPStatus) -> dict[str, Any]:
    answer: dict[str, Any] = await got.json()
    if got.status != wanted:
        raise ValueError(answer)
    return answer
