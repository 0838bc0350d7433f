from pathlib import Path

import msgspec
import pytest

from facilitair_events.definitions import Model
from facilitair_llm.calls import ChatMessage, ChatRequest
from facilitair_llm.catalog import load_models
from facilitair_llm.clients import build_chat_model
from facilitair_llm.endpoints import (
    OPENAI_URL,
    Endpoint,
    Secret,
    needs_simulator,
    resolve_default_model,
    resolve_endpoints,
)
from facilitair_llm.errors import EndpointsError
from facilitair_llm.providers import NetworkRules, Timeouts, build_session

CATALOG = load_models(Path(__file__).parents[4] / "models")
SIMULATOR = "http://127.0.0.1:9000"


def faults_of(env, simulator_url=None):
    with pytest.raises(EndpointsError) as caught:
        resolve_endpoints(env, simulator_url)
    return caught.value.faults


def model_for(env, simulator_url=None):
    return resolve_default_model(resolve_endpoints(env, simulator_url), CATALOG)


def test_without_any_provider_the_simulator_answers():
    assert needs_simulator({})
    endpoints = resolve_endpoints({}, SIMULATOR)
    assert endpoints.by_provider[endpoints.default_provider].base_url == f"{SIMULATOR}/v1"
    assert model_for({}, SIMULATOR).simulated


def test_empty_variables_count_as_unset():
    assert needs_simulator({"OPENAI_API_KEY": "", "OPENAI_BASE_URL": " ", "OLLAMA_HOST": ""})


@pytest.mark.parametrize(
    "env", [{"OPENAI_API_KEY": "sk-1"}, {"OPENAI_BASE_URL": "http://h/v1"}, {"OLLAMA_HOST": "h"}]
)
def test_a_provider_that_is_set_up_is_used_and_no_simulator_needed(env):
    assert not needs_simulator(env)
    assert resolve_endpoints(env, None).default_provider in {"openai", "ollama"}
    assert resolve_endpoints(env, SIMULATOR).default_provider != "simulator"


def test_openai_itself_has_its_own_name_for_the_output_limit_and_a_default_model():
    env = {"OPENAI_API_KEY": "sk-1"}
    endpoint = resolve_endpoints(env, None).by_provider["openai"]
    assert endpoint.base_url == OPENAI_URL
    assert endpoint.options == {"output_limit_field": "max_completion_tokens"}
    assert model_for(env).name == CATALOG.defaults["openai"]


def test_another_server_takes_the_old_name_and_needs_a_model():
    env = {"OPENAI_BASE_URL": "http://h:8000/v1/"}
    endpoint = resolve_endpoints(env, None).by_provider["openai"]
    assert (endpoint.base_url, endpoint.options) == ("http://h:8000/v1", {})
    with pytest.raises(EndpointsError, match="set FACILITAIR_MODEL"):
        model_for(env)
    named = model_for(env | {"FACILITAIR_MODEL": "org/model:3b"})
    assert named == Model(name="org/model:3b", provider="openai")


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:11434/v1"),
        ("box:1234", "http://box:1234/v1"),
        (":1234", "http://127.0.0.1:1234/v1"),
        ("0.0.0.0", "http://127.0.0.1:11434/v1"),  # noqa: S104 - a client reads it, nobody binds it
        ("0.0.0.0:1234", "http://127.0.0.1:1234/v1"),
        ("http://box:1234/", "http://box:1234/v1"),
        ("http://box:1234/v1", "http://box:1234/v1"),
        ("https://box/ollama", "https://box/ollama/v1"),
        ("[::1]", "http://[::1]:11434/v1"),
        ("[::1]:1234", "http://[::1]:1234/v1"),
    ],
)
def test_ollama_host_is_read_as_ollama_reads_it(host, url):
    env = {"OLLAMA_HOST": host}
    assert resolve_endpoints(env, None).by_provider["ollama"].base_url == url
    assert model_for(env).name == CATALOG.defaults["ollama"]


def test_provider_and_model_can_be_chosen():
    env = {"OPENAI_API_KEY": "sk-1", "OLLAMA_HOST": "h", "FACILITAIR_MODEL": "qwen3"}
    assert model_for(env).provider == "openai"
    assert model_for(env | {"FACILITAIR_PROVIDER": "ollama"}).provider == "ollama"
    assert model_for(env).name == "qwen3"
    assert needs_simulator(env | {"FACILITAIR_PROVIDER": "simulator"})
    assert model_for(env | {"FACILITAIR_PROVIDER": "simulator"}, SIMULATOR).provider == "simulator"


def test_what_is_wrong_says_what_to_set():
    assert "OPENAI_API_KEY" in faults_of({})[0]
    assert "choose one of" in faults_of({"FACILITAIR_PROVIDER": "magic"})[0]
    assert (
        "set OLLAMA_HOST"
        in faults_of({"FACILITAIR_PROVIDER": "ollama", "OPENAI_API_KEY": "sk-1"})[0]
    )


def test_all_faults_come_at_once():
    env = {"OPENAI_API_KEY": "sk-\nx", "OPENAI_BASE_URL": "nonsense", "OLLAMA_HOST": "h:0"}
    assert [fault.partition(":")[0] for fault in faults_of(env)] == list(env)


@pytest.mark.parametrize("host", ["2852039166", "0xa9fea9fe", "0251.0376.0251.0376", "127.1", "0"])
def test_an_address_that_is_not_written_out_is_refused(host):
    [fault] = faults_of({"OPENAI_BASE_URL": f"http://{host}:80/v1"})
    assert fault == "OPENAI_BASE_URL: its host is no address; write it out, such as 127.0.0.1"


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "1.1.1.1", "0x.example", "1e100.net", "7x"])
def test_an_address_that_is_written_out_and_a_name_are_taken(host):
    url = f"http://{host}/v1"
    found = resolve_endpoints({"OPENAI_BASE_URL": url}, None)
    assert found.by_provider["openai"].base_url == url


@pytest.mark.parametrize(
    "url", ["sk-secret", "ftp://h/v1", "http://", "http://u:sk-secret@h", "http://h/?k=sk-secret"]
)
def test_a_wrong_url_is_refused_and_not_quoted(url):
    faults = faults_of({"OPENAI_BASE_URL": url})
    assert faults
    assert "sk-secret" not in str(faults)


def test_a_key_is_in_no_repr():
    endpoints = resolve_endpoints({"OPENAI_API_KEY": "sk-secret"}, None)
    assert "sk-secret" not in repr(endpoints) + str(endpoints.by_provider["openai"].api_key)
    assert endpoints.by_provider["openai"].api_key.reveal() == "sk-secret"
    with pytest.raises(TypeError):
        msgspec.json.encode(endpoints)


def test_master_keys_are_read_and_their_faults_told_beside_the_others():
    env = {"OPENAI_BASE_URL": "nonsense", "FACILITAIR_MASTER_KEY": "short"}
    assert [fault.partition(":")[0] for fault in faults_of(env)] == list(env)
    env = {"OPENAI_API_KEY": "sk-1", "FACILITAIR_MASTER_KEY": "ab" * 32}
    endpoints = resolve_endpoints(env, None)
    assert len(endpoints.master_keys.ids) == 1
    assert "abab" not in repr(endpoints)
    assert resolve_endpoints({"OPENAI_API_KEY": "sk-1"}, None).master_keys.ids == ()


async def test_only_the_simulator_is_told_who_calls(provider):
    async with build_session(NetworkRules(loopback=True)) as session:
        for name in ("openai", "ollama", "simulator"):
            provider.stream(b'data: {"choices":[{"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n')
            endpoint = Endpoint(provider=name, base_url=provider.url, api_key=Secret("sk-1"))
            model = build_chat_model(endpoint, session=session, timeouts=Timeouts())
            request = ChatRequest(model="m", messages=(ChatMessage(role="user", content="x"),))
            assert [chunk async for chunk in model.stream(request, call_id="c", tenant="acme")]
            told = "X-Facilitair-Tenant" in provider.requests[-1][0]
            assert told == (name == "simulator")


def local_only(**env):
    return resolve_endpoints(env | {"FACILITAIR_LOCAL_ONLY": "true"}, None)


def test_local_only_sets_up_what_is_on_this_machine_and_says_what_it_refuses():
    found = local_only(
        OPENAI_API_KEY="k", ANTHROPIC_API_KEY="k", OLLAMA_HOST="127.0.0.1", GROQ_BASE_URL=SIMULATOR
    )
    assert list(found.by_provider) == ["ollama", "groq"]
    assert (found.default_provider, found.local_only) == ("ollama", True)
    assert found.refused == {"openai": OPENAI_URL, "anthropic": "https://api.anthropic.com"}


@pytest.mark.parametrize(
    "env",
    [
        {"OPENAI_API_KEY": "k"},
        {"OPENAI_BASE_URL": "http://10.0.0.7/v1"},
        {"OLLAMA_HOST": "10.0.0.7"},
        {"OLLAMA_HOST": "127.0.0.1", "OPENAI_API_KEY": "k", "FACILITAIR_PROVIDER": "openai"},
    ],
)
def test_local_only_refuses_to_start_without_anything_on_this_machine(env):
    with pytest.raises(EndpointsError, match=r"FACILITAIR_LOCAL_ONLY: .* is not on this machine"):
        local_only(**env)
    assert not needs_simulator(env | {"FACILITAIR_LOCAL_ONLY": "true"})


def test_the_simulator_may_answer_in_local_only_mode():
    env = {"FACILITAIR_LOCAL_ONLY": "1"}
    assert needs_simulator(env)
    assert list(resolve_endpoints(env, SIMULATOR).by_provider) == ["simulator"]


@pytest.mark.parametrize("value", ["", "0", "false", "No", "off"])
def test_local_only_is_off_when_it_is_said_to_be(value):
    found = resolve_endpoints({"OPENAI_API_KEY": "k", "FACILITAIR_LOCAL_ONLY": value}, None)
    assert (list(found.by_provider), found.local_only, found.refused) == (["openai"], False, {})
