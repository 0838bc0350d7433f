"""A provider is a file of four lines, set up by its key."""

from pathlib import Path

import pytest

from facilitair_llm.catalog import load_models
from facilitair_llm.clients import build_chat_model
from facilitair_llm.endpoints import (
    needs_simulator,
    resolve_default_model,
    resolve_endpoints,
)
from facilitair_llm.errors import CatalogError, EndpointsError
from facilitair_llm.providers import NetworkRules, Timeouts, build_session, join_url

ROOT = Path(__file__).parents[4]
FOUR_LINES = """\
provider: new-cloud.ai
dialect: anthropic-messages
base_url: https://api.new-cloud.ai/v1/
default: big-model
"""
KEYED = {
    "anthropic": ("ANTHROPIC_API_KEY", "https://api.anthropic.com/v1/messages"),
    "gemini": (
        "GEMINI_API_KEY",
        "https://generativelanguage.googleapis.com/v1beta/openai/chat/completions",
    ),
    "groq": ("GROQ_API_KEY", "https://api.groq.com/openai/v1/chat/completions"),
    "openrouter": ("OPENROUTER_API_KEY", "https://openrouter.ai/api/v1/chat/completions"),
}
LOCAL = {
    "vllm": "http://127.0.0.1:8000/v1/chat/completions",
    "lmstudio": "http://127.0.0.1:1234/v1/chat/completions",
}


@pytest.fixture
def directory(tmp_path):
    (tmp_path / "new.yaml").write_text(FOUR_LINES)
    return tmp_path


def test_the_folder_of_definitions_has_the_providers_too(tmp_path):
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "new.yaml").write_text(FOUR_LINES)
    env = {"NEW_CLOUD_AI_API_KEY": "k-1", "FACILITAIR_GATEWAY_DEFINITIONS": str(tmp_path)}
    assert not needs_simulator(env)
    assert list(resolve_endpoints(env, None).by_provider) == ["new-cloud.ai"]


async def url_of(endpoint):
    async with build_session(NetworkRules(loopback=True)) as session:
        return build_chat_model(endpoint, session=session, timeouts=Timeouts())._url  # noqa: SLF001


def faults_of(env, directory):
    with pytest.raises(EndpointsError) as caught:
        resolve_endpoints(env, None, directory=directory)
    return "\n".join(caught.value.faults)


def test_four_lines_and_a_key_are_a_provider_with_its_default_model(directory):
    endpoints = resolve_endpoints({"NEW_CLOUD_AI_API_KEY": "k-1"}, None, directory=directory)
    endpoint = endpoints.by_provider["new-cloud.ai"]
    assert endpoints.default_provider == "new-cloud.ai"
    assert endpoint.api_key.reveal() == "k-1"
    assert (endpoint.dialect, endpoint.options) == ("anthropic-messages", {})
    model = resolve_default_model(endpoints, load_models(directory))
    assert (model.provider, model.name, model.prices) == ("new-cloud.ai", "big-model", None)


def test_without_its_key_a_provider_is_not_set_up(directory):
    assert needs_simulator({}, directory=directory)
    assert needs_simulator({"NEW_CLOUD_AI_API_KEY": " "}, directory=directory)
    assert not needs_simulator({"NEW_CLOUD_AI_API_KEY": "k"}, directory=directory)
    assert not needs_simulator({"NEW_CLOUD_AI_API_KEY_FILE": "f"}, directory=directory)
    assert not needs_simulator({"NEW_CLOUD_AI_BASE_URL": "http://h"}, directory=directory)
    assert needs_simulator({"OTHER_API_KEY": "k"}, directory=directory)
    chosen = faults_of({"FACILITAIR_PROVIDER": "new-cloud.ai"}, directory)
    assert "set NEW_CLOUD_AI_API_KEY" in chosen


def test_a_key_may_lie_in_a_file(directory, tmp_path):
    key = tmp_path / "key"
    key.write_text("k-file\n")
    env = {"NEW_CLOUD_AI_API_KEY_FILE": str(key)}
    endpoint = resolve_endpoints(env, None, directory=directory).by_provider["new-cloud.ai"]
    assert endpoint.api_key.reveal() == "k-file"
    openai = resolve_endpoints({"OPENAI_API_KEY_FILE": str(key)}, None, directory=directory)
    assert openai.by_provider["openai"].api_key.reveal() == "k-file"
    assert not needs_simulator({"OPENAI_API_KEY_FILE": str(key)}, directory=directory)


@pytest.mark.parametrize(
    ("content", "fault"),
    [(None, "cannot be read"), (b"\n", "is empty"), (b"\xff", "cannot be read"), (b"a\tb", "copy")],
)
def test_a_file_without_a_key_is_refused(directory, tmp_path, content, fault):
    path = tmp_path / "key"
    if content is not None:
        path.write_bytes(content)
    found = faults_of({"NEW_CLOUD_AI_API_KEY_FILE": str(path)}, directory)
    assert "NEW_CLOUD_AI_API_KEY_FILE" in found
    assert fault in found


def test_a_key_and_a_file_of_it_are_refused_together(directory):
    env = {"NEW_CLOUD_AI_API_KEY": "secret-k", "NEW_CLOUD_AI_API_KEY_FILE": "/x"}
    found = faults_of(env, directory)
    assert "not both" in found
    assert "secret-k" not in found


async def test_a_base_url_of_the_environment_replaces_that_of_the_file(directory):
    env = {"NEW_CLOUD_AI_BASE_URL": "http://proxy:9/v1"}
    endpoint = resolve_endpoints(env, None, directory=directory).by_provider["new-cloud.ai"]
    assert await url_of(endpoint) == "http://proxy:9/v1/messages"
    assert "NEW_CLOUD_AI_BASE_URL" in faults_of({"NEW_CLOUD_AI_BASE_URL": "nonsense"}, directory)


def test_a_provider_on_this_machine_needs_to_be_chosen_and_no_key(directory):
    local = FOUR_LINES.replace("https://api.new-cloud.ai/v1/", "http://localhost:1/v1")
    (directory / "new.yaml").write_text(local)
    endpoints = resolve_endpoints(
        {"FACILITAIR_PROVIDER": "new-cloud.ai"}, None, directory=directory
    )
    assert endpoints.by_provider["new-cloud.ai"].api_key is None
    assert needs_simulator({}, directory=directory)


@pytest.mark.parametrize("name", KEYED)
async def test_every_shipped_provider_is_set_up_by_its_key_alone(name):
    variable, url = KEYED[name]
    endpoints = resolve_endpoints({variable: "k-1"}, None)
    assert endpoints.default_provider == name
    assert await url_of(endpoints.by_provider[name]) == url
    assert resolve_default_model(endpoints, load_models(ROOT / "models")).provider == name
    assert not needs_simulator({variable: "k-1"})


@pytest.mark.parametrize("name", LOCAL)
async def test_shipped_servers_of_this_machine_want_to_be_told_their_model(name):
    env = {"FACILITAIR_PROVIDER": name}
    endpoints = resolve_endpoints(env, None)
    assert await url_of(endpoints.by_provider[name]) == LOCAL[name]
    with pytest.raises(EndpointsError, match="set FACILITAIR_MODEL"):
        resolve_default_model(endpoints, load_models(ROOT / "models"))


def test_the_known_ones_come_first_where_several_are_set_up():
    env = {"GROQ_API_KEY": "k", "ANTHROPIC_API_KEY": "k", "OLLAMA_HOST": "h"}
    assert resolve_endpoints(env, None).default_provider == "ollama"
    assert resolve_endpoints(env | {"OPENAI_API_KEY": "k"}, None).default_provider == "openai"
    env.pop("OLLAMA_HOST")
    assert resolve_endpoints(env, None).default_provider == "anthropic"


async def test_ollama_speaks_the_dialect_of_its_file(tmp_path):
    (tmp_path / "ollama.yaml").write_text(
        "provider: ollama\ndialect: ollama-chat\noptions: {num_ctx: 9}\nmodels: [{name: a}]\n"
    )
    env = {"OLLAMA_HOST": "box", "OLLAMA_API_KEY": "k-1"}
    endpoint = resolve_endpoints(env, None, directory=tmp_path).by_provider["ollama"]
    assert endpoint.options == {"num_ctx": 9}
    assert endpoint.api_key.reveal() == "k-1"
    assert await url_of(endpoint) == "http://box:11434/api/chat"


def test_options_of_a_file_are_those_of_any_openai_server(tmp_path):
    (tmp_path / "openai.yaml").write_text(
        "provider: openai\ndialect: openai-chat\noptions: {omit: [seed]}\nmodels: [{name: a}]\n"
    )
    endpoint = resolve_endpoints({"OPENAI_API_KEY": "k"}, None, directory=tmp_path)
    assert endpoint.by_provider["openai"].options == {
        "output_limit_field": "max_completion_tokens",
        "omit": ["seed"],
    }


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("new-cloud.ai\n", "New Cloud\n", "1: 'New Cloud' is no name"),
        ("anthropic-messages", "smoke", "2: dialect 'smoke': no package brings it"),
        ("https://api.new-cloud.ai/v1/", "nonsense", "3: it is not a URL"),
        ("https://", "https://u:secret-k@", "3: it must not hold a user"),
        ("base_url: https://api.new-cloud.ai/v1/\n", "", "1: field 'base_url' is missing"),
        ("default:", "options: [a]\ndefault:", "4: anthropic-messages takes no such options"),
        ("default:", "options: !odd {}\ndefault:", "4: anthropic-messages takes no such options"),
        ("default:", "options: {omit: [x]}\ndefault:", "4: anthropic-messages takes no such"),
        ("default:", "options: {num_ctx: 4}\ndefault:", "4: anthropic-messages takes no such"),
        ("new-cloud.ai\n", "openai\n", "2: 'anthropic-messages' is not one of openai-chat"),
        ("default: big-model", "default: x\nmodels: [{name: y}]", "4: the default 'x'"),
    ],
)
def test_a_fault_of_a_file_is_told_with_its_place(directory, old, new, fault):
    assert old in FOUR_LINES
    (directory / "new.yaml").write_text(FOUR_LINES.replace(old, new, 1))
    found = faults_of({"NEW_CLOUD_AI_API_KEY": "k"}, directory)
    assert f"new.yaml:{fault}" in found
    assert "secret-k" not in found
    assert needs_simulator({"NEW_CLOUD_AI_API_KEY": "k"}, directory=directory)


def test_the_address_of_a_provider_with_a_variable_of_its_own_is_not_in_its_file(directory):
    (directory / "new.yaml").write_text(
        "provider: openai\ndialect: openai-chat\nbase_url: http://h\nmodels: [{name: a}]\n"
    )
    with pytest.raises(CatalogError, match=r"new.yaml:3: the address of openai is told by"):
        load_models(directory)


def test_files_of_one_provider_have_to_agree(directory):
    (directory / "second.yaml").write_text(FOUR_LINES)
    load_models(directory)
    (directory / "second.yaml").write_text(FOUR_LINES.replace("api.", "other."))
    with pytest.raises(CatalogError, match=r"second.yaml:1: new-cloud.ai has another dialect"):
        load_models(directory)


def test_a_v1_that_base_url_and_path_share_stands_there_once():
    assert join_url("http://h/v1/", "/v1/messages") == "http://h/v1/messages"
    assert join_url("http://h", "/v1/messages") == "http://h/v1/messages"
    assert join_url("http://h/v1", "/chat/completions") == "http://h/v1/chat/completions"
