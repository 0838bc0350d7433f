"""A gateway on 127.0.0.1 that answers as a test tells it."""

import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote

ID = "01900000-0000-7000-8000-000000000000"
TOTALS = {"usage": {"input_tokens": 5, "output_tokens": 7}, "calls": 1, "cost_usd": "0.25"}


def frame(kind, data, *, offset):
    seq = data.get("seq", 0)
    return f"id: 3-{offset}-{seq}\nevent: {kind}\ndata: {json.dumps(data)}\n\n".encode()


def run_of(text="hello", *, end="completed", partial=None, **more):
    """The stream of a collaboration with one step, up to its end."""
    part = {} if partial is None else {"partial": partial}
    attempt = {"step": "assistant", "agent": "assistant", "attempt": 1}
    output = {"size": len(text.encode()), "text": {"k": None, "v": text}}
    events = [
        ("collaboration.accepted", {"collaboration": ID, "seq": 1, "workflow": "answer"}),
        ("step.scheduled", {"seq": 2, "model": "m", **attempt}),
        ("attempt.started", {"model": "m", **attempt}),
        ("token", {"index": 0, "text": text, **attempt}),
        ("attempt.completed", {"seq": 3, "output": output, "totals": TOTALS, **part, **attempt}),
        (
            f"collaboration.{end}",
            {
                "collaboration": ID,
                "seq": 4,
                "step": "assistant",
                "duration_ms": 12,
                "totals": TOTALS,
                **more,
            },
        ),
    ]
    return [frame(kind, data, offset=10 + place) for place, (kind, data) in enumerate(events)]


def described(status="completed", *, partial=None):
    return {
        "id": ID,
        "status": status,
        "workflow": "answer",
        "workflow_version": "v",
        "project": "default",
        "actor": "local",
        "task": {"size": 2, "text": {"k": None, "v": "do"}},
        "created_at": "2026-01-01T00:00:00Z",
        "updated_at": "2026-01-01T00:00:00Z",
        "last_seq": 4,
        "steps": [
            {"path": "assistant", "step": "assistant", "status": "completed"}
            | ({} if partial is None else {"partial": partial})
        ],
    }


class Script:
    """What is answered: ``problem`` to a submit, else ``parts`` on the stream.

    ``answers`` are those to a ``GET`` or ``POST`` of other paths.
    ``unlisted`` are models that may be named and that no list has.
    A stream stays open until the event ``held`` is set.
    """

    def __init__(self):
        self.problem = None
        self.parts = run_of()
        self.status = "completed"
        self.partial = None
        self.known = True
        self.cost = {"id": ID, "status": "completed", "currency": "USD", "totals": TOTALS}
        self.answers = {}
        self.models = []
        self.unlisted = []
        self.held = None
        self.requests = []
        self.bodies = []


class Handler(BaseHTTPRequestHandler):
    """Answers by the script of its server."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.server.script.requests.append(f"GET {self.path}")
        if not self.server.script.known:
            self.answer({"status": 404, "code": "not_found", "detail": "there is none"}, 404)
        elif self.path.endswith("/stream"):
            self.stream()
        elif self.path.startswith("/v1/models/"):
            self.model(unquote(self.path.removeprefix("/v1/models/")))
        elif self.path.startswith("/v1/models"):
            self.answer({"data": self.server.script.models, "has_more": False})
        elif self.path.endswith("/cost"):
            self.answer(self.server.script.cost)
        elif self.path.split("?")[0] in self.server.script.answers:
            self.answer(self.server.script.answers[self.path.split("?")[0]])
        elif self.path.endswith("/events"):
            self.answer({"data": events_of(self.server.script.parts), "has_more": False})
        else:
            self.answer(described(self.server.script.status, partial=self.server.script.partial))

    def model(self, name):
        """One that is listed, or that may be named all the same."""
        rows = [*self.server.script.models, *self.server.script.unlisted]
        found = next((row for row in rows if row["name"] == name), None)
        missing = {"status": 404, "code": "model_not_found", "detail": "there is none"}
        self.answer(found or missing, 200 if found else 404)

    def do_POST(self):
        self.server.script.requests.append(f"POST {self.path}")
        length = int(self.headers["content-length"])
        self.server.script.bodies.append(json.loads(self.rfile.read(length)))
        if self.server.script.problem is not None:
            self.answer(self.server.script.problem, self.server.script.problem["status"])
        elif self.path in self.server.script.answers:
            self.answer(self.server.script.answers[self.path])
        elif self.path.endswith("/control"):
            self.answer({"status": "cancelling"}, 202)
        else:
            stream = f"/v1/collaborations/{ID}/stream"
            self.answer({"id": ID, "status": "accepted", "stream": stream, "cursor": "3-10-0"}, 202)

    def stream(self):
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("connection", "close")
        self.end_headers()
        for part in self.server.script.parts:
            self.wfile.write(part)
        if self.server.script.held is not None:
            self.server.script.held.wait()
        self.close_connection = True

    def answer(self, body, status=200):
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_):
        pass


@contextmanager
def serving(script):
    """Serve a script; yields the url."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.script = script
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def events_of(parts):
    """The numbered events of a stream, as the events page has them."""
    rows = []
    for part in parts:
        ident, kind, data = (line.partition(": ")[2] for line in part.decode().strip().split("\n"))
        row = {"id": ident, "kind": kind, "data": json.loads(data)}
        if "seq" in row["data"]:
            rows.append(row)
    return rows
