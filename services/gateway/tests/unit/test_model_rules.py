"""Which models a collaboration may use: by tags, by name, by place; refused at the edge."""

import shutil

import httpx
import pytest

from facilitair_events.definitions import Model
from facilitair_events.layout import checkout_root
from facilitair_gateway.model_rules import ModelRules, rules_for, unlisted
from facilitair_gateway.settings import ModelsGroup
from facilitair_llm.catalog import load_models
from facilitair_llm.endpoints import resolve_endpoints

TAGGED = """\
provider: here
dialect: openai-chat
base_url: http://127.0.0.1:9/v1
tags: [residency:eu, approved]
models: [{name: good}, {name: bare, tags: [approved]}]
"""
HERE = "http://127.0.0.1:9"


@pytest.fixture
def files(tmp_path):
    folder = tmp_path / "definitions"
    for kind in ("workflows", "agents", "prompts", "models"):
        shutil.copytree(checkout_root() / kind, folder / kind)
    (folder / "models" / "here.yaml").write_text(TAGGED)
    return folder


@pytest.fixture
def ask(start, files, tmp_path, orchestrator):
    """Submit to a gateway with these settings; returns the status and the faults."""

    async def asking(wanted, *, env=None, **settings):
        endpoints = resolve_endpoints(
            {
                "HERE_BASE_URL": f"{HERE}/v1",
                "FACILITAIR_PROVIDER": "here",
                "FACILITAIR_MODEL": "good",
            }
            | (env or {}),
            None,
            directory=files / "models",
        )
        async with (
            start(tmp_path, definitions=files, endpoints=endpoints, **settings) as gateway,
            httpx.AsyncClient(base_url=gateway.url, timeout=60) as http,
        ):
            body = {"task": "x", "workflow": "answer", "models": wanted}
            response = await http.post("/v1/collaborations", json=body)
            listed = (await http.get("/v1/models")).json()
        return response.status_code, response.json().get("errors", []), listed

    return asking


async def test_a_model_without_a_required_tag_is_refused_at_the_edge(ask, stage) -> None:
    group = ModelsGroup(required_tags=("residency:eu",))
    status, [fault], listed = await ask({"assistant": "here/bare"}, models=group)
    assert (status, fault["code"]) == (422, "model_lacks_tag")
    assert fault["field"] == "models.assistant"
    assert fault["message"] == (
        "agent 'assistant': here/bare lacks the required tags residency:eu; it has approved"
    )
    assert await stage.inbox() == []
    why = {row["id"]: row["why_not"] for row in listed["data"]}
    assert why["here/good"] is None
    assert "residency:eu" in why["here/bare"]


async def test_a_model_with_all_required_tags_is_taken(ask) -> None:
    group = ModelsGroup(required_tags=("residency:eu", "approved"))
    assert (await ask({}, models=group))[0] == 202


async def test_a_model_that_is_not_allowed_is_refused_at_the_edge(ask) -> None:
    group = ModelsGroup(allowed=("here/g*", "ollama/*"))
    status, [fault], _ = await ask({"assistant": "here/bare"}, models=group)
    assert (status, fault["code"]) == (422, "model_not_allowed")
    assert "here/g*, ollama/*" in fault["message"]


async def test_local_only_refuses_a_model_elsewhere_at_the_edge(ask) -> None:
    env = {"OPENAI_API_KEY": "k", "FACILITAIR_LOCAL_ONLY": "true"}
    status, [fault], listed = await ask({"assistant": "openai/gpt-4.1"}, env=env)
    assert (status, fault["code"]) == (422, "model_not_local")
    assert "openai/gpt-4.1 at https://api.openai.com/v1 is not on this machine" in fault["message"]
    assert {row["owned_by"] for row in listed["data"] if row["usable"]} == {"here"}


async def test_an_unknown_model_is_refused_with_what_may_be_meant(ask) -> None:
    status, [fault], _ = await ask({"assistant": "openai/gpt-4.1-mino"})
    assert (status, fault["code"], fault["field"]) == (422, "unknown_model", "models.assistant")
    assert "did you mean 'openai/gpt-4.1-mini'?" in fault["message"]


async def test_a_model_that_nobody_lists_may_be_named_where_the_provider_has_others(
    ask, stage
) -> None:
    status, _, _ = await ask({"assistant": "ollama/qwen3:8b"})
    assert status == 202
    [request] = await stage.inbox()
    [model] = request.definition.agents["assistant"].models
    assert (model.provider, model.name, model.prices) == ("ollama", "qwen3:8b", None)


async def test_the_list_of_models_is_one_for_clients_of_openai_too(ask) -> None:
    _, _, listed = await ask({})
    assert (listed["object"], listed["has_more"]) == ("list", False)
    rows = {row["id"]: row for row in listed["data"]}
    assert len(rows) > 70
    assert all(row["object"] == "model" and row["created"] == 0 for row in rows.values())
    row = rows["openai/gpt-4.1-mini"]
    assert (row["owned_by"], row["kind"], row["name"]) == ("openai", "model", row["id"])
    assert row["prices"]["input"] == "0.4"
    assert (row["usable"], row["why_not"]) == (False, "the provider openai is not set up")


@pytest.mark.parametrize("name", ["a b", "\x1b[2J", "a\nb", "\u202ea", "../x", "x" * 192])
async def test_a_name_that_no_file_could_hold_is_refused_at_the_edge(ask, stage, name) -> None:
    status, [fault], _ = await ask({"assistant": f"ollama/{name}"})
    assert (status, fault["code"]) == (422, "unknown_model")
    assert len(fault["message"]) < 1000
    assert await stage.inbox() == []


CATALOG = load_models(checkout_root() / "models")


@pytest.mark.parametrize(
    ("env", "name", "known"),
    [
        ({"OLLAMA_HOST": ":1"}, "ollama/x:8b", True),
        ({"OLLAMA_HOST": ":1"}, "vllm/x", True),
        ({"OPENAI_API_KEY": "k"}, "openai/x", False),
        ({"OPENAI_BASE_URL": HERE}, "openai/x", True),
        ({"OLLAMA_HOST": ":1"}, "ollama/", False),
        ({"OLLAMA_HOST": ":1"}, "ollama", False),
        ({"OLLAMA_HOST": ":1"}, "nobody/x", False),
    ],
)
def test_which_unlisted_models_may_be_named(env, name, known) -> None:
    default = Model(name="gpt-4.1", provider="openai")
    listed = {"openai/gpt-4.1": default, "ollama/llama3.2": default}
    rules = rules_for(
        resolve_endpoints(env, None), CATALOG, default_model=default, required_tags=(), allowed=()
    )
    assert bool(list(unlisted([name], rules, known=listed))) == known
    assert not list(unlisted([name], rules, known=listed | {name: default}))


async def test_what_is_used_when_nobody_names_a_model_is_listed_and_may_be_named(
    ask, stage
) -> None:
    env = {"FACILITAIR_MODEL": "brand-new"}
    status, _, listed = await ask({"assistant": "here/brand-new"}, env=env)
    assert status == 202
    rows = {row["id"]: row for row in listed["data"]}
    assert [name for name, row in rows.items() if row["default"]] == ["here/brand-new"]
    assert rows["here/brand-new"]["tags"] == ["residency:eu", "approved"]
    [request] = await stage.inbox()
    assert [m.name for m in request.definition.agents["assistant"].models] == ["brand-new"]


def test_without_rules_everything_is_allowed() -> None:
    assert ModelRules().forbids(Model(name="m", provider="p")) is None


async def test_an_agent_may_name_a_model_that_nobody_lists(ask, files, stage) -> None:
    agent = files / "agents" / "assistant.yaml"
    agent.write_text(agent.read_text().replace("[default]", "[ollama/qwen3:8b, default]"))
    status, _, listed = await ask({})
    assert status == 202
    [request] = await stage.inbox()
    models = request.definition.agents["assistant"].models
    assert [(m.provider, m.name) for m in models] == [("ollama", "qwen3:8b"), ("here", "good")]
    assert "ollama/qwen3:8b" in {row["id"] for row in listed["data"]}


async def test_one_model_that_nobody_lists_is_told_of_where_it_may_be_named(http) -> None:
    response = await http.get("/v1/models/ollama%2Fqwen3:8b")
    assert (response.status_code, response.json()["id"]) == (200, "ollama/qwen3:8b")
    assert response.json()["why_not"] == "the provider ollama is not set up"
    assert "prices" not in response.json()
    assert "ollama/qwen3:8b" not in {r["id"] for r in (await http.get("/v1/models")).json()["data"]}


async def test_one_model_can_be_asked_for_by_its_name(http) -> None:
    response = await http.get("/v1/models/openai/gpt-4.1-mini")
    assert (response.status_code, response.json()["id"]) == (200, "openai/gpt-4.1-mini")
    assert response.json() in (await http.get("/v1/models")).json()["data"]
    response = await http.get("/v1/models/openai/gpt-4.1-mino")
    assert (response.status_code, response.json()["code"]) == (404, "model_not_found")
    assert "did you mean 'openai/gpt-4.1-mini'?" in response.json()["detail"]
