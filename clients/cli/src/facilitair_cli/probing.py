"""Whether a service is ready, asked at its operator's port."""

import http.client
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec

_PROBE_S: Final = 2.0


def is_ready(url: str) -> bool:
    """Whether what answers there says that it is ready. Blocks for two seconds at most."""
    place = urlsplit(url)
    connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=_PROBE_S)
    try:
        connection.request("GET", "/ready")
        answer = connection.getresponse()
        told = msgspec.json.decode(answer.read(), type=dict[str, Any])
        return answer.status == http.client.OK and told.get("ready") is True
    except (OSError, http.client.HTTPException, msgspec.DecodeError):
        return False
    finally:
        connection.close()
