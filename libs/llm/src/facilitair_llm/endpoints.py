"""Which providers can be called, read from the environment variables their users know.

`OPENAI_API_KEY` and `OPENAI_BASE_URL` set up `openai` (any server of that dialect), `OLLAMA_HOST`
sets up `ollama`.
`FACILITAIR_PROVIDER` chooses between several, `FACILITAIR_MODEL` names the model that agents use
when they name none, as its provider spells it.
Without any of them the simulator answers.
"""

from collections.abc import Mapping
from urllib.parse import urlsplit

import aiohttp
from msgspec import Struct

from facilitair_events.definitions import Model
from facilitair_llm.catalog import ModelCatalog
from facilitair_llm.errors import EndpointsError
from facilitair_llm.model_files import PROVIDERS
from facilitair_llm.openai_wire import OutputLimitField
from facilitair_llm.providers import OpenAIChat, Timeouts, no_extra_headers, simulator_headers

OPENAI_URL = "https://api.openai.com/v1"
OLLAMA_PORT = 11434
SIMULATOR = "simulator"


class Secret:
    """A credential; only `reveal` shows it."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """Return the credential, for the header it belongs into and nothing else."""
        return self._value

    def __repr__(self) -> str:
        return "Secret('**********')"


class Endpoint(Struct, frozen=True, kw_only=True):
    """Where a provider answers; `base_url` ends before `/chat/completions`."""

    provider: str
    base_url: str
    api_key: Secret | None = None
    output_limit_field: OutputLimitField = "max_tokens"


class Endpoints(Struct, frozen=True, kw_only=True):
    """The providers that are set up, and what an agent uses that names no model.

    `default_model` is None when the environment names none: the catalog's default counts then.
    """

    by_provider: dict[str, Endpoint]
    default_provider: str
    default_model: str | None = None


def needs_simulator(env: Mapping[str, str]) -> bool:
    """Return whether a simulator has to run before `resolve_endpoints` can succeed."""
    chosen = _value(env, "FACILITAIR_PROVIDER")
    if chosen is not None:
        return chosen == SIMULATOR
    return not any(_value(env, name) for name in _PROVIDER_VARIABLES)


def resolve_endpoints(env: Mapping[str, str], simulator_url: str | None) -> Endpoints:
    """Return what the environment sets up; an empty variable counts as unset.

    `simulator_url` is where a simulator runs, without `/v1`; None when none does.
    Raises EndpointsError with everything that is wrong.
    """
    faults: list[str] = []
    found = [_openai(env, faults), _ollama(env, faults)]
    if simulator_url is not None:
        base_url = f"{simulator_url.rstrip('/')}/v1"
        found.append(Endpoint(provider=SIMULATOR, base_url=base_url))
    by_provider = {endpoint.provider: endpoint for endpoint in found if endpoint is not None}
    chosen = _value(env, "FACILITAIR_PROVIDER")
    if chosen is not None and chosen not in PROVIDERS:
        faults.append(f"FACILITAIR_PROVIDER={chosen!r}: choose one of {', '.join(PROVIDERS)}")
    elif chosen is not None and chosen not in by_provider and not faults:
        faults.append(f"FACILITAIR_PROVIDER={chosen}: it is not set up; set {_SET_UP_BY[chosen]}")
    elif not by_provider and not faults:
        faults.append(f"no provider is set up; set {' or '.join(_SET_UP_BY.values())}")
    if faults:
        raise EndpointsError(faults=tuple(faults))
    return Endpoints(
        by_provider=by_provider,
        default_provider=chosen or next(iter(by_provider)),
        default_model=_value(env, "FACILITAIR_MODEL"),
    )


def resolve_default_model(endpoints: Endpoints, catalog: ModelCatalog) -> Model:
    """Return the model for agents that name none.

    Raises EndpointsError where only the user can know which names the server has.
    """
    provider = endpoints.default_provider
    name = endpoints.default_model
    endpoint = endpoints.by_provider[provider]
    if name is None and (provider != "openai" or endpoint.base_url == OPENAI_URL):
        name = catalog.defaults.get(provider)
    if name is None:
        raise EndpointsError(
            faults=(f"set FACILITAIR_MODEL to the name of a model at {endpoint.base_url}",)
        )
    return catalog.find(provider=provider, name=name)


def build_chat_model(
    endpoint: Endpoint, *, session: aiohttp.ClientSession, timeouts: Timeouts
) -> OpenAIChat:
    """Return a client for the endpoint; only the simulator is told call ids and tenants."""
    return OpenAIChat(
        session=session,
        base_url=endpoint.base_url,
        api_key=None if endpoint.api_key is None else endpoint.api_key.reveal(),
        timeouts=timeouts,
        extra_headers=simulator_headers if endpoint.provider == SIMULATOR else no_extra_headers,
        output_limit_field=endpoint.output_limit_field,
    )


_PROVIDER_VARIABLES = ("OPENAI_API_KEY", "OPENAI_BASE_URL", "OLLAMA_HOST")
_SET_UP_BY = {
    "openai": "OPENAI_API_KEY (and OPENAI_BASE_URL for other servers than OpenAI's)",
    "ollama": "OLLAMA_HOST",
    SIMULATOR: "none of them and start the simulator",
}


def _value(env: Mapping[str, str], name: str) -> str | None:
    return env.get(name, "").strip() or None


def _openai(env: Mapping[str, str], faults: list[str]) -> Endpoint | None:
    key, url = _value(env, "OPENAI_API_KEY"), _value(env, "OPENAI_BASE_URL")
    if key is None and url is None:
        return None
    if key is not None and not (key.isascii() and key.isprintable()):
        faults.append("OPENAI_API_KEY: it has characters that no key has; copy it again")
    base_url = (
        OPENAI_URL if url is None else _checked_url(url, name="OPENAI_BASE_URL", faults=faults)
    )
    return Endpoint(
        provider="openai",
        base_url=base_url,
        api_key=None if key is None else Secret(key),
        output_limit_field="max_completion_tokens" if base_url == OPENAI_URL else "max_tokens",
    )


def _ollama(env: Mapping[str, str], faults: list[str]) -> Endpoint | None:
    """Read `OLLAMA_HOST` as Ollama itself does: host, host:port, :port or a whole URL."""
    host = _value(env, "OLLAMA_HOST")
    if host is None:
        return None
    url = host
    if "://" not in host:
        url = f"http://127.0.0.1{host}" if host.startswith(":") else f"http://{host}"
    base_url = _checked_url(url, name="OLLAMA_HOST", faults=faults)
    parts = urlsplit(base_url)
    if "://" not in host and parts.netloc and not parts.netloc.rpartition("]")[2].count(":"):
        base_url = f"http://{parts.netloc}:{OLLAMA_PORT}{parts.path}"
    # What a server listens on everywhere, a client reaches at home.
    base_url = base_url.replace("//0.0.0.0", "//127.0.0.1", 1)
    return Endpoint(provider="ollama", base_url=f"{base_url.removesuffix('/v1')}/v1")


def _checked_url(url: str, *, name: str, faults: list[str]) -> str:
    """Return the URL without a slash at its end; add to `faults` what is wrong, without quoting it.

    The URL is not quoted because a wrong one is often a key in the wrong variable.
    """
    problem = None
    try:
        parts = urlsplit(url)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        problem = "it is not a URL such as http://127.0.0.1:8000/v1"
    else:
        if not usable or any(character.isspace() for character in url):
            problem = "it is not a URL such as http://127.0.0.1:8000/v1"
        elif parts.username is not None or parts.query or parts.fragment:
            problem = "it must not hold a user, a query or a fragment; the key has its own variable"
    if problem is not None:
        faults.append(f"{name}: {problem}")
        return ""
    return url.rstrip("/")
