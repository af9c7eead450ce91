"""What commands take from the configuration where an option is not given."""

from __future__ import annotations

import argparse
from pathlib import Path

from csid.errors import CsidError
from gateway.configuration.gateway_sections import Gateway
from gateway.configuration.load import DATA_VARIABLE, DEFAULT_FILE, load


class NoDataError(CsidError):
    """Nobody says which data directory is meant."""


def data(args: argparse.Namespace) -> Path:
    """The data directory of the configuration.

    Raises:
        ConfigurationError: it cannot be read.
        NoDataError: it names none.
    """
    found = load(args.config).node.data
    if found is None:
        raise NoDataError(
            f"which data directory? Give --data DIR, set ${DATA_VARIABLE}, or write data under "
            f"[node] in {args.config or DEFAULT_FILE}"
        )
    return found


def gateway_folder(said: Gateway) -> Path:
    """The folder of a gateway, as it was told.

    Raises:
        NoDataError: nobody says which it is.
    """
    if said.data is None:
        raise NoDataError(
            "which folder? Give --data DIR, or write data under [gateway] in the configuration"
        )
    return said.data
