"""What ``budget show`` and ``budget set`` do."""

import sys
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any, Final

import msgspec

from facilitair_cli.attaching import Attachment
from facilitair_cli.budget_changes import Change, Difference, changed, differences
from facilitair_cli.budget_telling import account_lines
from facilitair_cli.exits import ExitCode
from facilitair_cli.screens import json_text, note
from facilitair_cli.talking import ask
from facilitair_cli.terminal_text import harmless
from facilitair_client import Account, ApiError, Budget, Facilitair

_MOST_TRIES: Final = 5
"""How often in a row somebody else may be faster."""


async def show(attached: Attachment, *, tenant: str | None, as_json: bool) -> int:
    """Tell the budget and how the account stands."""
    account = await ask(attached, lambda client: client.money.account(tenant))
    tell(msgspec.to_builtins(account), account_lines(account), as_json=as_json)
    return ExitCode.DONE


async def change(
    wanted: Change, attached: Attachment, *, tenant: str | None, dry_run: bool, as_json: bool
) -> int:
    """Change the budget that there is; read and changed anew when it becomes another meanwhile."""
    account, after = await ask(
        attached, lambda client: _change(client, wanted, tenant=tenant, dry_run=dry_run)
    )
    before = account.budget
    found = tuple(differences(before, after))
    document: dict[str, Any] = {
        "before": msgspec.to_builtins(before),
        "after": msgspec.to_builtins(after),
        "changed": msgspec.to_builtins(found),
        "dry_run": dry_run,
        "warnings": msgspec.to_builtins(account.warnings),
    }
    tell(document, _lines(found), as_json=as_json)
    for warning in () if as_json else account.warnings:
        note(f"warning: {warning.message}")
    if dry_run and found:
        note("nothing is changed yet; leave out --dry-run to change it")
    return ExitCode.DONE


def tell(document: Any, lines: Sequence[str], *, as_json: bool) -> None:
    """One document, or lines without a control character."""
    text = json_text(document) if as_json else harmless("\n".join(lines))
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


async def _change(
    client: Facilitair, wanted: Change, *, tenant: str | None, dry_run: bool
) -> tuple[Account, Budget]:
    tries = 0
    while True:
        tries += 1
        account = await client.money.account(tenant)
        after = changed(account.budget, wanted)
        if dry_run or not tuple(differences(account.budget, after)):
            return account, after
        try:
            await client.money.set_budget(after, etag=account.etag, tenant=tenant)
        except ApiError as error:
            if error.status != HTTPStatus.PRECONDITION_FAILED or tries == _MOST_TRIES:
                raise
        else:
            return account, after


def _lines(found: Sequence[Difference]) -> list[str]:
    if not found:
        return ["nothing changes: it is so already"]
    width = max(len(one.what) for one in found)
    return [f"{one.what:<{width}}  {one.before} → {one.after}" for one in found]
