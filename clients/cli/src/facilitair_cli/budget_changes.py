"""What ``budget set`` changes, and what that does to a budget. Pure."""

import re
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Final

import msgspec
from msgspec import Struct

from facilitair_cli.amounts import usd
from facilitair_cli.errors import OptionError
from facilitair_client import Budget, Limit

_SCOPES: Final = ("tenant", "project", "key", "agent", "collaboration")
_WINDOWS: Final = ("day", "month", "total")
_CLASSES: Final = ("interactive", "batch")
_UNPRICED: Final = ("allow", "refuse")
_COUNT: Final = re.compile(r"[1-9][0-9]{0,5}", re.ASCII)
_NONE: Final = "none"

Place = tuple[str, str, str, str]
"""Kind, scope, name and window: what there is one limit of."""


class Change(Struct, frozen=True, kw_only=True):
    """What becomes other than it was; None and what is not named stay as they are."""

    limits: dict[Place, Decimal] = {}
    removed: tuple[Place, ...] = ()
    timezone: str | None = None
    slots: dict[str, int] = {}
    unpriced: str | None = None


class Difference(Struct, frozen=True, kw_only=True):
    """One setting, before and after."""

    what: str
    before: str
    after: str


def change_of(
    *,
    limits: Sequence[str],
    warns: Sequence[str],
    removed: Sequence[str],
    unwarned: Sequence[str],
    timezone: str | None,
    slots: str | None,
    unpriced: str | None,
) -> Change:
    """The change that options ask for. Raises OptionError."""
    wanted: dict[Place, Decimal] = {}
    for option, kind, given in (("--limit", "hard", limits), ("--warn", "warning", warns)):
        for text in given:
            where, separator, amount = text.partition("=")
            if not separator:
                raise _malformed(option, text, like="tenant/month=100")
            place = _place(where, option=option, kind=kind)
            if place in wanted:
                raise OptionError(option=option, reason=f"{where!r} is given twice")
            wanted[place] = usd(amount, option=option, zero=True)
    gone = tuple(_place(text, option="--no-limit", kind="hard") for text in removed) + tuple(
        _place(text, option="--no-warn", kind="warning") for text in unwarned
    )
    both = [place for place in gone if place in wanted]
    if both:
        raise OptionError(option="--no-limit", reason=f"{_where(both[0])} is set as well")
    if unpriced not in {None, *_UNPRICED}:
        raise OptionError(option="--unpriced", reason="must be allow or refuse")
    if timezone is not None and not timezone.strip():
        raise OptionError(option="--timezone", reason="name a zone such as Europe/Berlin or UTC")
    change = Change(
        limits=wanted,
        removed=gone,
        timezone=timezone,
        slots=_slots(slots),
        unpriced=unpriced,
    )
    if change == Change():
        raise OptionError(option="budget set", reason="say what shall change; see --help")
    return change


def changed(budget: Budget, change: Change) -> Budget:
    """The budget with the change. Raises OptionError for a limit to remove that is not there."""
    kept = {_of(limit): limit for limit in budget.limits}
    for place in change.removed:
        if kept.pop(place, None) is None:
            raise OptionError(option="--no-limit", reason=f"there is no {_where(place)}")
    for place, amount in change.limits.items():
        kind, scope, name, window = place
        kept[place] = Limit(scope=scope, name=name, window=window, usd=amount, kind=kind)
    return msgspec.structs.replace(
        budget,
        limits=tuple(kept.values()),
        timezone=budget.timezone if change.timezone is None else change.timezone,
        slots=msgspec.structs.replace(budget.slots, **change.slots),
        unpriced=change.unpriced or budget.unpriced,
    )


def differences(before: Budget, after: Budget) -> Iterator[Difference]:
    """Every setting that is another one."""
    if before.timezone != after.timezone:
        yield Difference(what="timezone", before=before.timezone, after=after.timezone)
    old, new = ({_of(limit): limit.usd for limit in one.limits} for one in (before, after))
    for place in dict.fromkeys((*old, *new)):
        if old.get(place) != new.get(place):
            yield Difference(
                what=_where(place), before=_told(old.get(place)), after=_told(new.get(place))
            )
    for name in _CLASSES:
        was, now = getattr(before.slots, name), getattr(after.slots, name)
        if was != now:
            yield Difference(what=f"slots {name}", before=str(was), after=str(now))
    if before.unpriced != after.unpriced:
        yield Difference(what="calls without a price", before=before.unpriced, after=after.unpriced)


def _place(text: str, *, option: str, kind: str) -> Place:
    subject, separator, window = text.partition("/")
    scope, colon, name = subject.partition(":")
    if not separator or (colon and not name):
        raise _malformed(option, text, like="tenant/month or agent:coder/day")
    if scope not in _SCOPES:
        raise OptionError(option=option, reason=f"{scope!r} is not one of {', '.join(_SCOPES)}")
    if window not in _WINDOWS:
        raise OptionError(option=option, reason=f"{window!r} is not one of {', '.join(_WINDOWS)}")
    if scope == "tenant" and name:
        raise OptionError(option=option, reason="a limit of the tenant has no name: tenant/month")
    if scope == "collaboration" and window != "total":
        raise OptionError(option=option, reason="a collaboration has only a total")
    return kind, scope, name or "*", window


def _slots(text: str | None) -> dict[str, int]:
    found: dict[str, int] = {}
    for part in (text or "").split(",") if text is not None else ():
        name, _, count = part.strip().partition("=")
        if name not in _CLASSES or _COUNT.fullmatch(count) is None:
            raise _malformed("--slots", part, like="interactive=16,batch=4")
        found[name] = int(count)
    return found


def _of(limit: Limit) -> Place:
    return limit.kind, limit.scope, limit.name, limit.window


def _where(place: Place) -> str:
    kind, scope, name, window = place
    subject = scope if name == "*" else f"{scope}:{name}"
    return f"{'limit' if kind == 'hard' else 'warning'} {subject}/{window}"


def _told(amount: Decimal | None) -> str:
    return _NONE if amount is None else f"${amount:f}"


def _malformed(option: str, text: str, *, like: str) -> OptionError:
    return OptionError(option=option, reason=f"{text!r} is not of the form {like}")
