"""What the page of keys and networks names is there, with the defaults that it tells."""

import re
from ipaddress import ip_network
from pathlib import Path

from facilitair_agent_worker.settings import AgentWorkerSettings, ResponsesGroup
from facilitair_gateway.routes.api import providers
from facilitair_llm.network import NetworkRules, refusal
from facilitair_runtime.settings import names
from facilitair_runtime.variables import SHARED_NAMES
from tools.markdown import section

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "how-to" / "keys-and-networks.md").read_text()
UNITS = {"KiB": 1 << 10, "MiB": 1 << 20}


def test_variables_exist() -> None:
    known = names(AgentWorkerSettings) | SHARED_NAMES
    named = set(re.findall(r"\bFACILITAIR_[A-Z_]*[A-Z]", PAGE))
    assert "FACILITAIR_MASTER_KEY_FILE" in named
    assert {name for name in named if not any(each.startswith(name) for each in known)} == set()


def test_defaults_of_responses_are_those_of_the_settings() -> None:
    table = section(PAGE, "How much of a response is read")
    rows = re.findall(r"\| `(MAX_[A-Z_]+)` \| (\d+) (KiB|MiB)", table)
    told = {name.lower(): int(number) * UNITS[unit] for name, number, unit in rows}
    assert told == ResponsesGroup().model_dump()


def test_networks_are_judged_as_told() -> None:
    allowed = NetworkRules(allow_private=True)
    (row,) = re.findall(r"^\| private .*$", PAGE, re.MULTILINE)
    networks = [ip_network(text) for text in re.findall(r"`([\d.:fc]+/\d+)`", row)]
    assert len(networks) == 5
    for network in networks:
        for address in (network[0], network[-1]):
            assert refusal(str(address), NetworkRules()) is not None
            assert refusal(str(address), allowed) is None


def test_routes_are_there() -> None:
    paths = {route.path for route in providers.router.routes}
    told = re.findall(r"`(?:PUT|GET|DELETE) (/v1/providers[^`]*)`", PAGE)
    assert told
    assert set(told) <= paths
