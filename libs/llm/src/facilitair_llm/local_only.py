"""The mode in which nothing but this machine is called."""

from collections.abc import Mapping

from facilitair_llm.urls import is_loopback

VARIABLE = "FACILITAIR_LOCAL_ONLY"
_NO = frozenset({"", "0", "f", "false", "n", "no", "off"})


def is_local_only(env: Mapping[str, str]) -> bool:
    """Return whether the mode is on.

    A value that is neither yes nor no counts as yes here; the services' settings refuse it.
    """
    return env.get(VARIABLE, "").strip().lower() not in _NO


def elsewhere(urls: Mapping[str, str]) -> dict[str, str]:
    """Return the providers, with their addresses, that are not on this machine."""
    return {provider: url for provider, url in urls.items() if not is_loopback(url)}


def local_refusal(provider: str, url: str) -> str:
    """Say that a provider is not used, and what can be."""
    return (
        f"{VARIABLE}: {provider} at {url} is not on this machine; use OLLAMA_HOST or another"
        " server here, or FACILITAIR_PROVIDER=simulator"
    )
