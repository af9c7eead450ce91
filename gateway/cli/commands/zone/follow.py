"""`csid zone follow`, `unfollow`, `refresh`: zones that are held as a secondary."""

from __future__ import annotations

import argparse
import time
from typing import Any, Final

from csid import names
from gateway.cli import acting, options, output
from gateway.cli.commands.zone.reach import add_reach, target
from registry.network.following import FOLLOW, REFRESH, UNFOLLOW
from registry.zones.asked import Asked
from resolver.store.environment import Store
from resolver.sync import states

WAIT_SECONDS: Final = 10.0  # for what was asked to come about, before it is said that it has not
_LOOK_SECONDS: Final = 0.05


def register(commands: options.Subparsers[argparse.ArgumentParser]) -> None:
    """Add the three to the group `zone`."""
    follow = commands.add_parser(
        "follow",
        help="hold a zone as a secondary 作为从服务器跟随一个区",
        description="Hold a zone as a secondary 从服务器: get it from its primaries, and keep "
        "it up to date (AXFR, IXFR, NOTIFY). Given again, it has other primaries from then on. "
        "csid serve does the work; csid sync status says how far it is.",
    )
    follow.add_argument("origin", metavar="ORIGIN", help="name of the zone 区名")
    follow.add_argument(
        "--from",
        dest="primaries",
        action="append",
        required=True,
        metavar="HOST[:PORT]",
        help="a primary 主服务器, repeatable: the next is asked where one cannot help",
    )
    add_reach(follow)
    follow.add_argument(
        "--no-zonemd",
        action="store_true",
        help="take it though its digest (RFC 8976) is wrong 不校验区摘要",
    )
    _add_change(follow)
    follow.set_defaults(run=run_follow)

    unfollow = commands.add_parser(
        "unfollow",
        help="hold a zone as a secondary no longer 停止跟随",
        description="Hold a zone as a secondary no longer 停止跟随; it is dropped, unless it is "
        "kept as this node's own.",
    )
    unfollow.add_argument("origin", metavar="ORIGIN", help="name of the zone 区名")
    unfollow.add_argument(
        "--keep", action="store_true", help="serve its data on, as this node's own 保留数据"
    )
    _add_change(unfollow)
    unfollow.set_defaults(run=run_unfollow)

    refresh = commands.add_parser(
        "refresh",
        help="have a followed zone looked at now 立即刷新",
        description="Have a followed zone looked at now 立即刷新. Exit code: 0 it is as its "
        "primary has it, 1 it could not be brought there.",
    )
    refresh.add_argument("origin", metavar="ORIGIN", help="name of the zone 区名")
    refresh.add_argument(
        "--full", action="store_true", help="transfer all of it, whatever its serial 完整传输"
    )
    options.add_data(refresh)
    options.add_json(refresh)
    refresh.set_defaults(run=run_refresh)


def _add_change(parser: argparse.ArgumentParser) -> None:
    options.add_data(parser)
    options.add_json(parser)
    acting.add_actor(parser)


def run_follow(args: argparse.Namespace) -> int:
    """Let a zone follow its primaries."""
    origin = names.from_text(args.origin.lower())
    asked = Asked(acting.actor_of(args), "").told()
    targets = [target(args, text) for text in args.primaries]
    with acting.open_for_writing(args) as registry:
        is_new = registry.perform(FOLLOW, (asked, origin, targets, not args.no_zonemd))
    shown = names.to_text(origin)
    if args.json:
        output.print_json({"origin": shown, "outcome": "followed" if is_new else "changed"})
    else:
        servers = " ".join(args.primaries)
        output.out.print(
            f"{shown} 跟随 follows {servers}; csid sync status {shown} says how far it is",
            markup=False,
        )
    return output.EXIT_OK


def run_unfollow(args: argparse.Namespace) -> int:
    """Let a zone follow nobody."""
    origin = names.from_text(args.origin.lower())
    asked = Asked(acting.actor_of(args), "").told()
    with acting.open_for_writing(args) as registry:
        is_held = registry.perform(UNFOLLOW, (asked, origin, args.keep))
        while registry.perform("sweep", None):
            pass
    shown = names.to_text(origin)
    if args.json:
        output.print_json({"origin": shown, "outcome": "kept" if is_held else "dropped"})
    else:
        said = "保留 is this node's own now" if is_held else "已删除 dropped"
        output.out.print(f"{shown} 停止跟随 follows nobody; {said}", markup=False)
    return output.EXIT_OK


def run_refresh(args: argparse.Namespace) -> int:
    """Have a zone looked at; exit code 1 if it could not be brought up to date in time."""
    origin = names.from_text(args.origin.lower())
    with acting.open_for_writing(args) as registry:
        registry.perform(REFRESH, (origin, args.full))
        state = _awaited(registry.store, names.key_of(origin))
    shown = names.to_text(origin)
    is_open = state is None or state.is_open
    is_good = state is not None and not is_open and not state.failures
    if args.json:
        outcome = "open" if is_open else "current" if is_good else "failed"
        value: dict[str, Any] = {"origin": shown, "outcome": outcome}
        if state is not None:
            value |= {"serial": state.serial, "error": state.error}
        output.print_json(value)
    if is_open or state is None:
        output.complain(
            f"{shown}: not done after {WAIT_SECONDS:.0f} s 尚未完成; it is done as soon as csid "
            "serve runs and a primary answers"
        )
    elif state.failures:
        output.complain(f"{shown}: {state.error}")
    elif not args.json:
        output.out.print(f"{shown} serial {state.serial} 已是最新 is up to date", markup=False)
    return output.EXIT_OK if is_good else output.EXIT_BAD_INPUT


def _awaited(store: Store, apex: bytes) -> states.StateRow | None:
    """The state of a zone once it was looked at, or as it is after WAIT_SECONDS."""
    end = time.monotonic() + WAIT_SECONDS
    while True:
        with store.read() as read:
            state = states.state_of(read, apex)
        if state is None or not state.is_open or time.monotonic() >= end:
            return state
        time.sleep(_LOOK_SECONDS)
