"""`csid update`: facts in the record of an identifier changed."""

from __future__ import annotations

import argparse

from csid.errors import RecordError
from csid.identifier import parse
from gateway.cli import options, record_options, request
from registry.rules.requests import Update, facts_of


def register(subparsers: options.Subparsers[argparse.ArgumentParser]) -> None:
    """Add `csid update`."""
    parser = subparsers.add_parser(
        "update",
        description="Change facts in the record of an identifier 变更资源记录: those given, the "
        "others stay; with --record, all of it.",
    )
    options.add_identifier(parser)
    options.add_ttl(parser, "as it is")
    parser.add_argument(
        "--if-unchanged-since",
        type=options.count,
        metavar="LEAF",
        help="only if no later change than this, as csid show and history number them "
        "此后未变更方可",
    )
    request.add_request(parser)
    record_options.add_record(parser, state=False)
    parser.set_defaults(run=run_update)


def run_update(args: argparse.Namespace) -> int:
    """Change the record of one identifier."""
    facts = record_options.facts_of(args)
    if not facts and args.record is None and args.ttl is None:
        raise RecordError(
            "record", "nothing to change is given; give --record, --ttl or an option for a fact"
        )
    with request.open_registry(args) as registry:
        body = Update(
            parse(args.id, suffix=registry.settings.suffix),
            facts_of(facts),
            args.record is not None,
            args.ttl,
            args.if_unchanged_since,
        )
        return request.carry_out(registry, args, body)
