"""What ``budget set`` changes, and nothing else."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facilitair_cli.amounts import usd
from facilitair_cli.budget_changes import change_of, changed, differences
from facilitair_cli.errors import OptionError
from facilitair_client import Budget, Limit, SlotLimits

NOTHING = {
    "limits": (), "warns": (), "removed": (), "unwarned": (), "timezone": None, "slots": None,
    "unpriced": None,
}  # fmt: skip
BUDGET = Budget(
    timezone="Asia/Tokyo",
    limits=(
        Limit(scope="tenant", window="month", usd=Decimal(50)),
        Limit(scope="tenant", window="month", usd=Decimal(40), kind="warning"),
        Limit(scope="agent", name="coder", window="day", usd=Decimal(5)),
    ),
    slots=SlotLimits(interactive=4, batch=2),
    unpriced="allow",
)


def after(budget: Budget = BUDGET, **options) -> Budget:
    return changed(budget, change_of(**(NOTHING | options)))


def test_a_limit_is_set_and_everything_else_stays() -> None:
    found = after(limits=["tenant/month=100"])
    assert found.limits == (
        Limit(scope="tenant", window="month", usd=Decimal(100)),
        *BUDGET.limits[1:],
    )
    assert (found.timezone, found.slots, found.unpriced) == ("Asia/Tokyo", BUDGET.slots, "allow")


def test_warnings_are_beside_limits_of_the_same_name() -> None:
    found = after(warns=["tenant/month=1", "tenant/day=3"])
    assert [limit.usd for limit in found.limits] == [50, 1, 5, 3]
    assert [limit.kind for limit in found.limits] == ["hard", "warning", "hard", "warning"]


def test_limits_and_warnings_are_taken_away() -> None:
    assert after(removed=["tenant/month"]).limits == BUDGET.limits[1:]
    assert after(unwarned=["tenant/month"]).limits == (BUDGET.limits[0], BUDGET.limits[2])
    with pytest.raises(OptionError, match="there is no limit tenant/day"):
        after(removed=["tenant/day"])


def test_one_class_of_slots_is_set_and_the_other_stays() -> None:
    assert after(slots="batch=9").slots == SlotLimits(interactive=4, batch=9)
    assert after(slots="interactive=16,batch=4").slots == SlotLimits(interactive=16, batch=4)


def test_the_zone_and_calls_without_a_price() -> None:
    found = after(timezone="Europe/Berlin", unpriced="refuse")
    assert (found.timezone, found.unpriced) == ("Europe/Berlin", "refuse")
    assert found.limits == BUDGET.limits


@pytest.mark.parametrize("zone", ["", " "])
def test_a_zone_without_a_name_is_no_wish_for_none(zone) -> None:
    with pytest.raises(OptionError, match="name a zone"):
        after(timezone=zone)


def test_only_what_is_other_is_told() -> None:
    found = after(limits=["tenant/month=50", "agent:coder/day=6"], slots="batch=3")
    told = [(one.what, one.before, one.after) for one in differences(BUDGET, found)]
    assert told == [("limit agent:coder/day", "$5", "$6"), ("slots batch", "2", "3")]
    gone = after(unwarned=["tenant/month"], timezone="UTC", unpriced="refuse")
    assert [one.after for one in differences(BUDGET, gone)] == ["UTC", "none", "refuse"]


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"limits": ["tenant/month"]},
        {"limits": ["tenant=100"]},
        {"limits": ["nobody/month=1"]},
        {"limits": ["tenant/week=1"]},
        {"limits": ["tenant:acme/month=1"]},
        {"limits": ["agent:/day=1"]},
        {"limits": ["collaboration/day=1"]},
        {"limits": ["tenant/month=x"]},
        {"limits": ["tenant/month=1", "tenant/month=2"]},
        {"limits": ["tenant/month=1"], "removed": ["tenant/month"]},
        {"slots": "interactive"},
        {"slots": "interactive=0"},
        {"slots": "fast=1"},
        {"slots": ""},
        {"unpriced": "maybe"},
    ],
)
def test_a_wrong_option_is_refused(options) -> None:
    with pytest.raises(OptionError):
        change_of(**(NOTHING | options))


@pytest.mark.parametrize("text", ["", "1,5", "-1", "1e3", "NaN", "1_0", "0", "0.00"])
def test_what_is_no_amount_is_refused(text) -> None:
    with pytest.raises(OptionError):
        usd(text, option="--budget")


def test_a_dollar_sign_is_no_harm_and_zero_may_be_right() -> None:
    assert usd("$2.50", option="x") == Decimal("2.50")
    assert usd("0", option="x", zero=True) == 0


PLACES = st.sampled_from(
    [
        "tenant/day",
        "tenant/month",
        "agent/day",
        "agent:coder/day",
        "key:k/month",
        "collaboration/total",
    ]
)


@given(
    first=st.dictionaries(PLACES, st.integers(0, 999), max_size=4),
    second=st.dictionaries(PLACES, st.integers(0, 999), max_size=4),
    warned=st.dictionaries(PLACES, st.integers(0, 999), max_size=2),
)
def test_changes_one_after_the_other_are_one_change(first, second, warned) -> None:
    def options(limits, warns=()):
        return {
            "limits": [f"{place}={amount}" for place, amount in limits.items()],
            "warns": [f"{place}={amount}" for place, amount in dict(warns).items()],
            "timezone": "UTC",
        }

    one = after(after(**options(first, warned)), **options(second))
    other = after(**options(first | second, warned))
    assert set(one.limits) == set(other.limits)
    assert after(one, **options(second)) == one
    assert not tuple(differences(one, one))
