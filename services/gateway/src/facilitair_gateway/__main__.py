"""Runs the gateway as a process: ``python -m facilitair_gateway``."""

import os
import sys
from functools import partial

from facilitair_gateway.app import SERVICE, build_app
from facilitair_gateway.settings import GatewaySettings
from facilitair_llm.endpoints import resolve_endpoints
from facilitair_llm.errors import EndpointsError
from facilitair_runtime.service import USAGE, load_or_exit, run_service

if __name__ == "__main__":
    settings = load_or_exit(GatewaySettings)
    try:
        endpoints = resolve_endpoints(os.environ, settings.simulator_url)
    except EndpointsError as error:
        print(error, file=sys.stderr)  # noqa: T201 - before logging is configured
        raise SystemExit(USAGE) from None
    build = partial(build_app, endpoints=endpoints)
    raise SystemExit(run_service(build, settings, service=SERVICE, member=settings.member))
