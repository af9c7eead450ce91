"""`csid key renew`: the key that the national node has given to this node in place of its own."""

from __future__ import annotations

import argparse

from csid import names
from gateway.cli import acting, options, output
from gateway.cli.hidden import hide
from gateway.cli.joining import key_of
from registry.network.rekeying import UNIT
from registry.service import Registry
from registry.zones.asked import Asked


def register(actions: options.Subparsers[argparse.ArgumentParser]) -> None:
    """Add `csid key renew`."""
    parser = actions.add_parser(
        "renew",
        help="take another key of the network for this node 更换本节点密钥",
        description="Take the key that csid node rekey has printed on the national node: from now "
        "on this node signs with it 更换本节点密钥. The one before it stays until the next. Exit "
        "code: 0 it is in use, 2 it is none that may follow on the present one.",
    )
    parser.add_argument(
        "key", metavar="NAME:ALGORITHM:BASE64", help="the key, or @FILE that has it 密钥"
    )
    options.add_data(parser)
    acting.add_actor(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Take it."""
    if not args.key.startswith("@"):
        hide(args.key)
    key = key_of(args.key)
    asked = Asked(acting.actor_of(args), "").told()
    with Registry.open(args.data, writable=True) as registry:
        is_new = registry.perform(UNIT, (asked, *key))
    said = "已启用 in use" if is_new else "无变化 unchanged"
    output.out.print(f"{names.to_text(key.name)} {said}", markup=False)
    return output.EXIT_OK
