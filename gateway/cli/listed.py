"""Which commands there are; a name alone, so that whoever asks loads none of them."""

from __future__ import annotations

from typing import Final, NamedTuple


class Command(NamedTuple):
    """A command: its module, what it is for, and with which others it is listed.

    One that lasts goes on until it is told to end, so that no other signal ends it.
    """

    module: str
    purpose: str
    group: str
    lasts: bool = False


_NODE = "the node and its server 节点与解析服务"
_HOLDERS = "who and what is assigned to 主体、资源池与范围"
_LIFE = "an identifier's life 赋码与变更"
_READ = "finding and resolving 查询与解析"
_SUPPLY = "supply 供给"
_BULK = "many at once 批量"
COMMANDS: Final = {
    "init": Command("init", "make a data directory 建立数据目录", _NODE),
    "serve": Command("serve", "answer over UDP and TCP 启动解析服务", _NODE, lasts=True),
    "gateway": Command(
        "gateway.command", "resolve from the root, and remember 算力标识网关", _NODE, lasts=True
    ),
    "cache": Command("cache", "what a gateway remembers 网关缓存", _NODE),
    "status": Command("status", "what the node is doing, what is not well 节点状态", _NODE),
    "metrics": Command("metrics", "its state for Prometheus 监控指标", _NODE),
    "config": Command("config", "the configuration file 配置文件", _NODE),
    "whoami": Command("whoami", "as whom one acts here 当前操作人", _NODE),
    "completion": Command("completion", "completions for a shell 命令行补全", _NODE),
    "backup": Command("backup", "copy all of a node while it runs 备份", _NODE),
    "restore-node": Command("restore_node", "make a node anew from a backup 由备份重建", _NODE),
    "migrate": Command("migrate", "bring older data up to date 升级数据目录", _NODE),
    "zone": Command("zone.command", "load, dump, list and drop zones 区数据管理", _NODE),
    "sync": Command("sync", "zones between servers 区同步状态", _NODE),
    "key": Command("key", "keys that messages are signed with (TSIG) 签名密钥", _NODE),
    "system": Command(
        "system.command", "systems of a node, run in a process 节点系统", _NODE, lasts=True
    ),
    "node": Command(
        "node.command", "the nodes of the network, at the national node 节点登记", _NODE
    ),
    "scope": Command("scope", "what the node assigns for 管辖范围", _HOLDERS),
    "filing": Command("filing.command", "what is filed with the national node 备案", _HOLDERS),
    "validity": Command(
        "validity", "what becomes of what is not valid any longer 有效期管理", _HOLDERS
    ),
    "owner": Command("owner", "participants and their accreditation 参与主体与准入", _HOLDERS),
    "token": Command("token", "tokens for the HTTPS interface 令牌", _HOLDERS),
    "pool": Command("pool", "blocks of codes, and codes minted in them 资源池", _HOLDERS),
    "assign": Command("assign", "assign an identifier 赋码", _LIFE),
    "update": Command("update", "change the record of an identifier 变更记录", _LIFE),
    "file": Command("advance", "hand an identifier in for filing 提交备案", _LIFE),
    "activate": Command("advance", "a filing was accepted 备案通过", _LIFE),
    "withdraw": Command("advance", "a filing was refused or taken back 撤回备案", _LIFE),
    "suspend": Command("advance", "put an identifier on hold 暂停", _LIFE),
    "reinstate": Command("advance", "end a hold 恢复", _LIFE),
    "retire": Command("advance", "end an identifier for ever 终止", _LIFE),
    "alias": Command("alias", "let an identifier or a subtree lead to another 别名", _LIFE),
    "transfer": Command("transfer", "give identifiers to another owner 转移", _LIFE),
    "lock": Command("lock", "keep things from being done to identifiers 加锁", _LIFE),
    "renew": Command("validity", "let an identifier be valid for longer 续期", _LIFE),
    "location": Command(
        "location", "retire a location code and re-home what is there 位置代码停用", _LIFE
    ),
    "id": Command("id", "explain, check and make identifiers 标识的解释、校验与生成", _READ),
    "list": Command("list", "find identifiers by prefix and attributes 检索与列出", _READ),
    "show": Command("show", "show one identifier with its record 查看标识", _READ),
    "resolve": Command("resolve", "ask a server for an identifier 解析标识", _READ),
    "history": Command("history", "each change, when, by whom and why 变更历史", _READ),
    "audit": Command("audit.command", "sign, verify and prove the log of all changes 审计", _READ),
    "escrow": Command("escrow", "deposit with a third party, and verify 注册数据托管", _READ),
    "aggregate": Command(
        "aggregate.command",
        "compute of providers, read where it is managed 算力资源汇聚",
        _SUPPLY,
        lasts=True,
    ),
    "select": Command(
        "select", "the compute that a demand needs, the best first 选择算力", _SUPPLY, lasts=True
    ),
    "line": Command("line.command", "dedicated lines, and ways over them 专线与算网路径", _SUPPLY),
    "latency": Command("latency.command", "round trips between places, measured 时延拨测", _SUPPLY),
    "template": Command("template", "an empty sheet for registrations 登记表模板", _BULK),
    "import": Command("import_", "take in identifiers from a table 批量导入", _BULK),
    "export": Command("export", "write identifiers to a table or JSON Lines 导出", _BULK),
    "restore": Command("restore", "take in what was exported as JSON Lines 恢复", _BULK),
}
