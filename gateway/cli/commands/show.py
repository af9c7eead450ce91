"""`csid show`: all that is held for one identifier, whether it was assigned or loaded."""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import dns.rdata
from dns.exception import DNSException
from dns.rdataclass import IN
from dns.rdatatype import RdataType

from csid import names
from csid.errors import ZoneError
from csid.explain import explain
from csid.identifier import parse
from csid.moments import iso
from csid.protocol import CSID
from gateway.cli import beside, options, output
from gateway.cli.beside import Beside
from gateway.cli.request import status_text
from registry.network.status import last_receipt
from registry.rules.filing import read_receipt
from registry.rules.held import holders_text
from registry.rules.validity import term_of
from registry.service import Registry
from registry.signing.proofs import Change, changes_of
from registry.tables import holding
from registry.tables.holding import Holding
from registry.tables.naming import Names
from registry.tables.rows import Assignment
from registry.tables.transaction import TransactionView
from registry.tables.view import get_assignment
from registry.zones import held as holds
from registry.zones.held import Seen
from resolver.store.environment import Settings


def register(subparsers: options.Subparsers[argparse.ArgumentParser]) -> None:
    """Add `csid show`."""
    parser = subparsers.add_parser(
        "show",
        description="Show what is held for an identifier 查看标识. Exit code 1: nothing is.",
    )
    options.add_identifier(parser)
    options.add_data(parser)
    options.add_json(parser)
    parser.set_defaults(run=run_show)


def run_show(args: argparse.Namespace) -> int:
    """Print one identifier with all that is held for it; exit 1 if nothing is."""
    with Registry.open(args.data) as registry:
        settings = registry.settings
        identifier = parse(args.id, suffix=settings.suffix)
        with registry.store.read() as read:
            seen, name = TransactionView(read), str(identifier)
            row = get_assignment(seen, name)
            over = holds.over(read, Names(settings.suffix), name)
            receipt = around = None
            if row is not None:
                history = changes_of(read, name)
                receipt = last_receipt(history)
                term = term_of(seen, name, row, options.today())
                around = beside.of(seen, name, row, term, history, int(time.time()))
            try:
                held = holding.find(read, identifier, settings.suffix)
            except ZoneError as error:
                output.complain(error)
                return output.EXIT_BAD_INPUT
    show = _show_json if args.json else _show_table
    show(held, row, receipt, around, over, settings)
    return output.EXIT_OK


def _show_json(
    held: Holding,
    row: Assignment | None,
    receipt: Change | None,
    around: Beside | None,
    over: Seen | None,
    settings: Settings,
) -> None:
    identifier = held.identifier
    output.print_json(
        {
            "identifier": str(identifier),
            "dns": identifier.to_dns_name(settings.suffix),
            "handle": identifier.to_handle(settings.handle_authority),
            "origin": names.to_text(held.origin),
            "ttl": row.ttl if row else None,
            "leaf": row.leaf if row else None,
            "receipt": _receipt_json(receipt) if receipt else None,
            **(beside.json_of(around) if around else {}),
            "held": over.json() if over else None,
            "record": held.record.json() if held.record else None,
            "rrsets": [
                {"type": _type_text(rrtype), "ttl": ttl, "data": _texts(rrtype, rdatas)}
                for rrtype, (ttl, rdatas) in held.rrsets.items()
            ],
            "meanings": list(map(asdict, explain(identifier))),
        }
    )


def _show_table(
    held: Holding,
    row: Assignment | None,
    receipt: Change | None,
    around: Beside | None,
    over: Seen | None,
    settings: Settings,
) -> None:
    identifier = held.identifier
    rows = [
        ("标识 Identifier", str(identifier)),
        ("域名 DNS name", identifier.to_dns_name(settings.suffix)),
        ("Handle", identifier.to_handle(settings.handle_authority)),
        ("区 Zone", names.to_text(held.origin)),
    ]
    if row is not None:
        rows += [("缓存时间 TTL", f"{row.ttl:,} s"), ("末次变更 Leaf", str(row.leaf))]
    if around is not None:
        rows += beside.rows_of(around)
    if receipt is not None:
        rows.append(("回执 Receipt", _receipt_text(receipt)))
    if over is not None:
        rows.append(("监管暂停 Held", f"{over.target} {holders_text(over.hold)}"))
    if held.record is not None:
        rows += output.facts_of(held.record)
    for rrtype, (ttl, rdatas) in held.rrsets.items():
        # The data of the CSID record is the record above.
        texts = _texts(rrtype, rdatas) if rrtype != CSID else [f"{len(rdatas[0])} octets"]
        rows += [(f"{_type_text(rrtype)}, TTL {ttl}", text) for text in texts]
    output.print_facts(rows)
    output.print_meanings(explain(identifier))


def _receipt_text(receipt: Change) -> str:
    """What the national node has said last."""
    number, status = read_receipt(receipt.leaf.to)
    said = "已备案 filed" if status.success else status_text(status)
    moment = output.moment(receipt.leaf.time)
    return "  ".join(filter(None, (f"{number}" if number else "", said, receipt.leaf.why, moment)))


def _receipt_json(receipt: Change) -> dict[str, Any]:
    number, status = read_receipt(receipt.leaf.to)
    return {
        "number": number,
        "status": status.number,
        "name": status.name,
        "reason": receipt.leaf.why,
        "time": iso(receipt.leaf.time),
        "leaf": receipt.index,
    }


def _type_text(rrtype: int) -> str:
    return "CSID" if rrtype == CSID else RdataType.to_text(RdataType.make(rrtype))


def _texts(rrtype: int, rdatas: Sequence[bytes]) -> list[str]:
    """Record data as a zone file has it."""
    kind = RdataType.make(rrtype)
    try:
        return [dns.rdata.from_wire(IN, kind, one, 0, len(one)).to_text() for one in rdatas]
    except (DNSException, ValueError):
        return [dns.rdata.GenericRdata(IN, kind, one).to_text() for one in rdatas]
