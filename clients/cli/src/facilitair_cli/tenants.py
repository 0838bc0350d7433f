"""The commands ``tenants …``."""

from typing import Annotated

import typer

from facilitair_cli.commanding import JsonOption, finish, with_gateway

app = typer.Typer(help="The tenants, for administrators.", no_args_is_help=True)

TenantArgument = Annotated[str, typer.Argument(metavar="TENANT", help="The id of a tenant.")]


@app.command()
def create(
    tenant: TenantArgument,
    name: Annotated[str | None, typer.Option("--name", help="What people call it.")] = None,
    *,
    as_json: JsonOption = False,
) -> None:
    """Create a tenant; then give it a key: facilitair keys create --tenant TENANT."""
    from facilitair_cli import administering  # noqa: PLC0415 - help does without

    finish(
        with_gateway(lambda a: administering.create_tenant(tenant, a, name=name, as_json=as_json))
    )


@app.command()
def ls(*, as_json: JsonOption = False) -> None:
    """List the tenants."""
    from facilitair_cli import administering  # noqa: PLC0415 - help does without

    finish(with_gateway(lambda a: administering.list_tenants(a, as_json=as_json)))


@app.command()
def revoke(tenant: TenantArgument, *, as_json: JsonOption = False) -> None:
    """Close a tenant for good: none of its keys works any more. What it has is kept."""
    from facilitair_cli import administering  # noqa: PLC0415 - help does without

    finish(with_gateway(lambda a: administering.close_tenant(tenant, a, as_json=as_json)))
