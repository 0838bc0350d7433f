"""The dialect of the documentation, installed as a package would install it."""

import re
from pathlib import Path

import orjson
import pytest
from aiohttp import web

from facilitair_llm.calls import ChatMessage, ChatRequest, Finished, TextDelta
from facilitair_llm.catalog import load_models
from facilitair_llm.clients import build_chat_model
from facilitair_llm.dialect_registry import BUILT_IN, dialect_names, load_dialect
from facilitair_llm.endpoints import resolve_endpoints
from facilitair_llm.errors import CatalogError, DialectError, EndpointsError
from facilitair_llm.providers import NetworkRules, Timeouts, build_session

PAGE = Path(__file__).parents[4] / "docs" / "how-to" / "add-a-dialect.md"
REQUEST = ChatRequest(model="m", messages=(ChatMessage(role="user", content="hi"),))


def block(language):
    return re.search(rf"```{language}\n(.*?)```", PAGE.read_text(), re.DOTALL)[1]


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Put a distribution with these entry points, and perhaps a module, onto the path."""
    site = tmp_path / "site"
    monkeypatch.syspath_prepend(str(site))

    def install(points, *, distribution="tiny", module=None):
        info = site / f"{distribution}-1.0.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1\n")
        lines = "".join(f"{name} = {value}\n" for name, value in points.items())
        (info / "entry_points.txt").write_text(f"[facilitair.dialects]\n{lines}")
        if module is not None:
            (site / "tiny_dialect.py").write_text(module)

    yield install
    monkeypatch.delitem(__import__("sys").modules, "tiny_dialect", raising=False)


@pytest.fixture
async def tiny_server():
    asked = []

    async def say(request):
        asked.append((dict(request.headers), orjson.loads(await request.read())))
        return web.Response(body=b"HEL\nLO\n.\nlater\n", content_type="text/plain")

    app = web.Application()
    app.router.add_post("/say", say)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}", asked
    await runner.cleanup()


async def test_the_documented_dialect_is_installed_and_spoken(install, tiny_server, tmp_path):
    url, asked = tiny_server
    point = re.search(r'^tiny = "(.*)"$', block("toml"), re.MULTILINE)[1]
    install({"tiny": point}, module=block("python"))
    (tmp_path / "tiny.yaml").write_text(block("yaml").replace("http://127.0.0.1:9999", url))
    assert dialect_names() == (*BUILT_IN, "tiny")
    endpoints = resolve_endpoints({"TINY_CLOUD_API_KEY": "k"}, None, directory=tmp_path)
    endpoint = endpoints.by_provider["tiny-cloud"]
    async with build_session(NetworkRules(loopback=True)) as session:
        model = build_chat_model(endpoint, session=session, timeouts=Timeouts())
        chunks = [chunk async for chunk in model.stream(REQUEST, call_id="c", tenant="t")]
    assert chunks == [TextDelta("HEL"), TextDelta("LO"), Finished("stop", None, "m")]
    ((headers, body),) = asked
    assert body == {"model": "m", "say": "HI"}
    assert headers["X-Tiny-Key"] == "k"


def test_an_option_that_the_dialect_does_not_know_is_refused_with_its_place(install, tmp_path):
    install({"tiny": "tiny_dialect:TINY"}, module=block("python"))
    (tmp_path / "tiny.yaml").write_text(block("yaml").replace("shout", "whisper"))
    with pytest.raises(EndpointsError, match=r"tiny.yaml:4: tiny takes no such options.*whisper"):
        resolve_endpoints({}, None, directory=tmp_path)


def test_a_dialect_that_nobody_brings_is_refused_with_those_there_are(tmp_path):
    (tmp_path / "tiny.yaml").write_text(block("yaml"))
    with pytest.raises(CatalogError, match=r"tiny.yaml:2: .*no package brings it.*openai-chat"):
        load_models(tmp_path)


def test_a_built_in_dialect_cannot_be_replaced(install):
    install({"openai-chat": "tiny_dialect:TINY"}, module=block("python"))
    assert load_dialect("openai-chat") is BUILT_IN["openai-chat"]
    assert dialect_names() == tuple(BUILT_IN)


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ("no_such_module:X", "cannot be loaded: ModuleNotFoundError"),
        ("tiny_dialect:NOTHING", "cannot be loaded: AttributeError"),
        ("tiny_dialect:encode", "is not a Dialect with this name"),
    ],
)
def test_a_broken_package_is_told_and_not_a_crash(install, value, problem):
    install({"tiny": value}, module=block("python"))
    with pytest.raises(DialectError, match=problem):
        load_dialect("tiny")


def test_a_dialect_under_another_name_than_its_own_is_refused(install):
    install({"other": "tiny_dialect:TINY"}, module=block("python"))
    with pytest.raises(DialectError, match="is not a Dialect with this name"):
        load_dialect("other")


def test_a_dialect_that_two_packages_bring_is_refused(install):
    install({"tiny": "tiny_dialect:TINY"}, module=block("python"))
    install({"tiny": "tiny_dialect:encode"}, distribution="rival")
    with pytest.raises(DialectError, match="several packages bring it"):
        load_dialect("tiny")
