"""`csid list` and `csid show`: the identifiers in a data directory."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from csid.protocol import CSID
from gateway.cli import options

if TYPE_CHECKING:
    from registry.tables.holding import Holding
    from resolver.store.environment import Settings

LIST_LIMIT: Final = 100  # identifiers, unless asked for more


def register(subparsers: options.Subparsers[argparse.ArgumentParser]) -> None:
    """Add both commands."""
    _register_list(subparsers)
    _register_show(subparsers)


def _register_list(subparsers: options.Subparsers[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser(
        "list",
        help="list identifiers by prefix 列出标识",
        description="List the identifiers that begin with a prefix 列出标识: OWNER, "
        "OWNER/INDUSTRY/33 (a province), a Handle's beginning, or a DNS name above them.",
    )
    parser.add_argument("prefix", metavar="PREFIX", nargs="?", default="", help="all if left out")
    options.add_data(parser)
    parser.add_argument(
        "--limit",
        type=options.count,
        default=LIST_LIMIT,
        metavar="N",
        help=f"at most so many 最多 ({LIST_LIMIT}; 0: all)",
    )
    parser.add_argument("--json", action="store_true", help="print JSON, one a line")
    parser.set_defaults(run=run_list)


def _register_show(subparsers: options.Subparsers[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser(
        "show",
        help="show one identifier with its record 查看标识",
        description="Show what is held for an identifier 查看标识. Exit code 1: nothing is.",
    )
    parser.add_argument("id", metavar="ID", help="identifier, DNS name or Handle 标识")
    options.add_data(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON value 输出 JSON")
    parser.set_defaults(run=run_show)


def run_list(args: argparse.Namespace) -> int:
    """Print identifiers, a line each."""
    from itertools import islice

    from csid.record import decode
    from gateway.cli import console
    from registry.service import Registry
    from registry.tables.search import find, read_query

    with Registry.open(args.data) as registry:
        settings = registry.settings
        query = read_query(args.prefix, suffix=settings.suffix, authority=settings.handle_authority)
        with registry.view() as seen:
            found = find(seen, query)
            for item in islice(found, args.limit or None):
                record = decode(item.row.record)
                if args.json:
                    console.print_json({"id": item.identifier, "record": record.json()})
                    continue
                endpoints = " ".join(one.uri for one in record.endpoints)
                facts = (item.identifier, record.state, record.name or "", endpoints)
                print("  ".join(filter(None, facts)))
            if args.limit and next(found, None) is not None:
                note = f"只列出前 {args.limit} 条 only the first are shown; --limit 0 shows all"
                console.err.print(note, markup=False)
    return console.EXIT_OK


def run_show(args: argparse.Namespace) -> int:
    """Print one identifier with all that is held for it; exit 1 if nothing is."""
    from csid.errors import ZoneError
    from csid.identifier import parse
    from gateway.cli import console
    from registry.tables import holding
    from resolver.store.environment import Store

    with Store.open(args.data) as store:
        settings = store.settings()
        identifier = parse(args.id, suffix=settings.suffix)
        with store.read() as read:
            try:
                held = holding.find(read, identifier, settings.suffix)
            except ZoneError as error:
                console.complain(error)
                return console.EXIT_BAD_INPUT
    show = _show_json if args.json else _show_table
    show(held, settings)
    return console.EXIT_OK


def _show_json(holding: Holding, settings: Settings) -> None:
    from csid import names
    from csid.explain import explain
    from gateway.cli import console

    identifier = holding.identifier
    console.print_json(
        {
            "id": str(identifier),
            "dns": identifier.to_dns_name(settings.suffix),
            "handle": identifier.to_handle(settings.handle_authority),
            "zone": names.to_text(holding.origin),
            "record": holding.record.json() if holding.record else None,
            "rrsets": [
                {"type": _type_text(rrtype), "ttl": ttl, "data": _texts(rrtype, rdatas)}
                for rrtype, (ttl, rdatas) in holding.rrsets.items()
            ],
            "meanings": [
                {"segment": r.segment, "part": r.part, "code": r.code, "zh": r.zh, "en": r.en}
                for r in explain(identifier)
            ],
        }
    )


def _show_table(holding: Holding, settings: Settings) -> None:
    from csid import names
    from csid.explain import explain
    from gateway.cli import console, facts

    identifier = holding.identifier
    rows = [
        ("标识 Identifier", str(identifier)),
        ("域名 DNS name", identifier.to_dns_name(settings.suffix)),
        ("Handle", identifier.to_handle(settings.handle_authority)),
        ("区 Zone", names.to_text(holding.origin)),
    ]
    if holding.record is not None:
        rows += facts.rows(holding.record)
    for rrtype, (ttl, rdatas) in holding.rrsets.items():
        # The data of the CSID record is the record above.
        texts = _texts(rrtype, rdatas) if rrtype != CSID else [f"{len(rdatas[0])} octets"]
        rows += [(f"{_type_text(rrtype)}, TTL {ttl}", text) for text in texts]
    facts.print_rows(rows)
    console.print_table(
        ("代码 Code", "含义", "Meaning"),
        ((r.code if not r.part else f"  {r.code}", r.zh, r.en) for r in explain(identifier)),
    )


def _type_text(rrtype: int) -> str:
    from dns.rdatatype import RdataType

    return "CSID" if rrtype == CSID else RdataType.to_text(RdataType.make(rrtype))


def _texts(rrtype: int, rdatas: Sequence[bytes]) -> list[str]:
    """Record data as a master file has it."""
    import dns.rdata
    from dns.exception import DNSException
    from dns.rdataclass import IN
    from dns.rdatatype import RdataType

    kind = RdataType.make(rrtype)
    try:
        return [dns.rdata.from_wire(IN, kind, one, 0, len(one)).to_text() for one in rdatas]
    except (DNSException, ValueError):
        return [dns.rdata.GenericRdata(IN, kind, one).to_text() for one in rdatas]
