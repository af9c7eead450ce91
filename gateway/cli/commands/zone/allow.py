"""`csid zone allow`: who may transfer a zone, update it, and notify of it."""

from __future__ import annotations

import argparse
from typing import Final

from csid import names
from gateway.cli import acting, options, output
from registry.network.rights import ALLOW
from registry.zones.asked import Asked
from resolver.store.environment import Store
from resolver.sync.access import RIGHTS
from resolver.sync.settings import EVERYWHERE, Rights, Subject, own_rights, where
from resolver.sync.subjects import SubjectError, subject_of, subject_text

_HELP: Final = {
    "transfer": "may transfer the zone 允许传送",
    "update": "may change it by UPDATE (RFC 2136) 允许动态更新",
    "notify": "may say that it has changed, beside its primaries 允许通知",
}
_OPTIONS: Final = {right: f"--{right}" for right in RIGHTS} | {"notify": "--notify-from"}


def register(commands: options.Subparsers[argparse.ArgumentParser]) -> None:
    """Add it to the group `zone`."""
    allow = commands.add_parser(
        "allow",
        help="who may transfer, update, notify 授权传送、更新与通知",
        description="Give rights to a zone 授权, or take them with --remove: to an address or "
        "network, to who signs with a key, or to both in one (WHO is ADDRESS[/LEN], KEY or "
        "ADDRESS+KEY). Without rights to give, those there are are listed. A zone that has rights "
        "of its own has none of those of --all.",
    )
    allow.add_argument("origin", nargs="?", metavar="ORIGIN", help="name of the zone 区名")
    allow.add_argument(
        "--all",
        action="store_true",
        help="all zones that have no rights of their own 所有未单独授权的区",
    )
    for right in RIGHTS:
        allow.add_argument(
            _OPTIONS[right], dest=right, nargs="+", action="extend", default=[], metavar="WHO",
            help=_HELP[right],
        )  # fmt: skip
    allow.add_argument(
        "--transport",
        choices=("any", "tls"),
        default="any",
        help="these rights hold over TLS alone (RFC 9103) 仅限加密传输 (any)",
    )
    allow.add_argument("--remove", action="store_true", help="take these rights 撤销授权")
    options.add_data(allow)
    options.add_json(allow)
    acting.add_actor(allow)
    allow.set_defaults(run=run_allow)


def run_allow(args: argparse.Namespace) -> int:
    """Give, take or list rights."""
    if bool(args.origin) == args.all:
        raise SubjectError("which zone? give ORIGIN, or --all")
    origin = b"" if args.all else names.from_text(args.origin.lower())
    over_tls = args.transport == "tls"
    given = {
        right: [subject_of(text)._replace(tls=over_tls) for text in getattr(args, right)]
        for right in RIGHTS
    }
    if not any(given.values()):
        if args.remove:
            raise SubjectError("--remove: which right is taken from whom? give --transfer WHO, ...")
        return _list(args, origin)
    asked = Asked(acting.actor_of(args), "").told()
    place = place_of(origin)
    with acting.open_for_writing(args) as registry:
        with registry.store.read() as read:
            had_own = own_rights(read, place) is not None
        changed = {
            right: registry.perform(ALLOW, (asked, origin, right, subjects, args.remove))
            for right, subjects in given.items()
            if subjects
        }
        with registry.store.read() as read:
            has_own = own_rights(read, place) is not None
            is_general = own_rights(read, EVERYWHERE) is not None
    _warn(given["update"], args.remove)
    if origin and is_general and had_own != has_own:
        said = "none of the rights of --all hold for it" if has_own else "those of --all hold again"
        _note(f"{names.to_text(origin)}: from now on {said}")
    shown = _shown(origin)
    if args.json:
        output.print_json({"origin": _origin_json(origin), "changed": changed})
        return output.EXIT_OK
    verb = "撤销 taken from" if args.remove else "授予 given to"
    for right, number in changed.items():
        who = ", ".join(map(subject_text, given[right])) + (" over TLS" if over_tls else "")
        said = "" if number else " (无变化 unchanged)"
        output.out.print(f"{shown}: {right} {verb} {who}{said}", markup=False)
    return output.EXIT_OK


def _warn(updaters: list[Subject], is_taken: bool) -> None:
    for subject in updaters:
        if not subject.key and not is_taken:
            _note(
                f"{subject_text(subject)} may update without a signature, and whoever forges that "
                "address may, too: give ADDRESS+KEY"
            )


def _note(text: str) -> None:
    output.err.print(f"csid: warning: {text}", markup=False, style="yellow")


def _list(args: argparse.Namespace, origin: bytes) -> int:
    with Store.open(args.data) as store, store.read() as read:
        own = own_rights(read, place_of(origin))
        general = own_rights(read, EVERYWHERE) or Rights()
        if origin and own is None:
            read.zone(origin)  # or it is said that there is none
    holds = general if own is None else own
    of = b"" if own is None else origin
    rows = [
        (right, subject_text(one), "tls" if one.tls else "any")
        for right in RIGHTS
        for one in getattr(holds, right)
    ]
    if args.json:
        places = {"origin": _origin_json(origin), "of": _origin_json(of)}
        for row in rows:
            fields = ("right", "who", "transport")
            output.print_json(places | dict(zip(fields, row, strict=True)))
    else:
        heads = ("权限 Right", "对象 Who", "传输 Transport", "来自 Of")
        output.print_list(heads, ((*row, _shown(of)) for row in rows))
    return output.EXIT_OK


def place_of(origin: bytes) -> bytes:
    """The key of a zone's rows; an origin that is empty stands for all zones."""
    return where(names.key_of(origin)) if origin else EVERYWHERE


def _shown(origin: bytes) -> str:
    return names.to_text(origin) if origin else "--all"


def _origin_json(origin: bytes) -> str | None:
    """For scripts: None for all zones."""
    return names.to_text(origin) if origin else None
