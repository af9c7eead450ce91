"""`csid assign` and `csid update`: identifiers given, and their records changed."""

from __future__ import annotations

import argparse

from gateway.cli import actors, options, output, record_options, references, verdicts


def register(subparsers: options.Subparsers[argparse.ArgumentParser]) -> None:
    """Add both commands."""
    assign = subparsers.add_parser(
        "assign",
        help="assign an identifier 赋码",
        description="Assign an identifier that you choose, or the next free one of a pool; prints "
        "it. 赋码: 指定标识，或资源池中的下一个.",
    )
    assign.add_argument(
        "what",
        metavar="ID|POOL",
        help="the identifier (its check characters may be left out), or a pool "
        "OWNER/INDUSTRY/LOCATION/TYPE/CLASS[/FIRST-LAST] 标识或资源池",
    )
    actors.add_request(assign)
    record_options.add_record(assign)
    assign.set_defaults(run=run_assign)
    update = subparsers.add_parser(
        "update",
        help="change the record of an identifier 变更记录",
        description="Change facts in the record of an identifier 变更资源记录; with --record, all "
        "of it.",
    )
    update.add_argument("id", metavar="ID", help="identifier, DNS name or Handle 标识")
    actors.add_request(update)
    record_options.add_record(update, state=False)
    update.set_defaults(run=run_update)


def run_assign(args: argparse.Namespace) -> int:
    """Assign one identifier; prints it."""
    from registry.rules.requests import Assign, Body, Mint

    record = record_options.record_of(args)
    with verdicts.open_registry(args) as registry:
        body: Body
        if references.is_pool(args.what):
            body = Mint(args.what, record)
        else:
            body = Assign(references.new_identifier(args.what, registry.settings), record)
        return verdicts.carry_out(registry, args, body, bare=True)


def run_update(args: argparse.Namespace) -> int:
    """Change the record of one identifier."""
    from csid.errors import RecordError
    from csid.record import decode
    from registry.rules.lifecycle import LIVE
    from registry.rules.requests import Update
    from registry.tables.view import get_assignment

    if not record_options.is_given(args):
        raise RecordError("record", "nothing to change is given; give --record or an option")
    with verdicts.open_registry(args) as registry:
        identifier = references.identifier(args.id, registry.settings)
        with registry.view() as seen:
            row = get_assignment(seen, str(identifier))
        if row is None:
            output.complain(f"{identifier}  201 NOT_FOUND 不存在 is not assigned here")
            return output.EXIT_BAD_INPUT
        before = decode(row.record)
        # Of one that has ended the registry says why nothing is changed; the record is as it was.
        record = record_options.record_of(args, before) if row.state in LIVE else before
        return verdicts.carry_out(registry, args, Update(identifier, record))
