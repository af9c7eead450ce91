"""`csid key`: secrets shared with other servers, by which messages are signed (TSIG, RFC 8945)."""

from __future__ import annotations

import argparse
import base64
import binascii
import secrets
import sys
from datetime import datetime
from typing import Any, Final

from csid import names
from csid.errors import CsidError
from csid.moments import iso_or_none
from gateway.cli import acting, options, output
from gateway.cli.hidden import hide
from registry.network.rights import ADD_KEY, REMOVE_KEY
from registry.rules.case import CHINA
from registry.zones.asked import Asked
from resolver.store.environment import Store
from resolver.sync.settings import KEYS, KeyRow, key_row
from resolver.sync.tsig import ALGORITHMS, algorithm_fault

DEFAULT_ALGORITHM: Final = "hmac-sha256"
_FROM_STDIN: Final = "-"

# How the programs that may be at the other end are told of a key.
_LINES: Final = {
    "csid": "csid key add {name} --algorithm {algorithm} --secret {secret} --data DIR",
    "Knot": 'key:\n  - id: "{name}"\n    algorithm: {algorithm}\n    secret: "{secret}"',
    "BIND": 'key "{name}" {{\n    algorithm {algorithm};\n    secret "{secret}";\n}};',
    "NSD": 'key:\n    name: "{name}"\n    algorithm: {algorithm}\n    secret: "{secret}"',
    "dig, nsupdate": "-y {algorithm}:{name}:{secret}",
}
_CSID_ALONE: Final = ("-128", "-192", "-256")  # truncated forms, which the others do not know


class GivenError(CsidError):
    """A key that was not given as it must be."""


def register(subparsers: options.Subparsers[argparse.ArgumentParser]) -> None:
    """Add `csid key` with its actions."""
    parser = subparsers.add_parser(
        "key",
        description="Secrets shared with other servers, by which messages are signed (TSIG, RFC "
        "8945) 签名密钥. Secrets are shown once, when they are made.",
    )
    actions = parser.add_subparsers(metavar="ACTION", required=True)
    add = actions.add_parser(
        "add",
        help="add a key 新增密钥",
        description="Add a key 新增密钥. Without --secret one is made and printed, as lines ready "
        "for the other end. Given again with another --until, it ends then. Exit code: 0 it is "
        "there, 2 it could not be added.",
    )
    add.add_argument("name", metavar="NAME", help="its name, the same at both ends 密钥名")
    add.add_argument(
        "--algorithm",
        metavar="NAME",
        help=f"算法 ({DEFAULT_ALGORITHM}): {', '.join(ALGORITHMS)}",
    )
    add.add_argument(
        "--secret",
        metavar="BASE64",
        help="the secret 密钥内容 (one is made); - reads it from stdin, so that not even for a "
        "moment a list of processes shows it",
    )
    add.add_argument(
        "--until",
        type=_moment,
        default=0,
        metavar="TIME",
        help="holds no more from then on, YYYY-MM-DD[THH:MM] 有效期至 (for ever)",
    )
    _add_change(add)
    add.set_defaults(run=run_add)

    listing = actions.add_parser(
        "list", help="list the keys, without their secrets 列出密钥，不含内容"
    )
    options.add_data(listing)
    options.add_json(listing)
    listing.set_defaults(run=run_list)

    remove = actions.add_parser(
        "remove",
        help="remove a key 删除密钥",
        description="Remove a key 删除密钥. Exit code: 0 it is gone, 1 it is kept, for something "
        "still names it, 2 there is none.",
    )
    remove.add_argument("name", metavar="NAME", help="its name 密钥名")
    remove.add_argument(
        "--force", action="store_true", help="also while rights or zones name it 仍被引用时也删除"
    )
    _add_change(remove)
    remove.set_defaults(run=run_remove)


def _add_change(parser: argparse.ArgumentParser) -> None:
    options.add_data(parser)
    options.add_json(parser)
    acting.add_actor(parser)


def _moment(text: str) -> int:
    """A moment in Unix seconds, in China's time unless it says otherwise."""
    try:
        given = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text[:40]!r} is no time; expected YYYY-MM-DD or YYYY-MM-DDTHH:MM"
        ) from None
    seconds = (given if given.tzinfo else given.replace(tzinfo=CHINA)).timestamp()
    if seconds < 1:
        raise argparse.ArgumentTypeError(f"{text[:40]!r} is long past")
    return int(seconds)


def _secret(args: argparse.Namespace) -> bytes:
    """The secret that was given.

    Raises:
        CsidError: it cannot be read. The message does not show it.
    """
    text = args.secret
    if text == _FROM_STDIN:
        text = sys.stdin.readline()
    else:
        hide(text)
    try:
        found = base64.b64decode(text.strip(), validate=True)
    except (binascii.Error, ValueError):
        found = b""
    if not found:
        raise GivenError("--secret: expected base64, such as tsig-keygen or keymgr print it")
    return found


def run_add(args: argparse.Namespace) -> int:
    """Add a key; prints its secret if it was made here."""
    name = names.from_text(args.name.lower())
    before = _ending(args, name)
    algorithm = (args.algorithm or before.algorithm).lower().rstrip(".")
    if fault := algorithm_fault(algorithm):
        raise GivenError(fault)
    full = ALGORITHMS[algorithm].full
    secret = before.secret if args.secret is None else _secret(args)
    is_made = not secret
    secret = secret or secrets.token_bytes(full)
    asked = Asked(acting.actor_of(args), "").told()
    with acting.open_for_writing(args) as registry:
        is_new = registry.perform(ADD_KEY, (asked, name, algorithm, secret, args.until))
    shown = names.to_text(name)
    if not is_made and len(secret) < full:
        output.err.print(
            f"csid: warning: {shown}: {len(secret)} 字节偏短 octets; RFC 8945 asks for {full}",
            markup=False,
            style="yellow",
        )
    text = base64.b64encode(secret).decode()
    if args.json:
        value: dict[str, Any] = {"key": shown, "algorithm": algorithm}
        value["until"] = iso_or_none(args.until)
        value["outcome"] = "added" if is_new else "unchanged"
        output.print_json(value | ({"secret": text} if is_made else {}))
        return output.EXIT_OK
    said = "已保存 added" if is_new else "无变化 unchanged"
    output.out.print(f"{shown} {algorithm} {said}", markup=False)
    if is_made:
        _print_lines(shown, algorithm, text)
    return output.EXIT_OK


def _ending(args: argparse.Namespace, name: bytes) -> KeyRow:
    """The key whose end alone is to be changed; where none is, one without a secret."""
    row = None
    if args.until:
        with Store.open(args.data) as store, store.read() as read:
            row = key_row(read, name)
    return row or KeyRow(DEFAULT_ALGORITHM, b"")


def _print_lines(name: str, algorithm: str, secret: str) -> None:
    """What the other end is told, once."""
    output.out.print("此后不再显示 shown this once; for the other end:", markup=False)
    for program, lines in _LINES.items():
        if program != "csid" and algorithm.endswith(_CSID_ALONE):
            continue
        output.out.print(f"\n# {program}", markup=False, style="cyan")
        output.out.print(lines.format(name=name, algorithm=algorithm, secret=secret), markup=False)


def run_list(args: argparse.Namespace) -> int:
    """List the keys in the order of their names."""
    with Store.open(args.data) as store, store.read() as read:
        found = [
            (names.to_text(name), row)
            for name, _ in read.table(KEYS).scan(b"")
            if (row := key_row(read, name)) is not None
        ]
    if args.json:
        for name, row in found:
            output.print_json({"key": name, **_shown(row)})
        return output.EXIT_OK
    heads = ("密钥 Key", "算法 Algorithm", "自 Since", "至 Until", "节点 Node")
    rows = (
        (name, row.algorithm, _time(row.since), _time(row.until), row.node)
        for name, row in sorted(found)
    )
    output.print_list(heads, rows)
    return output.EXIT_OK


def _shown(row: KeyRow) -> dict[str, Any]:
    """What may be shown of a key."""
    shown = {name: value for name, value in row._asdict().items() if name != "secret"}
    return shown | {"since": iso_or_none(row.since), "until": iso_or_none(row.until)}


def _time(seconds: int) -> str:
    return output.moment(seconds) if seconds else ""


def run_remove(args: argparse.Namespace) -> int:
    """Remove a key; exit code 1 if it is kept, for something names it."""
    name = names.from_text(args.name.lower())
    asked = Asked(acting.actor_of(args), "").told()
    with acting.open_for_writing(args) as registry:
        uses = registry.perform(REMOVE_KEY, (asked, name, args.force))
    shown = names.to_text(name)
    if args.json:
        output.print_json(
            {"key": shown, "outcome": "kept" if uses else "removed", "named_by": list(uses)}
        )
    if uses:
        output.complain(
            f"{shown}: 仍被引用 is still named by {'; '.join(uses)}; take it from there first, or "
            "give --force"
        )
    elif not args.json:
        output.out.print(f"{shown} 已删除 removed", markup=False)
    return output.EXIT_BAD_INPUT if uses else output.EXIT_OK
