"""``doctor``: what of this machine would keep a run or a fleet from working, and what to do."""

import asyncio
import os
import shutil
import sys
from collections.abc import Callable, Mapping
from typing import Final

import msgspec

from facilitair_cli.announcements import find
from facilitair_cli.clusters import asked_cluster
from facilitair_cli.doctor_models import agent_models, default_model
from facilitair_cli.errors import CommandError, StartError
from facilitair_cli.exits import ExitCode
from facilitair_cli.finding import Finding
from facilitair_cli.fleet.needs import check_port, has_kafka
from facilitair_cli.locating import locate
from facilitair_cli.probing import probe
from facilitair_cli.screens import json_text
from facilitair_cli.service_settings import read_settings
from facilitair_cli.state_folder import STATE_VERSION, StateFolder, check_version
from facilitair_cli.talking import conversation
from facilitair_events.layout import topics_dir
from facilitair_events.registry import Registry
from facilitair_messaging.errors import MessagingError
from facilitair_native.errors import MissingProgramError
from facilitair_native.programs import find_java, find_maven
from facilitair_runtime.cluster import ClusterSettings
from facilitair_runtime.errors import SettingsError
from facilitair_runtime.settings import read

_PYTHON: Final = (3, 11)
_MIB: Final = 1024 * 1024
_LITTLE_MIB: Final = 2048
_TOO_LITTLE_MIB: Final = 256


async def doctor(folder: StateFolder, *, as_json: bool) -> int:
    """Look at everything and tell; exit code 1 when something fails."""
    environ = os.environ
    findings = [check(folder, environ) for check in _CHECKS]
    findings += agent_models(environ)
    findings.append(await cluster(environ))
    findings += await asyncio.to_thread(services, folder)
    findings += await logic(folder, environ)
    if as_json:
        sys.stdout.write(json_text([msgspec.to_builtins(one) for one in findings]) + "\n")
    else:
        sys.stdout.write("".join(_line(one) for one in findings))
    failed = any(one.level == "fail" for one in findings)
    return ExitCode.FAILED if failed else ExitCode.DONE


def python(_folder: StateFolder, _environ: Mapping[str, str]) -> Finding:
    """The Python that runs this."""
    found = f"{sys.version_info.major}.{sys.version_info.minor}.{sys.version_info.micro}"
    if sys.version_info[:2] == _PYTHON:
        return Finding(name="python", level="ok", found=found)
    remedy = "install Python 3.11, then `make clean init`"
    return Finding(name="python", level="fail", found=found, remedy=remedy)


def state(folder: StateFolder, _environ: Mapping[str, str]) -> Finding:
    """Whether this version can use the state folder."""
    try:
        version = check_version(folder)
    except CommandError as error:
        return Finding(name="state", level="fail", found=str(error))
    if version is None:
        return Finding(name="state", level="ok", found=f"{folder.root} is made by the first run")
    found = f"{folder.root}, version {version} (this one writes {STATE_VERSION})"
    if not os.access(folder.root, os.W_OK):
        remedy = "let this user write there, or set FACILITAIR_HOME to another folder"
        return Finding(
            name="state", level="fail", found=f"{folder.root} is read-only", remedy=remedy
        )
    return Finding(name="state", level="ok", found=found)


def disk(folder: StateFolder, _environ: Mapping[str, str]) -> Finding:
    """Room for the log where the state lies."""
    place = folder.root
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free // _MIB
    found = f"{free:,} MiB free at {place}"
    remedy = "make room, or set FACILITAIR_HOME to a folder on another disk"
    if free < _TOO_LITTLE_MIB:
        return Finding(name="disk", level="fail", found=found, remedy=remedy)
    if free < _LITTLE_MIB:
        return Finding(name="disk", level="warn", found=found, remedy=remedy)
    return Finding(name="disk", level="ok", found=found)


def settings(_folder: StateFolder, _environ: Mapping[str, str]) -> Finding:
    """Whether every variable can be used."""
    try:
        read_settings(port=None)
    except StartError as error:
        return Finding(name="settings", level="fail", found="; ".join(error.faults))
    return Finding(name="settings", level="ok", found="every FACILITAIR_* variable is understood")


def model(_folder: StateFolder, environ: Mapping[str, str]) -> Finding:
    """Which model agents run on that name none."""
    return default_model(environ)


def port(folder: StateFolder, _environ: Mapping[str, str]) -> Finding:
    """Whether the API can listen where it is to."""
    up = find(folder.gateway)
    if up is not None:
        return Finding(name="port", level="ok", found=f"Facilitair is up on {up.url}")
    try:
        gateway = read_settings(port=None).gateway
    except StartError:
        return Finding(name="port", level="warn", found="not known: the settings are wrong")
    fault = check_port(gateway.host, gateway.port)
    if fault is not None:
        return Finding(name="port", level="fail", found=fault)
    return Finding(name="port", level="ok", found=f"{gateway.host}:{gateway.port} is free")


def java(_folder: StateFolder, environ: Mapping[str, str]) -> Finding:
    """For a Kafka of our own."""
    try:
        found = find_java(needed_for="a fleet", path=environ.get("PATH"))
    except MissingProgramError as error:
        return Finding(name="java", level="warn", found=str(error))
    return Finding(name="java", level="ok", found=str(found))


def maven(_folder: StateFolder, environ: Mapping[str, str]) -> Finding:
    """For fetching Kafka, once."""
    if has_kafka(environ):
        return Finding(name="maven", level="ok", found="not needed: Kafka is in the cache")
    try:
        found = find_maven(needed_for="fetching Kafka for a fleet", path=environ.get("PATH"))
    except MissingProgramError as error:
        return Finding(name="maven", level="warn", found=str(error))
    return Finding(name="maven", level="ok", found=f"{found}: the first fleet fetches Kafka")


def services(folder: StateFolder) -> list[Finding]:
    """Every service that runs on this machine, and what it says of its own health."""
    findings = []
    for path in sorted(folder.gateway.parent.glob("*.ops.json")):
        announced = find(path)
        if announced is None:
            continue
        name = path.name.removesuffix(".ops.json")
        ready, live = probe(announced.url, "/ready"), probe(announced.url, "/live")
        if not live.holds:
            log = folder.logs / ("solo.log" if find(folder.solo) else f"{name}.log")
            remedy = f"it is restarted when that lasts; its log is {log}"
            findings.append(Finding(name=name, level="fail", found=live.why, remedy=remedy))
        elif not ready.holds:
            findings.append(Finding(name=name, level="warn", found=f"not ready: {ready.why}"))
        else:
            findings.append(Finding(name=name, level="ok", found="live and ready"))
    return findings


async def logic(folder: StateFolder, environ: Mapping[str, str]) -> list[Finding]:
    """The version of the reducer that a running system keeps; nothing where nobody tells."""
    try:
        place = locate(environ, folder)
        if place is None:
            return []
        async with conversation(place) as client:
            told = await client.admin.logic()
    except CommandError:
        return []  # its own finding says what is wrong with the gateway, or it is not for us
    if told.known <= told.active:
        return [Finding(name="logic", level="ok", found=f"{told.active} is active, the newest")]
    found = f"{told.active} is active; the gateway knows up to {told.known}"
    remedy = (
        "once every orchestrator and agent worker is upgraded:"
        f" facilitair logic activate {told.known}"
    )
    return [Finding(name="logic", level="warn", found=found, remedy=remedy)]


async def cluster(_environ: Mapping[str, str]) -> Finding:
    """The Kafka cluster that the environment names, if any."""
    try:
        given = read(ClusterSettings)
        if given.bootstrap_servers is None:
            found = "none is named: `up --fleet` starts a Kafka here"
            return Finding(name="cluster", level="ok", found=found)
        bootstrap, registry = given.bootstrap_servers, Registry.load(topics_dir())
        async with asked_cluster(bootstrap, registry, settings=given) as log:
            drift = await log.admin().config_drift(registry.topics.values())
    except SettingsError as error:
        return Finding(name="cluster", level="fail", found="; ".join(error.faults))
    except MessagingError as error:
        return Finding(name="cluster", level="fail", found=str(error))
    if drift:
        found = f"{bootstrap} answers; settings differ: {', '.join(sorted(drift))}"
        remedy = "`facilitair topics apply` tells each difference"
        return Finding(name="cluster", level="warn", found=found, remedy=remedy)
    return Finding(name="cluster", level="ok", found=f"{bootstrap} answers")


_CHECKS: Final[tuple[Callable[[StateFolder, Mapping[str, str]], Finding], ...]] = (
    python,
    state,
    disk,
    settings,
    model,
    port,
    java,
    maven,
)


def _line(finding: Finding) -> str:
    remedy = f" ({finding.remedy})" if finding.remedy else ""
    return f"{finding.level:<4}  {finding.name:<14}  {finding.found}{remedy}\n"
