"""``status``: what runs on this machine, solo or fleet."""

import asyncio
import os
import sys
from collections.abc import Mapping
from typing import Any, Final

from facilitair_cli.announcements import Announcement, find
from facilitair_cli.errors import CommandError, KeyNeededError
from facilitair_cli.exits import ExitCode
from facilitair_cli.fleet.watching import memory_mib
from facilitair_cli.locating import locate
from facilitair_cli.probing import probe
from facilitair_cli.screens import json_text
from facilitair_cli.state_folder import StateFolder
from facilitair_cli.talking import conversation

_LAG_S: Final = 3.0
_ACCESS: Final = {
    "open": "open: no API key exists, so programs of this machine are tenant local, as admin",
    "keys": "every request needs an API key",
}


async def status(folder: StateFolder, *, as_json: bool) -> int:
    """Tell what runs here; the exit code is 1 when something of it is not ready."""
    found = _services(folder)
    ready, live = [
        await asyncio.gather(
            *(asyncio.to_thread(probe, service.url, path) for service in found.values())
        )
        for path in ("/ready", "/live")
    ]
    gateway, fleet = find(folder.gateway), find(folder.fleet)
    document = {
        "up": gateway is not None,
        "mode": "fleet" if fleet else "solo" if gateway else None,
        "url": gateway.url if gateway else None,
        "pid": _pid(fleet, gateway),
        "home": str(folder.root),
        "services": [
            {
                "service": name,
                "ready": is_ready.holds,
                "live": is_live.holds,
                "why": is_ready.why or is_live.why or None,
                "url": service.url,
                "pid": service.pid,
                "memory_mib": memory_mib(service.pid),
            }
            for (name, service), is_ready, is_live in zip(found.items(), ready, live, strict=True)
        ],
        "access": await _access(folder) if gateway else None,
        "lag": await _lag(folder) if fleet and gateway else None,
        "simulator": _process(find(folder.simulator)),
        "kafka": _process(find(folder.kafka)),
    }
    sys.stdout.write(json_text(document) + "\n" if as_json else _text(document))
    well = all(probed.holds for probed in (*ready, *live))
    return ExitCode.DONE if gateway and well else ExitCode.FAILED


def _services(folder: StateFolder) -> dict[str, Announcement]:
    return {
        path.name.removesuffix(".ops.json"): announcement
        for path in sorted(folder.gateway.parent.glob("*.ops.json"))
        if (announcement := find(path)) is not None
    }


def _pid(fleet: Announcement | None, gateway: Announcement | None) -> int | None:
    """Who has to be asked to stop."""
    found = fleet or gateway
    return found.pid if found is not None and gateway is not None else None


def _process(found: Announcement | None) -> dict[str, Any] | None:
    if found is None:
        return None
    return {"url": found.url, "pid": found.pid, "memory_mib": memory_mib(found.pid)}


async def _access(folder: StateFolder) -> str | None:
    """``open`` while no API key exists, else ``keys``; None when the gateway does not tell."""
    place = locate(os.environ, folder)
    if place is None:
        return None
    try:
        async with asyncio.timeout(_LAG_S), conversation(place) as client:
            return (await client.admin.me()).access
    except KeyNeededError:
        return "keys"
    except (CommandError, TimeoutError):
        return None


async def _lag(folder: StateFolder) -> dict[str, int] | None:
    """How far each group is behind, as the gateway tells it; None when it does not."""
    place = locate(os.environ, folder)
    if place is None:
        return None
    lag: dict[str, int] = {}
    try:
        async with asyncio.timeout(_LAG_S), conversation(place) as client:
            for row in await client.topics():
                for group, behind in row["lag"].items():
                    lag[group] = lag.get(group, 0) + behind
    except (CommandError, TimeoutError):
        return None
    return lag


def _text(document: Mapping[str, Any]) -> str:
    if document["up"]:
        lines = [f"up on {document['url']}, pid {document['pid']} (state in {document['home']})"]
    else:
        lines = [f"not up (state in {document['home']})"]
    if document["access"] is not None:
        lines.append(f"  {'access':<14} {_ACCESS[document['access']]}")
    is_fleet = document["mode"] == "fleet"
    for service in document["services"]:
        state = "not ready" if not service["ready"] else "ready" if service["live"] else "not live"
        line = f"  {service['service']:<14} {state:<10} ops {service['url']}"
        lines.append(line + (_of_process(service) if is_fleet else ""))
        if service["why"]:
            lines.append(f"  {'':<14} {service['why']}")
    for name, state in (("kafka", "running"), ("simulator", "simulated")):
        place = document[name]
        if place is not None:
            more = _of_process(place) if is_fleet else f", pid {place['pid']}"
            lines.append(f"  {name:<14} {state:<10} {place['url']}{more}")
    if document["lag"] is not None:
        behind = ", ".join(f"{group} {lag}" for group, lag in sorted(document["lag"].items()))
        lines.append(f"  {'lag':<14} {behind or 'nothing was read yet'}")
    return "\n".join(lines) + "\n"


def _of_process(place: Mapping[str, Any]) -> str:
    memory = "" if place["memory_mib"] is None else f", {place['memory_mib']} MiB"
    return f", pid {place['pid']}{memory}"
