"""The words of what has a fixed set of values: each in one table, for records, commands and papers.

A key is the word in records, options and JSON. The terms are those of the network's rules (准入、
备案、登记); the tables of schemas/ repeat them, and a test holds them to these.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple


class Words(NamedTuple):
    """What something is called in Chinese and English."""

    zh: str
    en: str

    def __str__(self) -> str:
        return f"{self.zh} {self.en}"


# States of an identifier. All but the last are also what a record says.
STATES: Final[Mapping[str, str]] = {
    "reserved": "预留",
    "filing": "备案中",
    "refused": "备案未通过",
    "active": "有效",
    "suspended": "暂停",
    "retired": "终止",
    "superseded": "已替代",
}
# Kinds of participant.
KINDS: Final[Mapping[str, Words]] = {
    "node": Words("互联互通节点主体", "node operator"),
    "resource": Words("算力资源提供商", "resource provider"),
    "resale": Words("转售调度服务商", "resale and scheduling provider"),
    "application": Words("应用服务商", "application provider"),
    "line": Words("专线服务商", "dedicated-line provider"),
}
# Where the accreditation of a participant is.
STANDINGS: Final[Mapping[str, str]] = {
    "applied": "已申请",
    "accredited": "已准入",
    "suspended": "已暂停",
    "ended": "已终止",
}
# What a node is in the network.
NODE_ROLES: Final[Mapping[str, str]] = {
    "national": "国家节点",
    "region": "区域节点",
    "industry": "行业节点",
    "aggregate": "汇聚节点",
}
# Where a node of the network is in its life.
NODE_STATES: Final[Mapping[str, str]] = {
    "active": "正常",
    "suspended": "已暂停",
    "removed": "已注销",
}
# Where the filing of a cut is.
CUT_STATES: Final[Mapping[str, str]] = {
    "waiting": "待审",
    "filed": "已备案",
    "rejected": "已驳回",
    "withdrawn": "已撤回",
}
# Where a node is that has asked the national node to file a cut (备案).
FILING_STATES: Final[Mapping[str, str]] = {
    "wanted": "待报",
    "waiting": "待审批",
    "filed": "已备案",
    "refused": "未通过",
    "moving": "迁出中",
    "leaving": "已移交",
    "moved": "已迁出",
    "taking": "迁入中",
}
# Where a hold is that a region node has asked the national node for (监管暂停).
HOLD_STATES: Final[Mapping[str, str]] = {
    "wanted": "待报",
    "sent": "已受理",
    "held": "监管暂停",
    "releasing": "待解除",
    "released": "已解除",
    "refused": "未通过",
}
# What the national node has said of an identifier that was filed (备案库).
FILED_STATES: Final[Mapping[str, str]] = {
    "taken": "已备案",
    "refused": "未通过",
    "ended": "已终止",
    "gone": "缺失",
}
# What a lock keeps from being done to an identifier.
LOCKS: Final[Mapping[str, str]] = {
    "update": "禁止变更",
    "transfer": "禁止转移",
    "retire": "禁止终止",
    "renew": "禁止续期",
}
# Where the offer of an identifier to another owner is.
OFFER_STATES: Final[Mapping[str, str]] = {
    "open": "待接受",
    "accepted": "已接受",
    "cancelled": "已撤回",
    "rejected": "已拒绝",
}
# Where an identifier is in the time for which it is valid.
PHASES: Final[Mapping[str, str]] = {
    "valid": "有效期内",
    "expiring": "即将到期",
    "expired": "已到期",
}
# In what capacity somebody acts.
ROLES: Final[Mapping[str, str]] = {
    "administrator": "管理员",
    "registrar": "登记员",
    "auditor": "审计员",
    "read-only": "只读",
}
# The same of tokens, among which are the keys of gateways.
TOKEN_ROLES: Final[Mapping[str, str]] = {**ROLES, "gateway": "算力标识网关"}
# Fields of a record and columns of a table, in the order in which they are shown.
FIELDS: Final[Mapping[str, Words]] = {
    "name": Words("名称", "Name"),
    "endpoints": Words("接入地址", "Endpoint"),
    "chip": Words("芯片", "Chip"),
    "count": Words("芯片数量", "Chips"),
    "chip_memory_gib": Words("单卡显存", "Chip memory, GiB"),
    "vcpu": Words("核数", "vCPU"),
    "memory_gib": Words("内存", "Memory, GiB"),
    "gflops": Words("标称性能", "Nominal performance"),
    "bf16_gflops": Words("算力", "BF16, GFLOPS"),
    "fp64_gflops": Words("算力", "FP64, GFLOPS"),
    "fp8_gflops": Words("算力", "FP8, GFLOPS"),
    "fp16_gflops": Words("算力", "FP16, GFLOPS"),
    "int8_gops": Words("算力", "INT8, GOPS"),
    "fp32_gflops": Words("算力", "FP32, GFLOPS"),
    "bandwidth_gbps": Words("带宽", "Bandwidth, Gbit/s"),
    "fabric": Words("网络", "Fabric"),
    "price": Words("价格", "Price"),
    "currency": Words("币种", "Currency"),
    "price_unit": Words("计价单位", "Price unit"),
    "green_share": Words("绿电占比", "Green share"),
    "trust": Words("可信等级", "Trust, 1 to 5"),
    "state": Words("状态", "State"),
    "valid_from": Words("生效日期", "Valid from"),
    "valid_until": Words("失效日期", "Valid until"),
    "ended": Words("终止日期", "Ended"),
    "reason": Words("终止原因", "Reason"),
    "successor": Words("后继标识", "Successor"),
}
