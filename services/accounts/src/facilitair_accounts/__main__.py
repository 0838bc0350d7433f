"""Runs accounts as a process: ``python -m facilitair_accounts``."""

from facilitair_accounts.app import SERVICE, build_app
from facilitair_accounts.settings import AccountsSettings
from facilitair_runtime.service import load_or_exit, run_service

if __name__ == "__main__":
    settings = load_or_exit(AccountsSettings)
    raise SystemExit(run_service(build_app, settings, service=SERVICE, member=settings.member))
