"""What a run needs before its load: definitions, tenants and keys."""

import shutil
from collections.abc import Sequence
from http import HTTPStatus
from pathlib import Path
from typing import Final

import aiohttp

from facilitair_events.layout import checkout_root
from facilitair_testing.chaos.loads import TENANTS, WORKFLOW
from facilitair_testing.eventually import eventually

_PREPARE_S: Final = 60.0
_TRIO: Final = f"""\
workflow: {WORKFLOW}
description: Three agents, one after the other.
timeout: 1h
output: documenter
steps:
  - id: architect
    agent: architect
    input: "{{{{ task }}}}"
    timeout: 10m
    on_error: {{retry: {{max_lost: 30}}}}
  - id: coder
    agent: coder
    needs: [architect]
    input: "{{{{ task }}}} {{{{ outputs.architect }}}}"
    timeout: 10m
    on_error: {{retry: {{max_lost: 30}}}}
  - id: documenter
    agent: documenter
    needs: [coder]
    input: "{{{{ task }}}} {{{{ outputs.coder }}}}"
    timeout: 10m
    on_error: {{retry: {{max_lost: 30}}}}
"""


def write_definitions(folder: Path) -> None:
    """The checkout's agents, prompts and models, and the workflow of the loads."""
    for kind in ("agents", "prompts", "models"):
        shutil.copytree(checkout_root() / kind, folder / kind, dirs_exist_ok=True)
    workflows = folder / "workflows"
    workflows.mkdir(parents=True, exist_ok=True)
    (workflows / f"{WORKFLOW}.yaml").write_text(_TRIO, encoding="utf-8")


async def issue_keys(urls: Sequence[str], *, admin_key: str) -> dict[str, str]:
    """Create the tenants of the loads; returns a key for each, which every gateway knows."""
    keys = {}
    async with aiohttp.ClientSession(headers=_bearer(admin_key)) as http:
        for number in range(TENANTS):
            tenant = f"tenant-{number}"
            await _post(http, f"{urls[0]}/v1/admin/tenants", {"tenant": tenant})
            issued = await _post(http, f"{urls[0]}/v1/admin/keys", {"tenant": tenant})
            keys[tenant] = str(issued["key"])
    async with aiohttp.ClientSession() as http:
        for url in urls:
            for key in keys.values():

                async def known(url: str = url, key: str = key) -> bool:
                    async with http.get(f"{url}/v1/me", headers=_bearer(key)) as got:
                        return got.status == HTTPStatus.OK

                await eventually(known, timeout_s=_PREPARE_S, what="keys known to all gateways")
    return keys


async def _post(http: aiohttp.ClientSession, url: str, body: dict[str, str]) -> dict[str, object]:  # noqa: PLR0917 - who, where, what
    async with http.post(url, json=body) as got:
        answer: dict[str, object] = await got.json()
        if got.status != HTTPStatus.CREATED:
            raise AssertionError(answer)
        return answer


def session_for(key: str) -> aiohttp.ClientSession:
    """Connections with a tenant's key, as many as are needed."""
    return aiohttp.ClientSession(
        headers=_bearer(key), connector=aiohttp.TCPConnector(limit=0, force_close=True)
    )


def _bearer(key: str) -> dict[str, str]:
    return {"authorization": f"Bearer {key}"}
