import shutil

import httpx
import pytest

from facilitair_events.catalog import LabelMoved
from facilitair_events.codec import decode
from facilitair_events.envelope import header
from facilitair_events.layout import checkout_root
from facilitair_events.topics import CATALOG
from facilitair_gateway.definitions import (
    LOGIC_KEY,
    active,
    logic_label,
    logic_of,
    records_of,
    to_apply,
)
from facilitair_gateway.errors import LogicUnknownError
from facilitair_llm.catalog import load_models
from facilitair_workflows.decide import KNOWN_LOGIC
from facilitair_workflows.documents import Documents, PromptDocument
from facilitair_workflows.findings import DefinitionsError
from facilitair_workflows.loading import load_directory


@pytest.fixture
def files(tmp_path):
    """A copy of the shipped definition files."""
    folder = tmp_path / "definitions"
    for kind in ("workflows", "agents", "prompts", "models"):
        shutil.copytree(checkout_root() / kind, folder / kind)
    return folder


async def catalog(stage) -> dict:
    """The latest record of every key of the catalog."""
    found = {}
    for record in await stage.records(CATALOG):
        name = (header(record.headers, "ce_type") or b"").decode()
        found[record.key.decode()] = decode(name, record.value)
    return found


async def test_a_second_start_writes_nothing(start, stage, files, tmp_path) -> None:
    async with start(tmp_path, definitions=files):
        pass
    before = await stage.sizes()
    assert before[CATALOG] > 10
    async with start(tmp_path, definitions=files):
        pass
    assert await stage.sizes() == before


async def test_a_changed_file_is_a_new_version_and_a_deleted_one_stays(
    start, stage, files, tmp_path
) -> None:
    async with start(tmp_path, definitions=files):
        pass
    before = await catalog(stage)
    prompt = files / "prompts" / "coder.yaml"
    text = prompt.read_text()
    prompt.write_text(text.rstrip() + "\n  Be brief.\n")
    (files / "workflows" / "answer.yaml").unlink()
    async with (
        start(tmp_path, definitions=files) as gateway,
        httpx.AsyncClient(base_url=gateway.url, timeout=60) as http,
    ):
        names = [row["name"] for row in (await http.get("/v1/workflows")).json()["data"]]
        assert names == ["answer", "code"]
    after = await catalog(stage)
    changed = {key for key in after if after[key] != before.get(key)}
    label = "platform:label:prompt:coder:active"
    assert changed == {label, f"platform:version:prompt:coder:{after[label].version}"}
    prompt.write_text(text)
    async with start(tmp_path, definitions=files):
        pass
    assert (await catalog(stage))[label] == before[label]


async def test_r9_a_fresh_catalog_starts_at_the_newest_logic(start, stage, tmp_path, files) -> None:
    async with start(tmp_path, definitions=files):
        pass
    assert (await catalog(stage))[LOGIC_KEY] == logic_label(KNOWN_LOGIC)
    [first, *_] = await stage.records(CATALOG)
    assert first.key.decode() == LOGIC_KEY
    assert to_apply({}, {}, newest_logic=7) == {LOGIC_KEY: logic_label(7)}


def test_r9_the_logic_label_is_set_once_and_then_an_operators() -> None:
    kept = {LOGIC_KEY: logic_label(1)}
    assert to_apply(kept, {}, newest_logic=7) == {}
    prompts = {"coder": PromptDocument(prompt="coder", text="x")}
    old = Documents(workflows={}, agents={}, prompts=prompts).records()
    assert to_apply(old, {}, newest_logic=7) == kept
    assert logic_of({LOGIC_KEY: logic_label(2)}) == 2
    for broken in ({}, {LOGIC_KEY: LabelMoved(kind="logic", name="d", label="a", version="x")}):
        with pytest.raises(LogicUnknownError):
            logic_of(broken)


async def test_faulty_files_refuse_the_start_with_every_fault(
    start, files, tmp_path, stage
) -> None:
    (files / "agents" / "coder.yaml").write_text("agent: coder\nrolle: x\n")
    (files / "workflows" / "code.yaml").write_text("workflow: [\n")
    with pytest.raises(DefinitionsError) as refused:
        async with start(tmp_path, definitions=files):
            pass
    assert "agents/coder.yaml" in str(refused.value)
    assert "workflows/code.yaml" in str(refused.value)
    assert (await stage.sizes())[CATALOG] == 0


async def test_what_there_is_can_be_listed_page_by_page(http) -> None:
    agents = (await http.get("/v1/agents")).json()
    assert [row["name"] for row in agents["data"]] == sorted(
        ["architect", "assistant", "coder", "documenter", "reviewer"]
    )
    assert agents["data"][0]["version"]
    assert agents["data"][0]["role"]
    assert (agents["has_more"], agents["next_cursor"]) == (False, None)
    models = (await http.get("/v1/models")).json()["data"]
    assert "simulator/simulated" in [row["name"] for row in models]
    found, params = [], {"limit": "2"}
    while True:
        page = (await http.get("/v1/agents", params=params)).json()
        found += page["data"]
        if not page["has_more"]:
            break
        params["cursor"] = page["next_cursor"]
    assert found == agents["data"]


async def test_a_model_that_a_request_names_runs_its_agent(submit, stage) -> None:
    await submit(models={"coder": "openai/gpt-4.1"})
    (request,) = await stage.inbox()
    agents = request.definition.agents
    assert [m.name for m in agents["coder"].models] == ["gpt-4.1"]
    assert [m.name for m in agents["reviewer"].models] == ["simulated"]


def test_a_tenants_own_definition_hides_the_platforms() -> None:
    def one(text: str, tenant: str) -> dict:
        prompt = PromptDocument(prompt="coder", text=text)
        return Documents(workflows={}, agents={}, prompts={"coder": prompt}).records(tenant)

    known = one("theirs", "local") | one("everybody's", "platform") | one("foreign", "other")
    (mine,) = active(known, "prompt", tenant="local")
    (others,) = active(known, "prompt", tenant="x")
    assert mine.document["text"] == "theirs"
    assert others.document["text"] == "everybody's"


def test_the_records_of_the_files_are_the_same_every_time() -> None:
    def read() -> dict:
        models = load_models(checkout_root() / "models")
        return records_of(load_directory(checkout_root()), models)

    assert read() == read()
    assert to_apply(read() | {LOGIC_KEY: logic_label(1)}, read(), newest_logic=2) == {}
