"""`csid update`: the record of an identifier changed."""

from __future__ import annotations

import argparse

from csid.errors import RecordError
from csid.identifier import parse
from csid.record import decode
from gateway.cli import options, record_options, request
from registry.rules.lifecycle import LIVE
from registry.rules.requests import Update
from registry.tables.view import get_assignment


def register(subparsers: options.Subparsers[argparse.ArgumentParser]) -> None:
    """Add `csid update`."""
    parser = subparsers.add_parser(
        "update",
        description="Change facts in the record of an identifier 变更资源记录; with --record, all "
        "of it.",
    )
    options.add_identifier(parser)
    request.add_request(parser)
    record_options.add_record(parser, state=False)
    parser.set_defaults(run=run_update)


def run_update(args: argparse.Namespace) -> int:
    """Change the record of one identifier."""
    if not record_options.is_given(args):
        raise RecordError("record", "nothing to change is given; give --record or an option")
    with request.open_registry(args) as registry:
        identifier = parse(args.id, suffix=registry.settings.suffix)
        with registry.view() as seen:
            row = get_assignment(seen, str(identifier))
        # Of one that is not there or has ended the registry says why nothing is changed.
        if row is None:
            record = record_options.record_of(args)
        elif row.state in LIVE:
            record = record_options.record_of(args, decode(row.record))
        else:
            record = decode(row.record)
        return request.carry_out(registry, args, Update(identifier, record))
