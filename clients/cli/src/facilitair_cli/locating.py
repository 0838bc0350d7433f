"""Where the gateway is: named by the environment, else announced in the state folder."""

from collections.abc import Mapping

from msgspec import Struct

from facilitair_cli.announcements import Announcement, find
from facilitair_cli.errors import NotUpError, OptionError
from facilitair_cli.state_folder import StateFolder


class Place(Struct, frozen=True, kw_only=True):
    """A gateway. ``pid`` is null for one that the environment names."""

    url: str
    pid: int | None = None
    api_key: str | None = None


def locate(environ: Mapping[str, str], folder: StateFolder) -> Place | None:
    """The gateway to talk to, if there is one. Raises OptionError for a URL that is none."""
    key = api_key(environ)
    url = environ.get("FACILITAIR_URL", "").strip()
    if url and not url.startswith(("http://", "https://")):
        reason = f"{url!r} is no address such as http://127.0.0.1:8080"
        raise OptionError(option="FACILITAIR_URL", reason=reason)
    if url:
        return Place(url=url, api_key=key)
    announced = find(folder.gateway) or _replica(folder)
    if announced is None:
        return None
    return Place(url=announced.url, pid=announced.pid, api_key=key)


def _replica(folder: StateFolder) -> Announcement | None:
    """Another gateway of a fleet, while the first one is being started again."""
    paths = sorted(folder.gateway.parent.glob("gateway-*.json"))
    found = (find(path) for path in paths if not path.name.endswith(".ops.json"))
    return next((one for one in found if one is not None), None)


def api_key(environ: Mapping[str, str]) -> str | None:
    """The key that requests are sent with."""
    return environ.get("FACILITAIR_API_KEY", "").strip() or None


def located(environ: Mapping[str, str], folder: StateFolder) -> Place:
    """The gateway to talk to. Raises NotUpError."""
    place = locate(environ, folder)
    if place is None:
        raise NotUpError
    return place
