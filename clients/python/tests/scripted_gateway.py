"""A gateway that answers as it is told, one answer for each request."""

import json

import httpx


def frame(kind, data, ident):
    return f"id: {ident}\nevent: {kind}\ndata: {json.dumps(data)}\n\n".encode()


def token(index, text, *, offset, seq=1, step="coder", attempt=1):
    data = {"step": step, "attempt": attempt, "agent": "coder", "index": index, "text": text}
    return frame("token", data, f"3-{offset}-{seq}")


def numbered(seq, *, offset, kind="step.scheduled", **more):
    data = {"collaboration": "c1", "seq": seq, "at": "2026-01-01T00:00:00Z", **more}
    return frame(kind, data, f"3-{offset}-{seq}")


def completed(seq, *, offset):
    totals = {"usage": {}, "calls": 0}
    return numbered(
        seq, offset=offset, kind="collaboration.completed", duration_ms=5, totals=totals
    )


class Body(httpx.AsyncByteStream):
    """Parts of a body, then an end or a cut."""

    def __init__(self, parts, *, then=None):
        self._parts = parts
        self._then = then

    async def __aiter__(self):
        for part in self._parts:
            yield part
        if self._then is not None:
            raise self._then


def stream(*parts, cut=False):
    then = httpx.ReadError("cut") if cut else None
    headers = {"content-type": "text/event-stream; charset=utf-8"}
    return httpx.Response(200, headers=headers, stream=Body(parts, then=then))


def problem(status, code="nope", headers=None, **more):
    body = {"status": status, "code": code, "detail": f"it is {code}", **more}
    content = json.dumps(body).encode()
    return httpx.Response(
        status,
        headers={"content-type": "application/problem+json", **(headers or {})},
        content=content,
    )


class Gateway(httpx.AsyncBaseTransport):
    """Answers each request with the next of ``answers``; an exception is raised."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.requests = []

    async def handle_async_request(self, request):
        self.requests.append((request, await request.aread()))
        answer = self.answers.pop(0) if self.answers else httpx.ConnectError("nobody there")
        if isinstance(answer, Exception):
            raise answer
        answer.request = request
        return answer
