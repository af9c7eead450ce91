"""`csid owner`: the participants, their accreditation and their qualification."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator
from typing import Any, Final

from csid.identifier import fold
from csid.moments import iso
from csid.vocabulary import STANDINGS
from gateway.cli import options, output, request
from registry.rules.decision import Decision
from registry.rules.participants import KIND_BY_WORD, KINDS, Judgement
from registry.rules.requests import (
    AddOwner,
    Body,
    JudgeOwner,
    QualifyOwner,
    UpdateOwner,
    facts_of,
)
from registry.rules.status import Status
from registry.service import Registry
from registry.tables import codec
from registry.tables.enums import STANDING_WORDS, Kind
from registry.tables.rows import Owner
from registry.tables.view import View, count_live, get_owner

JUDGEMENTS: Final = {
    "accredit": "accredit an applicant 准入",
    "suspend": "it gets nothing new, what it has goes on resolving 暂停",
    "reinstate": "end a suspension 恢复",
    "end": "end its accreditation, for ever 终止",
}
LIST_LIMIT: Final = 100  # owners, unless asked for more


def register(subparsers: options.Subparsers[argparse.ArgumentParser]) -> None:
    """Add `csid owner` with its actions."""
    parser = subparsers.add_parser(
        "owner",
        description="The participants 参与主体, their accreditation and their qualification.",
    )
    actions = parser.add_subparsers(metavar="ACTION", required=True)
    _register_facts(actions)
    for word, purpose in JUDGEMENTS.items():
        judge = actions.add_parser(word, help=purpose, description=purpose)
        judge.add_argument("code", metavar="CODE", help="owner code 主体代码")
        request.add_request(judge)
        judge.set_defaults(run=run_judge, judgement=word)
    qualify = actions.add_parser(
        "qualify", help="grant the resale and scheduling qualification 转售调度资格"
    )
    qualify.add_argument("code", metavar="CODE", help="owner code 主体代码")
    qualify.add_argument("--withdraw", action="store_true", help="take it back 撤销")
    request.add_request(qualify)
    qualify.set_defaults(run=run_qualify)
    _register_reading(actions)


def _register_facts(actions: options.Subparsers[argparse.ArgumentParser]) -> None:
    add = actions.add_parser("add", help="register an applicant 登记主体")
    update = actions.add_parser("update", help="change what is registered 变更登记")
    for parser, needed, run in ((add, True, run_add), (update, False, run_update)):
        parser.add_argument("code", metavar="CODE", help="owner code, 18 characters 主体代码")
        parser.add_argument(
            "--kind",
            action="append",
            choices=tuple(KIND_BY_WORD),
            required=needed,
            help="repeatable 类别: " + ", ".join(f"{one.word} {one.zh}" for one in KINDS.values()),
        )
        parser.add_argument("--name", required=needed, help="name 名称")
        parser.add_argument("--contact", required=needed, help="contact 联系方式")
        parser.add_argument(
            "--quota", type=_quota, metavar="N|none", help="identifiers it may have 配额 (none)"
        )
        request.add_request(parser)
        parser.set_defaults(run=run)


def _register_reading(actions: options.Subparsers[argparse.ArgumentParser]) -> None:
    show = actions.add_parser("show", help="show one participant 查看主体")
    show.add_argument("code", metavar="CODE", help="owner code 主体代码")
    show.set_defaults(run=run_show)
    listing = actions.add_parser("list", help="list participants 列出主体")
    listing.add_argument("--kind", choices=tuple(KIND_BY_WORD), help="of this kind 类别")
    listing.add_argument("--standing", choices=tuple(STANDINGS), help="准入状态")
    listing.add_argument("--name", default="", metavar="TEXT", help="a part of the name 名称")
    options.add_page(listing, LIST_LIMIT, "CODE")
    listing.set_defaults(run=run_list)
    options.add_json(show)
    for parser in (show, listing):
        options.add_data(parser)


def _quota(text: str) -> int | str:
    return text if text == "none" else options.count(text)


def run_add(args: argparse.Namespace) -> int:
    """Register an applicant."""
    quota = None if args.quota == "none" else args.quota
    body = AddOwner(args.code, _kinds(args.kind), args.name, args.contact, quota)
    return _ask(args, body)


def run_update(args: argparse.Namespace) -> int:
    """Change what is registered; what is not given stays."""
    given = {
        "kinds": [kind.value for kind in _kinds(args.kind)] if args.kind else None,
        "name": args.name,
        "contact": args.contact,
        "quota": args.quota,
    }
    facts = {name: value for name, value in given.items() if value is not None}
    if args.quota == "none":
        facts["quota"] = None
    return _ask(args, UpdateOwner(args.code, facts_of(facts)))


def run_judge(args: argparse.Namespace) -> int:
    """Accredit, suspend, reinstate or end."""
    return _ask(args, JudgeOwner(args.code, Judgement(args.judgement)))


def run_qualify(args: argparse.Namespace) -> int:
    """Grant or take back the qualification."""
    return _ask(args, QualifyOwner(args.code, granted=not args.withdraw))


def _ask(args: argparse.Namespace, body: Body) -> int:
    with request.open_registry(args) as registry:
        return request.carry_out(registry, args, body)


def _kinds(words: Iterable[str]) -> tuple[Kind, ...]:
    return tuple(KIND_BY_WORD[word] for word in words)


def run_show(args: argparse.Namespace) -> int:
    """Show one participant; exit 1 if it is not registered."""
    code = fold(args.code)
    with Registry.open(args.data) as registry, registry.view() as seen:
        owner = get_owner(seen, code) if code.isascii() else None
        live = count_live(seen, code) if owner else 0
    if owner is None:
        request.complain_of(Decision(Status.OWNER_UNKNOWN, code))
        return output.EXIT_BAD_INPUT
    if args.json:
        output.print_json(_as_json(code, owner) | {"live": live})
    else:
        quota = "不限 unlimited" if owner.quota is None else f"{owner.quota:,}"
        rows = [
            ("主体 Owner", code),
            ("名称 Name", owner.name),
            ("联系方式 Contact", owner.contact),
            ("类别 Kinds", _kinds_text(owner)),
            ("准入状态 Standing", _standing_text(owner)),
            ("转售调度资格 Resale", "有 yes" if owner.qualified else "无 no"),
            ("配额 Quota", quota),
            ("存续标识 Identifiers", f"{live:,}"),
            ("登记时间 Since", output.moment(owner.since)),
        ]
        output.print_facts(rows)
    return output.EXIT_OK


def run_list(args: argparse.Namespace) -> int:
    """List participants in the order of their codes."""
    with Registry.open(args.data) as registry, registry.view() as seen:
        found, more = output.take(_matching(seen, args), args.limit)
    if args.json:
        for code, owner in found:
            output.print_json(_as_json(code, owner))
    else:
        output.print_list(
            ("主体 Owner", "名称 Name", "类别 Kinds", "准入 Standing", "配额 Quota"),
            (
                (code, owner.name, _kinds_text(owner), _standing_text(owner), owner.quota)
                for code, owner in found
            ),
        )
    if more:
        output.note_more(found[-1][0])
    return output.EXIT_OK


def _matching(seen: View, args: argparse.Namespace) -> Iterator[tuple[str, Owner]]:
    start = fold(args.after).encode() + b"\0" if args.after else b""
    for key, value in seen.scan(codec.OWNERS, b"", start):
        owner = codec.decode_owner(value)
        if (
            (not args.kind or args.kind in {KINDS[kind].word for kind in owner.kinds})
            and (not args.standing or args.standing == STANDING_WORDS[owner.standing][0])
            and args.name.casefold() in owner.name.casefold()
        ):
            yield key.decode("ascii"), owner


def _kinds_text(owner: Owner) -> str:
    return ", ".join(f"{KINDS[kind].zh} {KINDS[kind].word}" for kind in owner.kinds)


def _standing_text(owner: Owner) -> str:
    word, zh = STANDING_WORDS[owner.standing]
    return f"{zh} {word}"


def _as_json(code: str, owner: Owner) -> dict[str, Any]:
    return {
        "owner": code,
        "name": owner.name,
        "contact": owner.contact,
        "kinds": [KINDS[kind].word for kind in owner.kinds],
        "standing": STANDING_WORDS[owner.standing][0],
        "qualified": owner.qualified,
        "quota": owner.quota,
        "since": iso(owner.since),
    }
