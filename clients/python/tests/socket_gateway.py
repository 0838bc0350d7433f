"""A gateway that speaks WebSocket as it is told, one script for each connection."""

import json
from contextlib import asynccontextmanager

from websockets.asyncio.server import serve


def message(event, data, ident, **more):
    return json.dumps({"id": ident, "event": event, "collaboration": "c1", "data": data, **more})


def refusal(code):
    return json.dumps({"event": "error", "code": code, "message": f"it is {code}"})


class Script:
    """Messages, then a close; ``code`` None breaks the connection off."""

    def __init__(self, *messages, code=1000):
        self.messages = messages
        self.code = code


class SocketGateway:
    def __init__(self, *scripts):
        self.scripts = list(scripts)
        self.requests = []

    async def handle(self, connection):
        self.requests.append(connection.request)
        script = self.scripts.pop(0)
        for one in script.messages:
            await connection.send(one)
        if script.code is None:
            await connection.ping()
            connection.transport.close()
        else:
            await connection.close(script.code)

    def cursors(self):
        return [request.path.partition("?")[2] for request in self.requests]


@asynccontextmanager
async def serving(*scripts, refuse=None):
    """Serve scripts in turn; ``refuse`` is the status that every handshake is answered with."""
    gateway = SocketGateway(*scripts)

    def answer(connection, request):
        if refuse is None:
            return None
        body = json.dumps({"code": "origin_foreign", "detail": "it is origin_foreign"})
        return connection.respond(refuse, body)

    async with serve(
        gateway.handle, "127.0.0.1", 0, compression=None, process_request=answer
    ) as server:
        port = server.sockets[0].getsockname()[1]
        gateway.url = f"http://127.0.0.1:{port}"
        yield gateway
