"""The names in the environment that a command relies on."""

from collections.abc import Mapping

from facilitair_cli.errors import VariablesError
from facilitair_runtime.variables import SHARED_NAMES, prefixes, unknown_names


def check_environment(environ: Mapping[str, str]) -> None:
    """Refuse a misspelt variable, which would mean another machine, folder or key.

    The names of a service are checked by whoever starts it. Raises VariablesError.
    """
    faults = unknown_names(environ, known=SHARED_NAMES, foreign=tuple(prefixes()))
    if faults:
        raise VariablesError(faults=faults)
