"""`csid zone notify`: the servers that are notified when a zone changes."""

from __future__ import annotations

import argparse

from csid import names
from csid.address import Address
from csid.errors import CsidError
from gateway.cli import acting, options, output
from gateway.cli.commands.zone.allow import place_of
from gateway.cli.commands.zone.reach import add_reach, target
from registry.network.rights import NOTIFY
from registry.zones.asked import Asked
from resolver.store.environment import Store
from resolver.sync.settings import EVERYWHERE, own_targets


class NotifyError(CsidError):
    """It was not said which server is to be notified of what."""


def register(commands: options.Subparsers[argparse.ArgumentParser]) -> None:
    """Add it to the group `zone`."""
    notify = commands.add_parser(
        "notify",
        usage="csid zone notify (ORIGIN | --all) [HOST[:PORT]] [--key NAME] [--tls HOW] "
        "[--source ADDRESS] [--remove] --data DIR ...",
        help="servers to be notified of changes 变更通知对象",
        description="Have a server notified when a zone changes (NOTIFY, RFC 1996) 变更通知, or no "
        "longer with --remove. Without a server, those there are are listed. A zone that has "
        "servers of its own has none of those of --all. Who may transfer says csid zone allow.",
    )
    notify.add_argument("words", nargs="*", metavar="ORIGIN [HOST:PORT]", help="区名与服务器")
    notify.add_argument(
        "--all", action="store_true", help="all zones that have no servers of their own 所有区"
    )
    add_reach(notify)
    notify.add_argument("--remove", action="store_true", help="notify it no longer 不再通知")
    options.add_data(notify)
    options.add_json(notify)
    acting.add_actor(notify)
    notify.set_defaults(run=run_notify)


def run_notify(args: argparse.Namespace) -> int:
    """Add, take away or list servers."""
    words = list(args.words)
    origin = b""
    if not args.all:
        if not words:
            raise NotifyError("which zone? give ORIGIN, or --all")
        origin = names.from_text(words.pop(0).lower())
    if len(words) > 1:
        raise NotifyError(f"{' '.join(words):.80}: one server at a time")
    if not words:
        if args.remove:
            raise NotifyError("--remove: which server? give HOST:PORT")
        return _list(args, origin)
    given = target(args, words[0])
    asked = Asked(acting.actor_of(args), "").told()
    with acting.open_for_writing(args) as registry:
        has_changed = registry.perform(NOTIFY, (asked, origin, given, args.remove))
    shown, server = _shown(origin), str(Address(given.host, given.port))
    if args.json:
        output.print_json(
            {"origin": _origin_json(origin), "server": server, "changed": has_changed}
        )
        return output.EXIT_OK
    verb = "不再通知 is no longer notified" if args.remove else "将被通知 is notified"
    said = "" if has_changed else " (无变化 unchanged)"
    output.out.print(f"{shown}: {server} {verb}{said}", markup=False)
    return output.EXIT_OK


def _list(args: argparse.Namespace, origin: bytes) -> int:
    with Store.open(args.data) as store, store.read() as read:
        own = own_targets(read, place_of(origin))
        general = own_targets(read, EVERYWHERE) or ()
        if origin and own is None:
            read.zone(origin)  # or it is said that there is none
    of = b"" if own is None else origin
    rows = [
        (
            str(Address(one.host, one.port)),
            names.to_text(one.key) if one.key else "",
            one.tls,
            one.source,
        )
        for one in (general if own is None else own)
    ]
    if args.json:
        places = {"origin": _origin_json(origin), "of": _origin_json(of)}
        for row in rows:
            fields = ("server", "key", "tls", "source")
            output.print_json(places | dict(zip(fields, row, strict=True)))
    else:
        shown = [(*row, _shown(of)) for row in rows]
        output.print_list(("服务器 Server", "密钥 Key", "TLS", "源地址 Source", "来自 Of"), shown)
    return output.EXIT_OK


def _shown(origin: bytes) -> str:
    return names.to_text(origin) if origin else "--all"


def _origin_json(origin: bytes) -> str | None:
    """For scripts: None for all zones."""
    return names.to_text(origin) if origin else None
