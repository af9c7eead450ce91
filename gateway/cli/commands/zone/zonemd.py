"""`csid zone zonemd`: digests of whole zones (RFC 8976)."""

from __future__ import annotations

import argparse
from typing import Final

from csid import names
from csid.errors import ZoneError
from gateway.cli import acting, options, output
from registry.service import Registry
from registry.zones import digests
from registry.zones.asked import Asked
from resolver.sync.zonemd import ABSENT, DEFAULT_HASH, GOOD, HASH_NAMES, UNKNOWN, WRONG

ATTEMPTS: Final = 5  # at a zone that changes while its digest is made
_SAID: Final = {
    ABSENT: "无摘要 it has no digest",
    GOOD: "摘要正确 the zone is what its digest says",
    UNKNOWN: "摘要算法未知 its digests are of schemes or hashes that are not known here",
    WRONG: "摘要不符 wrong",
}


def register(commands: options.Subparsers[argparse.ArgumentParser]) -> None:
    """Add it to the group `zone`."""
    parser = commands.add_parser(
        "zonemd",
        help="make or verify the digest of a zone 区摘要",
        description="Give a zone a digest of all it holds (ZONEMD, RFC 8976) 区摘要, with its "
        "next serial. The first change of the zone takes it out again, as it would be wrong: it "
        "is for zones that seldom change. Exit code of --verify: 0 right or none, 1 wrong.",
    )
    parser.add_argument("origin", metavar="ORIGIN", help="name of the zone 区名")
    parser.add_argument(
        "--hash",
        dest="hashes",
        action="append",
        choices=tuple(HASH_NAMES),
        help=f"repeatable 散列算法 ({DEFAULT_HASH})",
    )
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--verify", action="store_true", help="say whether it is right 校验")
    what.add_argument("--remove", action="store_true", help="take it out 去除")
    parser.add_argument("--reason", default="", metavar="TEXT", help="why; kept for ever 事由")
    options.add_data(parser)
    options.add_json(parser)
    acting.add_actor(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Make, take out or verify the digest of a zone."""
    origin = names.from_text(args.origin.lower())
    if args.verify:
        return _verify(args, origin)
    asked = Asked(acting.actor_of(args), args.reason).told()
    Asked.of(asked)
    hashes = [] if args.remove else [HASH_NAMES[one] for one in args.hashes or [DEFAULT_HASH]]
    with acting.open_for_writing(args) as registry:
        for _ in range(ATTEMPTS):
            with registry.store.read() as read:
                serial, rrset = digests.made(read, origin, hashes)
            ttl, rdatas = (0, []) if rrset is None else (rrset.ttl, list(rrset.rdatas))
            serial = registry.perform("zone.zonemd", (asked, origin, serial, ttl, rdatas))
            if serial:
                break
        else:
            raise ZoneError(
                names.to_text(origin),
                "changed each time while its digest was made, which would not stand for long: "
                "do without one",
            )
    shown = names.to_text(origin)
    if args.json:
        output.print_json({"origin": shown, "serial": serial, "digests": len(rdatas)})
    else:
        done = "已生成摘要 has a digest" if rdatas else "已去除摘要 has no digest"
        output.out.print(f"{shown} {done}, serial {serial}", markup=False)
    return output.EXIT_OK


def _verify(args: argparse.Namespace, origin: bytes) -> int:
    with Registry.open(args.data) as registry, registry.store.read() as read:
        verdict = digests.verdict(read, origin)
    shown = names.to_text(origin)
    if args.json:
        output.print_json({"origin": shown, **verdict._asdict()})
    if verdict.outcome == WRONG:
        output.complain(f"{shown}: {_SAID[WRONG]}: {verdict.reason}")
    elif not args.json:
        output.out.print(f"{shown} {_SAID[verdict.outcome]}", markup=False)
    return output.EXIT_BAD_INPUT if verdict.outcome == WRONG else output.EXIT_OK
