"""The commands ``budget …``."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from facilitair_cli.amounts import usd
from facilitair_cli.commanding import JsonOption, finish, with_gateway
from facilitair_cli.errors import OptionError

app = typer.Typer(
    help="What a tenant may spend, what is left of it, and calls to reconcile.",
    no_args_is_help=True,
)

TenantOption = Annotated[
    str | None, typer.Option("--tenant", help="Of this tenant; for administrators.")
]


@app.command()
def show(*, tenant: TenantOption = None, as_json: JsonOption = False) -> None:
    """Show the budget, what is spent, reserved and left of each limit, and unknown calls.

    Example: facilitair budget show
    """
    from facilitair_cli import budgeting  # noqa: PLC0415 - help does without

    finish(with_gateway(lambda a: budgeting.show(a, tenant=tenant, as_json=as_json)))


@app.command("set")
def set_budget(  # noqa: PLR0913, PLR0917 - one parameter for each option
    limits: Annotated[
        list[str] | None,
        typer.Option(
            "--limit", metavar="SCOPE/WINDOW=USD", help="Refuse what would cost more than this."
        ),
    ] = None,
    warns: Annotated[
        list[str] | None,
        typer.Option("--warn", metavar="SCOPE/WINDOW=USD", help="Tell when this is spent."),
    ] = None,
    removed: Annotated[
        list[str] | None,
        typer.Option("--no-limit", metavar="SCOPE/WINDOW", help="Take a limit away."),
    ] = None,
    unwarned: Annotated[
        list[str] | None,
        typer.Option("--no-warn", metavar="SCOPE/WINDOW", help="Take a warning away."),
    ] = None,
    timezone: Annotated[
        str | None, typer.Option("--timezone", help="Whose days and months, like Europe/Berlin.")
    ] = None,
    slots: Annotated[
        str | None,
        typer.Option(
            "--slots", metavar="CLASS=N", help="Attempts at once, like interactive=16,batch=4."
        ),
    ] = None,
    unpriced: Annotated[
        str | None,
        typer.Option("--unpriced", help="allow or refuse calls without a price under a limit."),
    ] = None,
    *,
    tenant: TenantOption = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show the change.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Change the budget and show what was changed; what is not named stays as it is.

    SCOPE is tenant, project, key, agent or collaboration, each of them or one: agent:coder.
    WINDOW is day, month or total; a collaboration has only a total.
    Needs a key with the scope admin.

    Example: facilitair budget set --limit tenant/month=100 --limit agent:coder/day=5

    Example: facilitair budget set --warn tenant/day=3 --timezone Europe/Berlin

    Example: facilitair budget set --slots interactive=16,batch=4 --unpriced allow
    """
    from facilitair_cli import budgeting  # noqa: PLC0415 - help does without
    from facilitair_cli.budget_changes import change_of  # noqa: PLC0415 - as above

    change = change_of(
        limits=limits or (),
        warns=warns or (),
        removed=removed or (),
        unwarned=unwarned or (),
        timezone=timezone,
        slots=slots,
        unpriced=unpriced,
    )
    finish(
        with_gateway(
            lambda a: budgeting.change(change, a, tenant=tenant, dry_run=dry_run, as_json=as_json)
        )
    )


@app.command()
def reconcile(  # noqa: PLR0913, PLR0917 - one parameter for each option
    export: Annotated[
        Path | None,
        typer.Option("--export", metavar="FILE", help="A usage or cost export of a provider."),
    ] = None,
    provider: Annotated[
        str | None, typer.Option("--provider", help="Whose: openai, anthropic or openrouter.")
    ] = None,
    call: Annotated[
        str | None, typer.Option("--call", metavar="ID", help="One call, by hand.")
    ] = None,
    cost: Annotated[
        str | None, typer.Option("--cost", metavar="USD", help="What it did cost; 0 for nothing.")
    ] = None,
    reason: Annotated[
        str | None, typer.Option("--reason", help="How it is known; kept with the entry.")
    ] = None,
    *,
    apply: Annotated[
        bool, typer.Option("--apply", help="Settle; without it, it is only shown.")
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="With --call: also for more than it is charged.")
    ] = False,
    tenant: TenantOption = None,
    as_json: JsonOption = False,
) -> None:
    """Settle calls whose outcome is unknown, which are charged at their reservation until then.

    From a provider's export, or one by hand. Needs a key with the scope admin.

    Example: facilitair budget reconcile --export activity.csv --provider openrouter --apply

    Example: facilitair budget reconcile --call ID --cost 0 --reason "not on the bill" --apply
    """
    from facilitair_cli import reconciling  # noqa: PLC0415 - help does without

    if (export is None) == (call is None):
        raise OptionError(option="--export", reason="name an export, or one call with --call")
    if call is not None:
        if cost is None or not (reason or "").strip():
            raise OptionError(option="--call", reason="say --cost and --reason too")
        amount = usd(cost, option="--cost", zero=True)
        finish(
            with_gateway(
                lambda a: reconciling.by_hand(
                    call, amount, a,
                    reason=str(reason), apply=apply, force=force, tenant=tenant,
                    as_json=as_json,
                )
            )
        )  # fmt: skip
    if cost is not None:
        raise OptionError(option="--cost", reason="only with --call; an export has the costs")
    if tenant is not None:
        raise OptionError(
            option="--tenant", reason="only with --call; use a key of the tenant for its export"
        )
    file = reconciling.read_export(Path(str(export)), provider=provider)
    told = reason or f"export {Path(str(export)).name}, {datetime.now(UTC):%Y-%m-%d}"
    finish(
        with_gateway(
            lambda a: reconciling.from_export(file, a, reason=told, apply=apply, as_json=as_json)
        )
    )
