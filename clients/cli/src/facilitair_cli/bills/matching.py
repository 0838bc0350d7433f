"""Which calls of unknown outcome a bill settles, and at what. Pure.

Two promises hold for whatever is on the bill: no call is settled above what it is charged now,
which is the most that it may have cost; and all that is settled for a group of calls is exactly
what the bill has for them.
What does not fit is told and stays as it is.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import date, timedelta
from decimal import ROUND_DOWN, Decimal
from typing import Final

from msgspec import Struct

from facilitair_cli.bills.bill import Bill, BilledCall, BilledDay, family
from facilitair_cli.bills.ledger import OurCall

BEFORE: Final = timedelta(hours=2)
"""A call that went silent is noted as unknown at most so long after it began."""

AFTER: Final = timedelta(minutes=2)
"""Clocks of provider and books may be apart."""

CENT: Final = Decimal("0.01")
_STEP: Final = Decimal("1E-12")
_ZERO: Final = Decimal(0)


class Settlement(Struct, frozen=True, kw_only=True):
    """A call and what the bill says that it did cost; ``because`` is where it says so."""

    call: OurCall
    cost_usd: Decimal
    because: str


class Leftover(Struct, frozen=True, kw_only=True):
    """Something that does not fit, of calls or of lines of the bill, and why."""

    what: str
    why: str


class Outcome(Struct, frozen=True, kw_only=True):
    """What a bill settles, and what it leaves open."""

    settled: tuple[Settlement, ...]
    left: tuple[Leftover, ...]


def match(bill: Bill, calls: Iterable[OurCall], *, today: date) -> Outcome:
    """Settle the unknown calls of the bill's provider; those of other providers are not looked at.

    ``today`` is a day of UTC: it is not over, nor is its bill.
    """
    ours = [call for call in calls if call.provider == bill.provider]
    if bill.calls:
        return _by_call(bill.calls, ours)
    return _by_day(bill.days, ours, today=today)


def _by_call(billed: Sequence[BilledCall], ours: Sequence[OurCall]) -> Outcome:
    rest, strangers = _unclaimed(billed, [call for call in ours if not call.unknown])
    unknown = sorted(
        (call for call in ours if call.unknown), key=lambda call: (call.at, call.call_id)
    )
    settled: list[Settlement] = []
    left: list[Leftover] = []
    taken: set[str] = set()
    for group in _groups(unknown, rest):
        candidates = [one for one in rest if any(_may_be(call, one) for call in group)]
        taken |= {one.ident for one in candidates}
        if any(_may_be(call, one) for call in strangers for one in candidates):
            why = (
                "a call of known outcome is not recognised on the bill, so its line may be taken"
                " for this one's: look which"
            )
            left += [Leftover(what=_named(call), why=why) for call in group]
            continue
        done, undone = _pair(group, candidates)
        settled += done
        left += undone
    left += [
        Leftover(what=f"line {one.line} ({one.ident}, {one.model})", why="no call of ours fits it")
        for one in rest
        if one.ident not in taken
    ]
    return Outcome(settled=tuple(settled), left=tuple(left))


def _unclaimed(
    billed: Sequence[BilledCall], known: Iterable[OurCall]
) -> tuple[list[BilledCall], list[OurCall]]:
    """The billed calls that are none of ours whose outcome is known, and those not recognised.

    Of several that fit, the nearest in time is it.
    """
    rest, strangers = sorted(billed, key=lambda one: (one.at, one.ident)), list[OurCall]()
    for call in sorted(known, key=lambda call: (call.at, call.call_id)):
        fitting = [one for one in rest if _may_be(call, one) and _same_use(call, one)]
        if fitting:
            rest.remove(min(fitting, key=lambda one: abs(one.at - call.at)))
        else:
            strangers.append(call)
    return rest, strangers


def _groups(unknown: Sequence[OurCall], rest: Sequence[BilledCall]) -> Iterator[list[OurCall]]:
    """Unknown calls that share candidates, directly or by others, go together."""
    groups: list[tuple[list[OurCall], set[int]]] = []
    for call in unknown:
        mine = {number for number, one in enumerate(rest) if _may_be(call, one)}
        together = [group for group in groups if group[1] & mine]
        groups = [group for group in groups if group not in together]
        joined = [one for group in together for one in group[0]]
        places = mine.union(*(group[1] for group in together))
        groups.append(([*joined, call], places))
    return iter(calls for calls, _ in groups)


def _pair(
    group: Sequence[OurCall], candidates: Sequence[BilledCall]
) -> tuple[list[Settlement], list[Leftover]]:
    """One billed call for each of ours, in the order of time; else none of them."""
    if len(candidates) < len(group):
        why = f"{len(candidates)} calls on the bill may be these {len(group)}"
        if not candidates:
            why = "no call on the bill fits; if it was not billed, settle it by hand with --cost 0"
        return [], [Leftover(what=_named(call), why=why) for call in group]
    if len(candidates) > len(group):
        why = f"{len(candidates)} calls on the bill may be these {len(group)}: look which"
        return [], [Leftover(what=_named(call), why=why) for call in group]
    pairs = list(zip(group, candidates, strict=True))
    wrong = [_misfit(call, one) for call, one in pairs]
    if any(wrong):
        why = next(one for one in wrong if one)
        return [], [Leftover(what=_named(call), why=why) for call in group]
    return [
        Settlement(call=call, cost_usd=one.cost_usd, because=f"line {one.line} ({one.ident})")
        for call, one in pairs
    ], []


def _misfit(call: OurCall, one: BilledCall) -> str | None:
    if not _may_be(call, one):
        return "the calls on the bill do not fit in their order"
    if one.cost_usd > call.charged_usd:
        return f"line {one.line} costs {one.cost_usd:f} USD, more than the call may have cost"
    return None


def _may_be(call: OurCall, one: BilledCall) -> bool:
    near = call.at - BEFORE <= one.at <= call.at + AFTER
    return near and family(call.model) == family(one.model)


def _same_use(call: OurCall, one: BilledCall) -> bool:
    """A known call is recognised by its tokens, or by its cost."""
    if call.output_tokens is not None and call.output_tokens == one.output_tokens:
        return one.input_tokens is None or call.input_tokens == one.input_tokens
    return call.charged_usd == one.cost_usd


def _by_day(billed: Sequence[BilledDay], ours: Sequence[OurCall], *, today: date) -> Outcome:
    settled: list[Settlement] = []
    left: list[Leftover] = []
    seen: set[str] = set()
    for (day, model), lines in _buckets(billed).items():
        calls = [
            call
            for call in ours
            if call.at.date() == day and (model is None or family(call.model) == model)
        ]
        done, undone = _day(lines, calls, day=day, model=model, today=today)
        settled += done
        left += undone
        seen |= {call.call_id for call in calls}
    left += [
        Leftover(what=_named(call), why="the bill has nothing of its model on its day")
        for call in ours
        if call.unknown and call.call_id not in seen
    ]
    return Outcome(settled=tuple(settled), left=tuple(left))


def _day(
    lines: Sequence[BilledDay],
    calls: Sequence[OurCall],
    *,
    day: date,
    model: str | None,
    today: date,
) -> tuple[list[Settlement], list[Leftover]]:
    """What a model's bill of a day settles: all of its unknown calls, or none."""
    unknown = [call for call in calls if call.unknown]
    spent = sum((call.charged_usd for call in calls if not call.unknown), _ZERO)
    total = sum((line.cost_usd or _ZERO for line in lines), _ZERO)
    why = _unusable(lines, day=day, today=today)
    shares: list[Decimal] = []
    if why is None:
        shares, why = _shares(unknown, total - spent, tolerance=_tolerance(total))
    if why is not None:
        return [], [Leftover(what=_named(call), why=why) for call in unknown]
    because = f"{day} {model or 'all models'}: {total:f} USD billed, {spent:f} settled"
    return [
        Settlement(call=call, cost_usd=share, because=because)
        for call, share in zip(unknown, shares, strict=True)
    ], []


def _buckets(billed: Iterable[BilledDay]) -> dict[tuple[date, str | None], list[BilledDay]]:
    found: dict[tuple[date, str | None], list[BilledDay]] = {}
    for line in billed:
        model = None if line.model is None else family(line.model)
        found.setdefault((line.day, model), []).append(line)
    # Beside models, a line without one is of something else, such as searches.
    named = {day for day, model in found if model is not None}
    return {place: lines for place, lines in found.items() if place[1] or place[0] not in named}


def _unusable(lines: Sequence[BilledDay], *, day: date, today: date) -> str | None:
    if day >= today:
        return f"{day} is not over: its bill is not whole"
    if any(line.cost_usd is None for line in lines):
        return "the export has tokens only, and no exact price is known for them: export costs"
    return None


def _shares(
    unknown: Sequence[OurCall], remainder: Decimal, *, tolerance: Decimal
) -> tuple[list[Decimal], str | None]:
    """What each call gets of what is left of a bill, by what it is charged now."""
    most = sum((call.charged_usd for call in unknown), _ZERO)
    if remainder < -tolerance:
        why = f"{-remainder:f} USD less are billed than were settled: the export is not whole"
        return [], why
    if remainder > most + tolerance:
        why = (
            f"{remainder:f} USD are left of the bill, more than the {most:f} that these calls may"
            " have cost: somebody else used the same key, or the export is of more than this"
        )
        return [], why
    sharing = min(max(remainder, _ZERO), most)
    if not most:
        return [_ZERO for _ in unknown], None
    shares = [
        (sharing * call.charged_usd / most).quantize(_STEP, rounding=ROUND_DOWN) for call in unknown
    ]
    missing = sharing - sum(shares, _ZERO)
    for place, call in enumerate(unknown):
        added = min(missing, call.charged_usd - shares[place])
        shares[place] += added
        missing -= added
    return shares, None


def _tolerance(total: Decimal) -> Decimal:
    """Providers round what they tell; a cent a day is no call that was forgotten."""
    return min(CENT, total / 100)


def _named(call: OurCall) -> str:
    return f"{call.call_id} ({call.model}, {call.at:%Y-%m-%d %H:%M}, {call.charged_usd:f} USD)"
