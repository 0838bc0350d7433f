"""Which providers can be called, read from the environment variables their users know.

`OPENAI_API_KEY` and `OPENAI_BASE_URL` set up `openai` (any server of that dialect), `OLLAMA_HOST`
sets up `ollama`. Every other provider is a file in `models/`, and `<NAME>_API_KEY` (or
`<NAME>_API_KEY_FILE`) or `<NAME>_BASE_URL` sets it up.
`FACILITAIR_PROVIDER` chooses between several, `FACILITAIR_MODEL` names the model that agents use
when they name none, as its provider spells it.
Without any of them the simulator answers.
`FACILITAIR_LOCAL_ONLY` sets up nothing but what answers on this machine.
"""

from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from msgspec import Struct

from facilitair_events.definitions import Model
from facilitair_events.layout import definitions_dir
from facilitair_llm.catalog import ModelCatalog, read_model_files
from facilitair_llm.errors import CatalogError, EndpointsError
from facilitair_llm.local_only import elsewhere, is_local_only, local_refusal
from facilitair_llm.model_files import BUILT_IN_DIALECTS, ModelFile
from facilitair_llm.sealing import MasterKeys, read_master_keys
from facilitair_llm.secret import Secret, read_key
from facilitair_llm.urls import is_loopback, url_problem

__all__ = [
    "OPENAI_URL",
    "SIMULATOR",
    "Endpoint",
    "Endpoints",
    "Secret",
    "needs_simulator",
    "resolve_default_model",
    "resolve_endpoints",
]

OPENAI_URL = "https://api.openai.com/v1"
OLLAMA_PORT = 11434
SIMULATOR = "simulator"
DEFINITIONS = "FACILITAIR_GATEWAY_DEFINITIONS"
"""The folder of the definitions that a gateway publishes; its providers are in `models/`."""


class Endpoint(Struct, frozen=True, kw_only=True):
    """Where a provider answers, and how it speaks; `base_url` ends before the dialect's path.

    `options` are those of the dialect, by name.
    """

    provider: str
    base_url: str
    api_key: Secret | None = None
    dialect: str = "openai-chat"
    options: dict[str, object] = {}


class Endpoints(Struct, frozen=True, kw_only=True):
    """The providers that are set up, and what an agent uses that names no model.

    `default_model` is None when the environment names none: the catalog's default counts then.
    `local_only` says that nothing but this machine may be called; `refused` has the providers that
    are told by the environment and not set up because of that, with their addresses.
    `master_keys` open the keys that tenants brought themselves.
    """

    by_provider: dict[str, Endpoint]
    default_provider: str
    default_model: str | None = None
    local_only: bool = False
    refused: dict[str, str] = {}
    master_keys: MasterKeys = MasterKeys()


def needs_simulator(env: Mapping[str, str], *, directory: Path | None = None) -> bool:
    """Return whether a simulator has to run before `resolve_endpoints` can succeed.

    Files with faults count as absent here; `resolve_endpoints` tells of them.
    """
    chosen = _value(env, "FACILITAIR_PROVIDER")
    if chosen is not None:
        return chosen == SIMULATOR
    # What local-only mode refuses is told; a simulator in its place would be a surprise.
    if any(_value(env, name) for name in _BUILT_IN_VARIABLES):
        return False
    if not any(name.endswith(_ENDINGS) for name in env):
        return True
    try:
        files = _read_files(directory or _directory(env))
    except EndpointsError:
        return True
    return not any(
        _value(env, _variable(file.provider, ending))
        for file in files.values()
        for ending in _ENDINGS
        if file.provider not in BUILT_IN_DIALECTS
    )


def resolve_endpoints(
    env: Mapping[str, str], simulator_url: str | None, *, directory: Path | None = None
) -> Endpoints:
    """Return what the environment sets up; an empty variable counts as unset.

    `simulator_url` is where a simulator runs, without `/v1`; None when none does.
    `directory` holds the files of the providers; where None, they are those of the definitions that
    the environment names, else of the checkout.
    Where several are set up and none is chosen, `openai` and `ollama` come before the others.
    Raises EndpointsError with everything that is wrong.
    """
    files = _read_files(directory or _directory(env))
    faults: list[str] = []
    chosen = _value(env, "FACILITAIR_PROVIDER")
    found = [
        _openai(env, files.get("openai"), faults=faults),
        _ollama(env, files.get("ollama"), faults=faults),
    ]
    found += [
        _from_file(file, env, chosen=chosen == file.provider, faults=faults)
        for file in files.values()
    ]
    if simulator_url is not None:
        base_url = f"{simulator_url.rstrip('/')}/v1"
        found.append(Endpoint(provider=SIMULATOR, base_url=base_url))
    master_keys = read_master_keys(env, faults=faults)
    by_provider = {endpoint.provider: endpoint for endpoint in found if endpoint is not None}
    local_only = is_local_only(env)
    refused: dict[str, str] = {}
    if local_only and not faults:
        urls = {name: endpoint.base_url for name, endpoint in by_provider.items()}
        refused = elsewhere(urls)
        by_provider = {name: found for name, found in by_provider.items() if name not in refused}
    known = sorted({*BUILT_IN_DIALECTS, *files})
    if chosen is not None and chosen not in known:
        faults.append(f"FACILITAIR_PROVIDER={chosen!r}: choose one of {', '.join(known)}")
    elif refused and (chosen in refused or not by_provider):
        faults += [local_refusal(provider, url) for provider, url in sorted(refused.items())]
    elif chosen is not None and chosen not in by_provider and not faults:
        faults.append(f"FACILITAIR_PROVIDER={chosen}: it is not set up; set {_set_up_by(chosen)}")
    elif not by_provider and not faults:
        faults.append(f"no provider is set up; set {' or '.join(map(_set_up_by, known))}")
    if faults:
        raise EndpointsError(faults=tuple(faults))
    return Endpoints(
        by_provider=by_provider,
        default_provider=chosen or next(iter(by_provider)),
        default_model=_value(env, "FACILITAIR_MODEL"),
        local_only=local_only,
        refused=refused,
        master_keys=master_keys,
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


_BUILT_IN_VARIABLES = ("OPENAI_API_KEY", "OPENAI_API_KEY_FILE", "OPENAI_BASE_URL", "OLLAMA_HOST")
_ENDINGS = ("_API_KEY", "_API_KEY_FILE", "_BASE_URL")
_SET_UP_BY = {
    "openai": "OPENAI_API_KEY (and OPENAI_BASE_URL for other servers than OpenAI's)",
    "ollama": "OLLAMA_HOST",
    SIMULATOR: "none of them and start the simulator",
}


def _set_up_by(provider: str) -> str:
    return _SET_UP_BY.get(provider) or _variable(provider, "_API_KEY")


def _variable(provider: str, ending: str) -> str:
    return provider.upper().replace("-", "_").replace(".", "_") + ending


def _directory(env: Mapping[str, str]) -> Path:
    """Return where the files are, so that who calls a provider reads what who names it reads."""
    own = _value(env, DEFINITIONS)
    return definitions_dir("model") if own is None else Path(own) / "models"


def _read_files(directory: Path) -> dict[str, ModelFile]:
    """Return the files by provider. Raises EndpointsError."""
    try:
        files = read_model_files(directory)
    except CatalogError as error:
        raise EndpointsError(faults=error.faults) from error
    return {file.provider: file for file in files}


def _value(env: Mapping[str, str], name: str) -> str | None:
    return env.get(name, "").strip() or None


def _from_file(
    file: ModelFile, env: Mapping[str, str], *, chosen: bool, faults: list[str]
) -> Endpoint | None:
    """Return the provider of a file if it is set up; one on this machine may do without a key."""
    if file.base_url is None:
        return None
    key = read_key(env, _variable(file.provider, "_API_KEY"), faults=faults)
    variable = _variable(file.provider, "_BASE_URL")
    url = _value(env, variable)
    if key is None and url is None and not (chosen and is_loopback(file.base_url)):
        return None
    base_url = file.base_url if url is None else _checked_url(url, name=variable, faults=faults)
    return Endpoint(
        provider=file.provider,
        base_url=base_url,
        api_key=key,
        dialect=file.dialect,
        options=file.options,
    )


def _openai(
    env: Mapping[str, str], file: ModelFile | None, *, faults: list[str]
) -> Endpoint | None:
    key, url = read_key(env, "OPENAI_API_KEY", faults=faults), _value(env, "OPENAI_BASE_URL")
    if key is None and url is None:
        return None
    base_url = OPENAI_URL
    if url is not None:
        base_url = _checked_url(url, name="OPENAI_BASE_URL", faults=faults)
    # Compatible servers know only the older name of the limit.
    own: dict[str, object] = (
        {"output_limit_field": "max_completion_tokens"} if base_url == OPENAI_URL else {}
    )
    options = own | ({} if file is None else file.options)
    return Endpoint(provider="openai", base_url=base_url, api_key=key, options=options)


def _ollama(
    env: Mapping[str, str], file: ModelFile | None, *, faults: list[str]
) -> Endpoint | None:
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
    base_url = base_url.replace("//0.0.0.0", "//127.0.0.1", 1).removesuffix("/v1")
    dialect = "openai-chat" if file is None else file.dialect
    return Endpoint(
        provider="ollama",
        base_url=f"{base_url}/v1" if dialect == "openai-chat" else base_url,
        api_key=read_key(env, "OLLAMA_API_KEY", faults=faults),
        dialect=dialect,
        options={} if file is None else file.options,
    )


def _checked_url(url: str, *, name: str, faults: list[str]) -> str:
    """Return the URL without a slash at its end; add to `faults` what is wrong with it."""
    problem = url_problem(url)
    if problem is not None:
        faults.append(f"{name}: {problem}")
        return ""
    return url.rstrip("/")
