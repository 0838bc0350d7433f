"""What the tenants of a load may spend: one has room, the others meet their limits on the way."""

from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any, Final

import aiohttp

from facilitair_testing.eventually import eventually

_SET_S: Final = 60.0

BUDGETS: Final[Mapping[str, Mapping[str, Any]]] = {
    "tenant-0": {
        "limits": [{"scope": "tenant", "window": "month", "usd": "1000"}],
    },
    # A few calls at once, and most of a load's in all.
    "tenant-1": {
        "timezone": "Pacific/Auckland",
        "limits": [
            {"scope": "tenant", "window": "day", "usd": "2"},
            {"scope": "tenant", "window": "month", "usd": "0.05", "kind": "warning"},
        ],
    },
    # Few at once: the others wait for a slot.
    "tenant-2": {
        "slots": {"interactive": 2, "batch": 1},
        "limits": [{"scope": "collaboration", "window": "total", "usd": "0.40"}],
    },
    # One agent runs dry before the others do.
    "tenant-3": {
        "timezone": "America/New_York",
        "limits": [
            {"scope": "agent", "window": "total", "usd": "0.80", "name": "documenter"},
            {"scope": "project", "window": "month", "usd": "20"},
            {"scope": "key", "window": "day", "usd": "20"},
        ],
    },
}


async def settled(url: Callable[[], str], *, admin_key: str) -> None:
    """Wait until the accounts of a load have closed everything. Raises ConditionNotMetError."""
    headers = {"authorization": f"Bearer {admin_key}"}
    async with aiohttp.ClientSession(headers=headers) as http:
        for tenant in BUDGETS:

            async def closed(tenant: str = tenant) -> bool:
                path = f"{url()}/v1/admin/tenants/{tenant}/budget"
                try:
                    async with http.get(path) as got:
                        answer = await got.json()
                except (aiohttp.ClientError, TimeoutError, OSError, ValueError):
                    return False
                return got.status == HTTPStatus.OK and answer["open_collaborations"] == 0

            await eventually(closed, timeout_s=_SET_S, what=f"the account of {tenant} is closed")


async def set_budgets(url: str, *, admin_key: str) -> None:
    """Set the budgets of the tenants of a load. Raises ConditionNotMetError."""
    headers = {"authorization": f"Bearer {admin_key}"}
    async with aiohttp.ClientSession(headers=headers) as http:
        for tenant, budget in BUDGETS.items():
            path = f"{url}/v1/admin/tenants/{tenant}/budget"

            async def accepted(path: str = path, budget: Mapping[str, Any] = budget) -> bool:
                key = {"idempotency-key": f"budget-{path.rsplit('/', 2)[1]}"}
                async with http.put(path, json=budget, headers=key) as got:
                    if HTTPStatus.BAD_REQUEST <= got.status < HTTPStatus.INTERNAL_SERVER_ERROR:
                        raise AssertionError(await got.text())
                    return got.status == HTTPStatus.OK

            await eventually(accepted, timeout_s=_SET_S, what=f"the budget of {tenant}")
