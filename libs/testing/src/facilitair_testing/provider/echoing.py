"""A provider on 127.0.0.1 that quotes the key of every request back, wherever it can.

How a request is answered stands in its text: ``fault=<name>``. What is asked again is answered
well, as is a request that names no fault. It speaks raw HTTP, so that its headers can be broken.
"""

import asyncio
import base64
import re
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final
from urllib.parse import quote

import orjson

_FAULT: Final = re.compile(rb"fault=(\w+) (\w+)")
_KEY: Final = re.compile(rb"(?im)^(?:authorization: *bearer|x-api-key:) *(\S+)\r$")
_LENGTH: Final = re.compile(rb"(?im)^content-length: *(\d+)\r$")


class EchoingProvider:
    """``heard`` are the keys of the requests, by the text's last word; ``url`` is its base."""

    def __init__(self) -> None:
        self.url = ""
        self.heard: defaultdict[str, list[str]] = defaultdict(list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request and close the connection."""
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            length, key = _LENGTH.search(head), _KEY.search(head)
            body = await reader.readexactly(int(length[1]) if length else 0)
            writer.write(self._answer(head, body, key=key[1].decode() if key else ""))
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    def _answer(self, head: bytes, body: bytes, *, key: str) -> bytes:
        found = _FAULT.search(body)
        fault, mark = (found[1].decode(), found[2].decode()) if found else ("good", "unmarked")
        self.heard[mark].append(key)
        answer = FAULTS[fault] if len(self.heard[mark]) == 1 else good
        return answer(key, head.split()[1].decode())


@asynccontextmanager
async def echoing_provider() -> AsyncIterator[EchoingProvider]:
    """Run it on a free port."""
    provider = EchoingProvider()
    server = await asyncio.start_server(provider.serve, "127.0.0.1", 0)
    provider.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server:
        yield provider


def _error(status: int, message: str, *, key: str, headers: str = "") -> bytes:
    body = orjson.dumps({"error": {"message": message, "code": "invalid_api_key"}})
    return (
        f"HTTP/1.1 {status} No {key}\r\nContent-Type: application/json\r\nX-Echo: {key}\r\n"
        f"X-Request-Id: {key}\r\nWWW-Authenticate: Bearer {key}\r\n{headers}"
        f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    ).encode() + body


def _quoted(key: str, path: str) -> bytes:
    return _error(401, f"Incorrect key provided: {key}. See https://x{path}?key={key}", key=key)


def _encoded(key: str, _path: str) -> bytes:
    data = key.encode()
    told = [base64.b64encode(b"user:" + data).decode(), data.hex(), quote(key, safe="")]
    return _error(400, " ".join(told), key=key)


def _long(key: str, _path: str) -> bytes:
    return _error(403, "x" * 380 + key, key=key)


def _redirect(key: str, _path: str) -> bytes:
    return _error(
        307, f"go to {key}", key=key, headers=f"Location: http://127.0.0.1:9/?k={key}\r\n"
    )


def _page(key: str, _path: str) -> bytes:
    body = f"<html>Authorization: Bearer {key}</html>".encode()
    return b"HTTP/1.1 500 Oops\r\nContent-Type: text/html\r\nConnection: close\r\n\r\n" + body


def _header(key: str, _path: str) -> bytes:
    return f"HTTP/1.1 401 No\r\nno header {key}\r\n\r\n".encode()


def _stream(path: str, key: str, *pieces: bytes) -> bytes:
    kind = "application/x-ndjson" if path.endswith("/api/chat") else "text/event-stream"
    head = f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nX-Request-Id: req-{key}\r\n"
    head += f"Request-Id: req-{key}\r\nConnection: close\r\n\r\n"
    return head.encode() + b"".join(pieces)


def _pieces(path: str, key: str) -> tuple[bytes, bytes, bytes]:
    """The beginning, the text and the end of a good answer that names the key as its model."""
    if path.endswith("/messages"):
        usage = {"input_tokens": 3, "output_tokens": 1}
        begin = {"type": "message_start", "message": {"id": key, "model": key, "usage": usage}}
        delta = {"type": "text_delta", "text": "Fine."}
        text = {"type": "content_block_delta", "index": 0, "delta": delta}
        end = {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": usage}
        stop = _event({"type": "message_stop"}, name="message_stop")
        content = {"type": "text", "text": ""}
        block = {"type": "content_block_start", "index": 0, "content_block": content}
        return (
            _event(begin, name="message_start") + _event(block, name="content_block_start"),
            _event(text, name="content_block_delta"),
            _event(end, name="message_delta") + stop,
        )
    if path.endswith("/api/chat"):
        said = {"model": key, "message": {"role": "assistant", "content": "Fine."}, "done": False}
        last = {
            "model": key, "done": True, "done_reason": "stop", "eval_count": 1,
            "message": {"role": "assistant", "content": ""}, "prompt_eval_count": 3,
        }  # fmt: skip
        return b"", orjson.dumps(said) + b"\n", orjson.dumps(last) + b"\n"
    named = {"id": key, "model": key}
    usage = {"prompt_tokens": 3, "completion_tokens": 1}
    said = named | {"choices": [{"index": 0, "delta": {"content": "Fine."}}]}
    last = named | {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}], "usage": usage}
    return b"", _event(said), _event(last) + b"data: [DONE]\n\n"


def _event(data: Mapping[str, Any], *, name: str = "") -> bytes:
    line = f"event: {name}\n".encode() if name else b""
    return line + b"data: " + orjson.dumps(data) + b"\n\n"


def good(key: str, path: str) -> bytes:
    """A whole answer."""
    return _stream(path, key, *_pieces(path, key))


def _cut(key: str, path: str) -> bytes:
    begin, text, _ = _pieces(path, key)
    return _stream(path, key, begin, text)


def _midway(key: str, path: str) -> bytes:
    begin, text, _ = _pieces(path, key)
    told = {
        "type": "error",
        "error": {"type": "api_error", "message": f"bad {key} {key.encode().hex()}"},
    }
    line = orjson.dumps(told) + b"\n"
    error = line if path.endswith("/api/chat") else _event(told, name="error" if begin else "")
    return _stream(path, key, begin, text, error)


def _garbage(key: str, path: str) -> bytes:
    return _stream(path, key, f"data: {{{key}\n\n{key}\n".encode())


FAULTS: Final[dict[str, Callable[[str, str], bytes]]] = {
    "good": good,
    "quoted": _quoted,
    "encoded": _encoded,
    "long": _long,
    "redirect": _redirect,
    "page": _page,
    "header": _header,
    "cut": _cut,
    "midway": _midway,
    "garbage": _garbage,
}
