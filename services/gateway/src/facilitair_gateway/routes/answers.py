"""JSON responses, encoded once and the same way everywhere."""

from http import HTTPStatus
from typing import Any

import msgspec
from fastapi import Response

_encoder = msgspec.json.Encoder(decimal_format="string")


def json_response(
    content: Any, *, status: int = HTTPStatus.OK, headers: dict[str, str] | None = None
) -> Response:
    """``content`` as JSON; answers are about now, so nobody may keep them."""
    return Response(
        _encoder.encode(content),
        status_code=status,
        media_type="application/json",
        headers={"cache-control": "no-store", **(headers or {})},
    )
