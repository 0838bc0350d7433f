"""What the gateway raises about sockets and the frames that came over them."""

from facilitair_gateway.errors import GatewayError


class FrameError(GatewayError):
    """A message of a client on a WebSocket cannot be used."""


class FrameUnreadableError(FrameError):
    """A message is no frame at all."""

    def __init__(self) -> None:
        super().__init__("a frame is a text message that holds one JSON object")


class FrameTypeUnknownError(FrameError):
    """A frame is of a type that does not exist."""

    def __init__(self, *, kind: object, known: tuple[str, ...]) -> None:
        shown = repr(kind[:64]) if isinstance(kind, str) else "no text"
        super().__init__(f"the frame's type is {shown}; there are {', '.join(known)}")


class FrameInvalidError(FrameError):
    """The fields of a frame are wrong."""

    def __init__(self, *, kind: str, reason: str) -> None:
        super().__init__(f"the {kind} frame is wrong: {reason}")


class NotSubscribedError(GatewayError):
    """A socket does not send what it shall stop to send."""

    def __init__(self) -> None:
        super().__init__("this socket does not send the events of that collaboration")


class OriginForeignError(GatewayError):
    """A web page of another host opened a WebSocket."""

    def __init__(self) -> None:
        super().__init__(
            "pages of this origin may not connect; list it in"
            " FACILITAIR_GATEWAY_SOCKETS__ALLOWED_ORIGINS"
        )


class NotWebSocketError(GatewayError):
    """A path that only WebSockets use was asked for otherwise."""

    def __init__(self) -> None:
        super().__init__("this path speaks WebSocket only; /stream has the same as events")


class SocketStateError(GatewayError):
    """A socket was asked for a step that its state does not allow: a fault of this program."""

    def __init__(self, *, now: str, wanted: str) -> None:
        super().__init__(f"a socket that is {now} cannot become {wanted}")


class NoSuchSocketError(GatewayError):
    """There is no WebSocket at a path."""

    def __init__(self) -> None:
        super().__init__("there is no WebSocket here; it is /v1/collaborations/{id}/ws")
