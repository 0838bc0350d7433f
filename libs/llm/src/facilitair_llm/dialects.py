"""What a dialect is: how one family of providers is asked, and how its answers are read."""

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from msgspec import Struct

from facilitair_llm.calls import ChatRequest, Chunk, Finished
from facilitair_llm.framing import Event, EventParser


class StreamDecoder(Protocol):
    """Turns the events of one answer into chunks and knows whether the answer is complete."""

    done: bool
    """True once the end marker came: nothing after it counts."""

    @property
    def is_complete(self) -> bool:
        """Whether the provider said why it stopped; the text is whole then."""
        ...

    def decode(self, event: Event) -> list[Chunk]:
        """Return the chunks of one event, in order, never `Finished`.

        Raises ProviderError for an error object, and kind `malformed` for anything unreadable.
        No event makes it raise anything else.
        """
        ...

    def finish(self) -> Finished:
        """Return the one `Finished` at the end of the bytes.

        Raises ProviderError kind `truncated` if the provider never said why it stopped.
        """
        ...


class Asked(Struct, frozen=True, kw_only=True):
    """What a decoder may know of its request; `options` are those of the dialect."""

    request: ChatRequest
    options: Any
    provider_request_id: str | None = None


class Dialect(Struct, frozen=True, kw_only=True):
    """One way of speaking with models over HTTP, as values and pure functions.

    `path` comes after an endpoint's base URL; a `/v1` that both have stands there once.
    `options` is a Struct with a default for every field and `forbid_unknown_fields`: what an
    endpoint may set. An instance of it is handed to `encode` and to the decoder.
    `encode` gives the body of a streaming POST; equal requests give equal bytes.
    It raises ProviderError with `sent=False` for what the dialect cannot say.
    `headers` are those of every request, with the key where there is one.
    `request_id_headers` are where the provider's own id of a request may stand, best first.
    """

    name: str
    path: str
    options: type[Struct]
    encode: Callable[[ChatRequest, Any], bytes]
    headers: Callable[[str | None], Mapping[str, str]]
    build_parser: Callable[[], EventParser]
    build_decoder: Callable[[Asked], StreamDecoder]
    request_id_headers: tuple[str, ...] = ()


def bearer(api_key: str | None) -> dict[str, str]:
    """The header that most providers take a key in; none without a key."""
    return {} if api_key is None else {"Authorization": f"Bearer {api_key}"}
