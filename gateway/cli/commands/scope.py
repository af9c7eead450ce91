"""`csid scope`: what the node assigns for."""

from __future__ import annotations

import argparse
from typing import Final

from gateway.cli import options, output, request
from registry.rules.requests import SetScope
from registry.service import Registry
from registry.tables.view import get_scope

ANY: Final = "不限 any"


def register(subparsers: options.Subparsers[argparse.ArgumentParser]) -> None:
    """Add `csid scope` with its actions."""
    parser = subparsers.add_parser("scope", description="What the node assigns for 管辖范围.")
    actions = parser.add_subparsers(metavar="ACTION", required=True)
    show = actions.add_parser("show", help="show the scope 查看管辖范围")
    options.add_data(show)
    options.add_json(show)
    show.set_defaults(run=run_show)
    setting = actions.add_parser(
        "set",
        help="limit the node, or lift the limits 设定管辖范围",
        description="Assign from now on only where location and industry begin so 设定管辖范围. "
        "What is not given is not limited; what was assigned before stays.",
    )
    setting.add_argument(
        "--location",
        action="append",
        default=[],
        metavar="PREFIX",
        help="beginning of a location code, such as 33 位置前缀; repeatable",
    )
    setting.add_argument(
        "--industry",
        action="append",
        default=[],
        metavar="PREFIX",
        help="beginning of an industry code, such as 64 行业前缀; repeatable",
    )
    request.add_request(setting)
    setting.set_defaults(run=run_set)


def run_show(args: argparse.Namespace) -> int:
    """Show the scope."""
    with Registry.open(args.data) as registry, registry.view() as seen:
        scope = get_scope(seen)
    if args.json:
        output.print_json({"locations": scope.locations, "industries": scope.industries})
    else:
        output.print_facts(
            [
                ("位置 Locations", " ".join(scope.locations) or ANY),
                ("行业 Industries", " ".join(scope.industries) or ANY),
            ]
        )
    return output.EXIT_OK


def run_set(args: argparse.Namespace) -> int:
    """Set the scope."""
    body = SetScope(tuple(args.location), tuple(args.industry))
    with request.open_registry(args) as registry:
        return request.carry_out(registry, args, body)
