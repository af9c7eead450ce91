"""`csid history`: each change of an identifier, a participant or a pool, when, by whom and why."""

from __future__ import annotations

import argparse
from typing import Any, Final

from csid import names
from csid.errors import CsidError
from csid.identifier import fold, parse
from csid.moments import iso
from csid.record import Record, decode
from csid.vocabulary import STATES
from gateway.cli import options, output, request, zone_diff
from gateway.cli.commands import lock, transfer
from gateway.language import shown, term
from registry.rules.decision import Decision
from registry.rules.filing import read_receipt
from registry.rules.requests import TakeReceipt
from registry.rules.status import Status
from registry.service import Registry
from registry.tables.codec import decode_locks, decode_offer
from registry.tables.log_entry import LogEntry
from registry.tables.rows import DEFAULT_TTL
from resolver.store.environment import Settings

KINDS: Final = {
    "owner.add": "登记主体",
    "owner.introduce": "首次清点",
    "owner.update": "变更登记",
    "owner.judge": "准入",
    "owner.qualify": "转售资格",
    "scope.set": "设定范围",
    "pool.add": "设立资源池",
    "assign": "赋码",
    "mint": "池内赋码",
    "import": "导入",
    "update": "变更",
    "advance": "变更状态",
    "retire": "终止",
    "alias": "别名",
    "alias.subtree": "整体别名",
    "move": "迁移",
    "lock.add": "加锁",
    "lock.remove": "解锁",
    "transfer.offer": "提出转移",
    "transfer.accept": "接受转移",
    "transfer.cancel": "撤回转移",
    "transfer.reject": "拒绝转移",
    "renew": "续期",
    "expire": "到期",
    "lapse": "逾期终止",
    "validity.set": "有效期规则",
    "location.retire": "位置停用",
    "zone.update": "更新区",
    "receipt": "回执",
    "filing.request": "申请切分点",
    "filing.answer": "切分点答复",
    "filing.move": "切分点迁移",
    "hold.set": "监管暂停",
    "hold.lift": "解除监管暂停",
    "hold.note": "监管暂停通知",
    "hold.ask": "申请监管暂停",
    "hold.end": "申请解除监管暂停",
    "hold.answer": "监管暂停答复",
    "leave": "随切分点迁出",
    "take": "随切分点迁入",
    "take.subtree": "整体别名迁入",
    "filed.receipt": "出具回执",
    "filed.end": "备案终止",
    "filed.gone": "备案缺失",
    "filed.met": "补录在用",
    "node.join": "加入网络",
    "network.begin": "建立网络",
    "network.add": "登记节点",
    "network.change": "变更节点",
    "network.suspend": "暂停节点",
    "network.reinstate": "恢复节点",
    "network.rekey": "更换密钥",
    "network.remove": "注销节点",
    "filing.mode": "备案方式",
    "cut.file": "切分点备案",
    "cut.approve": "批准备案",
    "cut.reject": "驳回备案",
    "cut.withdraw": "撤回备案",
    "cut.move": "变更节点",
    "cut.keep": "取消变更节点",
    "cut.freeze": "迁出方停止变更",
    "cut.decline": "迁移受阻",
    "node.migrate": "升级数据",
    "node.resume": "由备份继续",
    "token.add": "登记令牌",
    "token.revoke": "撤销令牌",
    "plan.finish": "批量办结",
    "audit.key": "日志密钥",
}
LOCKS: Final = frozenset({"lock.add", "lock.remove"})
OFFERS: Final = frozenset({"transfer.offer", "transfer.cancel", "transfer.reject"})
ON_IDENTIFIERS: Final = frozenset({"assign", "mint", "import", "update", "advance", "retire"}) | {
    "alias",
    "leave",
    "move",
    "receipt",
    "take",
    "transfer.accept",
    "renew",
    "expire",
    "lapse",
}


def register(subparsers: options.Subparsers[argparse.ArgumentParser]) -> None:
    """Add `csid history`."""
    parser = subparsers.add_parser(
        "history",
        description="Each change of an identifier, an owner, a pool, a location or an aliased "
        "prefix, the first one first 变更历史. Exit code 1: there is no such thing.",
    )
    parser.add_argument("subject", metavar="ID", help="identifier, or code 标识或代码")
    options.add_data(parser)
    options.add_json(parser)
    parser.set_defaults(run=run_history)


def run_history(args: argparse.Namespace) -> int:
    """Print the changes of one subject."""
    with Registry.open(args.data) as registry:
        subject = subject_of(args.subject, registry.settings)
        changes = registry.history(subject)[::-1]
    if not changes:
        request.complain_of(Decision(Status.NOT_FOUND, subject))
        return output.EXIT_BAD_INPUT
    if args.json:
        for change in changes:
            output.print_json(json_of(change.index, change.leaf))
        return output.EXIT_OK
    for change in changes:
        print(shown(_line(change.index, change.leaf, subject)))
        for one in zone_diff.shown(change.leaf):
            print(f"    {shown(one)}")
    return output.EXIT_OK


def _line(index: int, leaf: LogEntry, subject: str) -> str:
    """One change; what it is about only where that is not the subject itself."""
    cells = (
        str(index),
        output.moment(leaf.time),
        f"{KINDS.get(leaf.kind, '')} {leaf.kind}",
        leaf.on if leaf.on != subject else "",
        _receipt(leaf) or (f"→ {leaf.to}" if leaf.to else ""),
        _state(leaf),
        _beside(leaf),
        f"TTL {leaf.ttl}" if _record(leaf) and leaf.ttl != DEFAULT_TTL else "",
        f"{leaf.by} ({_capacity(leaf)})",
        leaf.why,
    )
    return "  ".join(filter(None, cells))


def subject_of(text: str, settings: Settings) -> str:
    """What a text names, in canonical form; a zone is told by the dot in it."""
    try:
        return str(parse(text, suffix=settings.suffix))
    except CsidError:
        folded = fold(text)
        if not folded.isascii():
            raise
        if "." in folded and "/" not in folded:
            return names.to_text(names.from_text(folded.lower()))
        return folded


def _capacity(leaf: LogEntry) -> str:
    return f"{leaf.role}, {leaf.for_}" if leaf.for_ else leaf.role


def _state(leaf: LogEntry) -> str:
    """The state that an identifier was in after a change."""
    record = _record(leaf)
    if record is None:
        return ""
    state = "superseded" if leaf.to and leaf.kind != TakeReceipt.kind else record.state
    return term(STATES[state], state)


def _beside(leaf: LogEntry) -> str:
    """What a change has made of the locks of an identifier, or of an offer."""
    if leaf.kind in LOCKS and leaf.after:
        row = decode_locks(leaf.after)
        held = (("节点 node", row.server), ("主体 owner", row.owner))
        return "; ".join(f"{whose}: {lock.words_of(bits)}" for whose, bits in held if bits) or "-"
    if leaf.kind in OFFERS and leaf.after:
        return f"→ {decode_offer(leaf.after).to or '凭授权码 by code'}"
    return ""


def _beside_json(leaf: LogEntry) -> dict[str, Any]:
    """The same, for scripts; nothing where it is about neither."""
    if leaf.kind in LOCKS and leaf.after:
        return {"locks": lock.json_of(decode_locks(leaf.after))}
    if leaf.kind in OFFERS and leaf.after:
        return {"offer": transfer.json_of(decode_offer(leaf.after))}
    return {}


def _receipt(leaf: LogEntry) -> str:
    """The receipt that a change is, by its number, and what it refused it with."""
    if leaf.kind != TakeReceipt.kind:
        return ""
    number, status = read_receipt(leaf.to)
    why = "" if status.success else f" {request.status_text(status)}"
    return f"回执 receipt {number}{why}" if number else why.strip()


def _record(leaf: LogEntry) -> Record | None:
    # A leaf without is only there for the idempotency key of a request that changed nothing.
    return decode(leaf.after) if leaf.after and leaf.kind in ON_IDENTIFIERS else None


def rows_of(index: int, leaf: LogEntry) -> list[tuple[str, str]]:
    """One change in rows for people."""
    rows = [
        ("序 Leaf", str(index)),
        ("时间 When", output.moment(leaf.time)),
        ("事项 What", f"{KINDS.get(leaf.kind, '')} {leaf.kind}"),
        ("对象 On", leaf.on),
        ("回执 Receipt", _receipt(leaf)),
        ("说明 Detail", _beside(leaf)),
        ("替代 To", "" if leaf.kind == TakeReceipt.kind else leaf.to),
        ("操作人 By", f"{leaf.by} ({_capacity(leaf)})"),
        ("进程 Peer", leaf.peer),
        ("事由 Why", leaf.why),
    ]
    rows += [
        ("记录 Records" if not at else "", one) for at, one in enumerate(zone_diff.shown(leaf))
    ]
    record = _record(leaf)
    if record is not None:
        rows.append(("缓存时间 TTL", f"{leaf.ttl:,} s"))
        rows += output.facts_of(record)
    return [(label, value) for label, value in rows if value]


def json_of(index: int, leaf: LogEntry) -> dict[str, Any]:
    """One change for scripts; the record only where the change is about an identifier."""
    record = _record(leaf)
    return {
        "leaf": index,
        "time": iso(leaf.time),
        "kind": leaf.kind,
        "subject": leaf.on,
        "to": leaf.to,
        "by": leaf.by,
        "role": leaf.role,
        "for": leaf.for_,
        "peer": leaf.peer,
        "reason": leaf.why,
        "status": leaf.status,
        **_beside_json(leaf),
        "record": None if record is None else record.json(),
        "ttl": None if record is None else leaf.ttl,
        "records": list(zone_diff.lines(leaf)),
    }
