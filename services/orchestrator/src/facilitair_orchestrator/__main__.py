"""Runs the orchestrator as a process: ``python -m facilitair_orchestrator``."""

from facilitair_orchestrator.app import SERVICE, build_app
from facilitair_orchestrator.settings import OrchestratorSettings
from facilitair_runtime.service import load_or_exit, run_service

if __name__ == "__main__":
    settings = load_or_exit(OrchestratorSettings)
    raise SystemExit(run_service(build_app, settings, service=SERVICE, member=settings.member))
