"""Every outcome of a request to the registry: number, name, reason, success, EPP result code.

Numbers are written into the audit log, so one that was used once is never given another meaning:
a status that is no longer needed stays in the table. EPP codes are those of RFC 5730 section 3.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum, unique
from typing import Final


@unique
class Status(Enum):
    """Number, success, EPP result code, reason in Chinese, reason in English."""

    DONE = (100, True, 1000, "已办理", "done")
    UNCHANGED = (101, True, 1000, "无变化，已是所请求的状态", "nothing to change: it is so already")
    REPLAYED = (102, True, 1000, "同一请求此前已办理", "the same request was carried out before")

    EXISTS = (200, False, 2302, "已存在", "exists already")
    NOT_FOUND = (201, False, 2303, "不存在", "does not exist")
    NEVER_AGAIN = (
        202,
        False,
        2302,
        "标识已终止，永不再用",
        "has ended; a code is never given again",
    )
    STATE_PROHIBITS = (203, False, 2304, "当前状态不允许", "its state does not allow this")
    OVERLAP = (204, False, 2302, "与已有资源池的序号重叠", "overlaps the serials of another pool")
    ASSOCIATED = (205, False, 2305, "仍有关联的标识", "identifiers still depend on it")
    TARGET_UNUSABLE = (206, False, 2305, "目标标识不可用", "the target cannot be referred to")
    CHAIN_TOO_LONG = (207, False, 2306, "别名链过长", "the chain of aliases would be too long")
    CHANGED_SINCE = (208, False, 2304, "此后已被变更", "was changed since")

    LOCKED = (209, False, 2304, "已加锁，不允许", "a lock prohibits this")
    TRANSFER_PENDING = (210, False, 2300, "转移待接受", "offered to another owner already")
    NO_TRANSFER = (211, False, 2301, "无待接受的转移", "no such offer is open")
    NOT_RENEWABLE = (212, False, 2105, "不可续期", "cannot be renewed")

    ROLE_MAY_NOT = (300, False, 2201, "该角色无此权限", "this role may not do this")
    OWNER_NOT_YOURS = (301, False, 2201, "不属于本主体", "belongs to an owner you do not act for")

    CODE_WRONG = (302, False, 2202, "授权码不正确", "the authorisation code is not right")

    OWNER_UNKNOWN = (400, False, 2303, "主体未登记", "the owner is not registered")
    NOT_ACCREDITED = (401, False, 2308, "主体未获准入或已暂停", "the owner is not accredited")
    KIND_MAY_NOT = (402, False, 2308, "该类主体无此资格", "this kind of participant may not")
    OUT_OF_SCOPE = (403, False, 2308, "超出本节点管辖范围", "outside the scope of this node")
    LOCATION_NOT_IN_FORCE = (404, False, 2306, "位置代码在该日期无效", "location not in force")
    LOCATION_RETIRED = (405, False, 2304, "位置代码已在本节点停用", "location retired at this node")
    OWNER_QUOTA = (406, False, 2308, "超出主体配额", "the owner's quota is used up")
    POOL_QUOTA = (407, False, 2308, "超出资源池配额", "the pool's quota is used up")
    POOL_EXHAUSTED = (408, False, 2308, "资源池序号已用尽", "the pool has no free serial left")
    SUBTREE_ALIASED = (409, False, 2304, "上级已整体改为别名", "the subtree above is an alias")
    POLICY_PROHIBITS = (410, False, 2308, "本节点策略不允许", "a policy of this node prohibits it")

    NOT_NATIONAL = (411, False, 2308, "本节点不是国家节点", "this node is not the national node")
    NODE_UNKNOWN = (412, False, 2303, "节点未登记", "the node is not registered")
    NODE_SUSPENDED = (413, False, 2308, "节点已暂停", "the node is suspended")
    NODE_SCOPE = (414, False, 2308, "超出该节点的管辖范围", "outside the scope of that node")
    NODE_HAS_CUTS = (415, False, 2305, "节点仍有切分点", "cuts still depend on the node")
    CUT_TOO_DEEP = (416, False, 2005, "切分点低于位置一级", "a cut lies below a location")
    CUT_OVERLAPS = (417, False, 2302, "与已有切分点重叠", "overlaps a cut that is there")
    CUT_REJECTED = (418, False, 2304, "备案已被驳回", "the filing was rejected")
    SERVERS_TOO_MANY = (419, False, 2306, "名称服务器过多", "too many name servers")
    SERVER_UNKNOWN = (420, False, 2306, "名称服务器无法到达", "a name server cannot be reached")
    DELEGATION_LOOPS = (421, False, 2306, "委派成环", "the delegation leads back to itself")
    CUT_HAS_NAMES = (422, False, 2305, "其下已有登记", "names are registered at or below it")
    DELEGATED = (423, False, 2308, "已委派给其他节点", "it is delegated to another node")
    WAITING_QUOTA = (424, False, 2308, "待审备案过多", "too many filings of the node wait")
    CUT_MOVES = (425, False, 2304, "切分点迁移中或已迁出", "the cut moves between nodes")
    HELD = (426, False, 2304, "监管暂停中", "it is held by its supervising authority")
    NOT_FILED = (430, False, 2308, "所在切分点备案未通过", "the cut around it was not filed")

    BAD_VALUE = (500, False, 2005, "取值不合规", "a value is not well-formed")
    BAD_RANGE = (501, False, 2004, "范围不合规", "a value is out of range")
    KEY_REUSED = (502, False, 2306, "幂等键已用于另一请求", "the key was used for another request")
    RECORD_TOO_LARGE = (503, False, 2306, "资源记录过大", "the resource record is too large")

    def __init__(self, number: int, success: bool, epp: int, zh: str, en: str) -> None:
        self.number = number
        self.success = success
        self.epp = epp
        self.zh = zh
        self.en = en


BY_NUMBER: Final[Mapping[int, Status]] = {status.number: status for status in Status}
