"""`csid node use-key`: another key of this node, or another place of the national node."""

from __future__ import annotations

import argparse
from typing import Final

from csid import address
from csid.errors import CsidError
from gateway.cli import acting, joining, options, output
from registry.network.rekeying import UNIT
from registry.rules.nodes import OVERLAP
from registry.tables.view import get_root
from registry.zones.asked import Asked

_DNS_PORT: Final = 53


class UseError(CsidError):
    """Nothing is said that could be done."""


def register(actions: options.Subparsers[argparse.ArgumentParser]) -> None:
    """Add it."""
    use = actions.add_parser(
        "use-key",
        help="on a node that has joined: have another key 启用新密钥",
        description="On a node that has joined a network: have the key that csid node rekey has "
        "printed at the national node, or follow that to another address 启用新密钥、变更国家节点地"
        "址. The key before holds on for a while, so nothing stops in between. Exit code: 0 it is "
        "so, 2 it cannot be.",
    )
    use.add_argument(
        "key",
        nargs="?",
        metavar="NAME:ALGORITHM:BASE64",
        help="the key, or @FILE that has it 密钥 (the one there is)",
    )
    joining.add_receipt_key(use)
    use.add_argument("--root", metavar="HOST:PORT", help="the national node 国家节点 (as it is)")
    use.add_argument(
        "--overlap",
        type=options.period,
        default=OVERLAP,
        metavar="TIME",
        help="how long the key it has still holds here, such as 12h 并行期 (7d; 0: not at all)",
    )
    use.add_argument("--reason", default="", metavar="TEXT", help="why; kept for ever 事由")
    options.add_data(use)
    options.add_json(use)
    acting.add_actor(use)
    use.set_defaults(run=run_use_key)


def run_use_key(args: argparse.Namespace) -> int:
    """Have another key, follow another root, or both."""
    if args.key is None and args.root is None and args.receipt_key is None:
        raise UseError(
            "what is to be another? give the key, as csid node rekey printed it at the national "
            "node, --receipt-key BASE64, or --root HOST:PORT"
        )
    key: tuple[bytes, str, bytes] = (b"", "", b"")
    if args.key is not None:
        key = joining.key_of(args.key, "KEY")
    receipts = joining.receipt_key_of(args)
    place = address.parse(args.root, _DNS_PORT) if args.root is not None else ()
    asked = Asked(acting.actor_of(args), args.reason).told()
    with acting.open_for_writing(args) as registry:
        names = registry.perform(UNIT, (asked, *key, args.overlap, tuple(place), receipts))
        with registry.view() as seen:
            root = get_root(seen)
    assert root is not None  # or the unit had said so
    where = str(address.Address(root.host, root.port))
    if args.json:
        output.print_json({"key": names[0], "also": names[1:], "root": where})
        return output.EXIT_OK
    also = f", 并行 also for a while {' '.join(names[1:])}" if names[1:] else ""
    output.out.print(f"密钥 key            {names[0]}{also}", markup=False)
    output.out.print(f"国家节点 national node  {where}", markup=False)
    return output.EXIT_OK
