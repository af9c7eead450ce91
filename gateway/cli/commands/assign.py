"""`csid assign`: an identifier that is chosen, or the next of a pool."""

from __future__ import annotations

import argparse

from csid.identifier import Identifier, fold, make, parse
from csid.prefix import SEGMENTS, SEPARATOR
from gateway.cli import options, record_options, request
from registry.rules.requests import Assign, Body, Mint


def register(subparsers: options.Subparsers[argparse.ArgumentParser]) -> None:
    """Add `csid assign`."""
    parser = subparsers.add_parser(
        "assign",
        description="Assign an identifier that you choose, or the next free one of a pool; prints "
        "it. 赋码: 指定标识，或资源池中的下一个.",
    )
    parser.add_argument(
        "what",
        metavar="ID|POOL",
        help="the identifier (its check characters may be left out), or a pool "
        "OWNER/INDUSTRY/LOCATION/TYPE/CLASS[/FIRST-LAST] 标识或资源池",
    )
    options.add_ttl(parser)
    request.add_request(parser)
    record_options.add_record(parser)
    parser.set_defaults(run=run_assign)


def run_assign(args: argparse.Namespace) -> int:
    """Assign one identifier; prints it."""
    record = record_options.record_of(args)
    with request.open_registry(args) as registry:
        body: Body
        if _is_pool(args.what):
            body = Mint(args.what, record, args.ttl)
        else:
            new = _new_identifier(args.what, registry.settings.suffix)
            body = Assign(new, record, args.ttl)
        return request.carry_out(registry, args, body, bare=True)


def _is_pool(text: str) -> bool:
    """Whether a text has the form of a pool: its capability class stands alone."""
    parts = fold(text).rstrip(SEPARATOR).split(SEPARATOR)
    return len(parts) == len(SEGMENTS) + 1 or (len(parts) == len(SEGMENTS) and "-" not in parts[-1])


def _new_identifier(text: str, suffix: str) -> Identifier:
    """An identifier; its check characters may be left out. Whether its codes are in force is the
    registry's to say, so that a request asked again under its key is the same on any day.

    Raises:
        IdentifierError: it is none.
    """
    parts = fold(text).split(SEPARATOR)
    if len(parts) == len(SEGMENTS) and parts[-1].count("-") == 1 and "." not in parts[0]:
        owner, industry, location, kind, spec = parts
        capability, _, serial = spec.partition("-")
        return make(owner, industry, location, kind, capability, serial)
    return parse(text, suffix=suffix)
