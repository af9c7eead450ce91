"""The options that every process of a server is started with (`resolver.server.process.command`,
`resolver.server.kinds`).
"""

from __future__ import annotations

import argparse
from pathlib import Path

from resolver.server import hooks


def parser(module: str, purpose: str | None) -> argparse.ArgumentParser:
    """A parser with them, for further ones of one kind of process.

    Args:
        purpose: the module's docstring, whose first line is told.
    """
    made = argparse.ArgumentParser(prog=module, description=(purpose or "").partition("\n")[0])
    made.add_argument("--data", type=Path, required=True, help="the data directory")
    made.add_argument("--fd", type=int, action="append", required=True, help="a socket to serve")
    made.add_argument("--nsid", default="", help="the name this server gives (RFC 5001)")
    made.add_argument("--ready-fd", type=int, help="takes one octet when the process answers")
    made.add_argument("--counters-fd", type=int, help="memory of resolver.server.counters")
    return made


def answering(module: str, purpose: str | None) -> argparse.ArgumentParser:
    """As `parser`, of a process that answers queries."""
    made = parser(module, purpose)
    made.add_argument(
        "--rate-limit", default="", help="as resolver.server.rate_limit.packed has it"
    )
    made.add_argument("--dnstap", default="", help="as resolver.server.tap.packed has it")
    hooks.add_option(made)
    return made
