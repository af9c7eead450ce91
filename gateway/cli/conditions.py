"""The options that say which identifiers are looked for, and the query that they make."""

from __future__ import annotations

import argparse

from csid.vocabulary import STATES
from registry.tables.search import Query, read_query
from resolver.store.environment import Settings


def add_conditions(parser: argparse.ArgumentParser) -> None:
    """Add PREFIX and the options that say what is looked for."""
    parser.add_argument(
        "prefix",
        metavar="PREFIX",
        nargs="?",
        default="",
        help="the beginning of an identifier or of a Handle, or a DNS name above them; * stands "
        "for any segment, as in '*/6450/33' 标识前缀 (all)",
    )
    for name, what in (
        ("industry", "行业, such as 64"),
        ("location", "位置, such as 33 (a province)"),
        ("type", "类型, such as A or ACV"),
    ):
        parser.add_argument(
            f"--{name}", default="", metavar="PREFIX", help=f"how that begins {what}"
        )
    parser.add_argument(
        "--chip", default="", metavar="FAMILY", help="chip family 芯片系列, such as A1 or 昇腾"
    )
    parser.add_argument("--state", default="", choices=tuple(STATES), help="状态")
    parser.add_argument(
        "--owner-name", default="", metavar="TEXT", help="a part of the owner's name 主体名称"
    )


def query_of(args: argparse.Namespace, settings: Settings) -> Query:
    """The query that the options say.

    Raises:
        IdentifierError: a part of it can begin no segment.
    """
    return read_query(
        args.prefix,
        args.industry,
        args.location,
        args.type,
        args.chip,
        args.state,
        args.owner_name,
        settings.suffix,
        settings.handle_authority,
    )
