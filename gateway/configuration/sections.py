"""The sections of the configuration: each option with its reader, its default and what it is for.

An option that is not given is what its field has as default. `show.example` shows all of them; a
test holds the two to each other.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Any, Final, get_type_hints

from csid.address import Address
from csid.vocabulary import ROLES
from gateway.configuration import values
from gateway.configuration.gateway_sections import Gateway, Upstream
from gateway.configuration.options import certificate, listening, option, private_key, udp_workers
from gateway.systems.aggregation.settings import Aggregation
from gateway.systems.selection.settings import Selection
from gateway.systems.settings import Systems
from resolver.client.settings import DEFAULTS, REMEMBERED_MAX, SECONDS_MAX
from resolver.server import log_lines

ID_MAX: Final = 2**32 - 2  # of a user or a group
REGISTRAR: Final = "registrar"  # the role that has an owner
BACKUPS_MAX: Final = 1_000  # that may stand on each other


@dataclass(frozen=True, slots=True)
class Node:
    """`[node]`: the data directory."""

    data: Path | None = option(values.path, None, "the data directory", "数据目录", "/var/lib/csid")
    group: str = option(
        values.text,
        "",
        "a group whose members may ask the running node; what each may do is for [[actor]] to say",
        "可向运行中的节点提出请求的用户组",
        "csid",
    )


@dataclass(frozen=True, slots=True)
class Serve:
    """`[serve]`: answering over UDP, TCP and TLS."""

    listen: tuple[Address, ...] = listening(5300)
    listen_tls: tuple[Address, ...] = option(
        values.several(values.listener),
        (),
        "where to listen for DNS over TLS and transfers over TLS",
        "加密监听地址",
        ("127.0.0.1:8853",),
    )
    tls_cert: Path | None = certificate()
    tls_key: Path | None = private_key()
    tls_client_ca: Path | None = option(
        values.path,
        None,
        "authorities of clients' certificates (PEM)",
        "客户端证书的签发机构",
        "/etc/csid/clients.pem",
    )
    workers: int | None = udp_workers()
    nsid: str = option(values.nsid, "", "name of this server (RFC 5001)", "服务器名称", "ns1.zj")
    systems: tuple[str, ...] = option(
        values.several(values.text),
        (),
        "systems whose hooks look at what is asked and changed here",
        "挂接的系统",
        ("freeze",),
    )
    user: str = option(
        values.text,
        "",
        "once all sockets are there, be this user and no longer root",
        "绑定端口后切换到的用户",
        "csid",
    )


@dataclass(frozen=True, slots=True)
class Http:
    """`[http]`: the registry over HTTPS."""

    listen: tuple[Address, ...] = option(
        values.several(values.listener),
        (),
        "where to listen; without tls-cert on this machine alone",
        "监听地址",
        ("127.0.0.1:8443",),
    )
    tls_cert: Path | None = certificate()
    tls_key: Path | None = private_key()
    client_ca: Path | None = option(
        values.path,
        None,
        "authorities of the certificates that clients may show in place of a token (PEM)",
        "客户端证书的签发机构",
        "/etc/csid/clients.pem",
    )
    per_address: int = option(
        values.number(1, 100_000),
        64,
        "connections over TLS at a time from one address (of IPv6 a /64)",
        "每个地址的连接数",
    )
    public_url: str = option(
        values.text,
        "",
        "what links in answers begin with, where others reach it by another name",
        "对外网址",
        "https://registry.example.cn",
    )
    per_second: int = option(
        values.number(1, 1_000_000),
        20_000,
        "requests, and items of batches, that one token or certificate may ask for in a second",
        "每个令牌或证书每秒请求数",
    )


@dataclass(frozen=True, slots=True)
class ActorSection:
    """`[[actor]]`: who acts, by what the operating system says of a process that asks."""

    name: str = option(
        values.actor, "", "under which name it is written down (or the user's)", "姓名", "张三"
    )
    user: str = option(values.text, "", "the user whose processes it is", "用户", "zhang")
    uid: int | None = option(
        values.number(0, ID_MAX), None, "or its number, in place of its name", "用户号", 1000
    )
    group: str = option(
        values.text, "", "or a group, whose users each act under their own name", "用户组", "csid"
    )
    gid: int | None = option(
        values.number(0, ID_MAX), None, "or its number, in place of its name", "组号", 1000
    )
    certificate: tuple[str, ...] = option(
        values.several(values.certificate),
        (),
        "or, over HTTPS, a certificate of [http] client-ca: its sha256: digest or a name in it",
        "客户端证书",
        ("dns:scheduler.example.cn",),
    )
    role: str = option(values.word(*ROLES), "read-only", "in what capacity", "角色", REGISTRAR)
    owner: str = option(
        values.owner, "", "the owner that a registrar acts for", "所代表主体", "91330106673959654P"
    )
    acts_for: tuple[str, ...] = option(
        values.several(values.word(*ROLES)),
        (),
        "in which roles it is believed when it says that it acts for others",
        "可代他人行使的角色",
        (REGISTRAR,),
    )

    def __post_init__(self) -> None:
        if (self.role == REGISTRAR) != bool(self.owner):
            raise ValueError('owner = "CODE" for a registrar, and for nobody else')


@dataclass(frozen=True, slots=True)
class Log:
    """`[log]`: what the server says on stderr."""

    level: str = option(values.word(*log_lines.LEVELS), "info", "the least that is told", "级别")
    format: str = option(
        values.word(*log_lines.RENDERS),
        "text",
        "how: text, or JSON, one value a line",
        "日志格式",
    )


@dataclass(frozen=True, slots=True)
class RateLimit:
    """`[rate-limit]`: fewer answers over UDP to networks that are sent too many."""

    per_second: int = option(
        values.number(0, 1_000_000, "answers of one outcome to one network, by each UDP process"),
        0,
        "answers of one outcome that each UDP process sends one network in a second; 0: any",
        "每个网段每秒应答数",
        200,
    )
    slip: int = option(
        values.number(0, 10),
        2,
        "of so many held back, one is sent cut down, to be asked again over TCP; 0: none",
        "截断应答比例",
    )
    window: int = option(
        values.number(1, 3_600, "seconds"), 15, "seconds until a debt is forgiven", "统计窗口（秒）"
    )
    prefix_v4: int = option(
        values.number(8, 32, "bits"),
        24,
        "bits of an IPv4 address that tell its network",
        "IPv4 前缀",
    )
    prefix_v6: int = option(
        values.number(16, 128, "bits"),
        56,
        "bits of an IPv6 address that tell its network",
        "IPv6 前缀",
    )
    exempt: tuple[IPv4Network | IPv6Network, ...] = option(
        values.several(values.network),
        (),
        "networks without a limit",
        "豁免网段",
        ("192.0.2.0/24",),
    )


@dataclass(frozen=True, slots=True)
class Dnstap:
    """`[dnstap]`: queries and answers told to another program, or kept."""

    to: str = option(
        values.dnstap,
        "",
        "a socket where frame streams are taken (unix:PATH), or a file (file:PATH); empty: nobody",
        "接收端",
        "unix:/run/dnstap.sock",
    )
    queries: bool = option(values.flag, True, "tell of queries", "记录查询")
    answers: bool = option(values.flag, True, "tell of answers", "记录应答")


@dataclass(frozen=True, slots=True)
class Metrics:
    """`[metrics]`: the state of the node for Prometheus, at /metrics of a port of its own."""

    listen: tuple[Address, ...] = option(
        values.several(values.listener),
        (),
        "where to listen over HTTP; whoever reaches it may read",
        "监听地址",
        ("127.0.0.1:9053",),
    )


@dataclass(frozen=True, slots=True)
class KeySection:
    """`[[key]]`: a secret shared with another server, as csid key add has it."""

    name: str = option(
        values.domain, "", "its name, the same at both ends", "密钥名", "k1.example."
    )
    algorithm: str = option(values.algorithm, "hmac-sha256", "its algorithm", "算法")
    secret_file: Path | None = option(
        values.path,
        None,
        "the secret in base64, the first line of this file",
        "密钥文件",
        "/etc/csid/k1.key",
    )

    def __post_init__(self) -> None:
        if not self.name or self.secret_file is None:
            raise ValueError("name and secret-file")


@dataclass(frozen=True, slots=True)
class ZoneSection:
    """`[[zone]]`: a zone between servers, as csid zone follow, allow and notify have it."""

    origin: str = option(
        values.zone,
        "",
        "its name; * for all without settings of their own",
        "区名",
        "example.test.",
    )
    follow: tuple[Address, ...] | None = option(
        values.several(values.primary),
        None,
        "hold it as a secondary of these primaries",
        "主服务器",
        ("192.0.2.1:53",),
    )
    zonemd: bool = option(values.flag, True, "take it only if its digest is right", "校验区摘要")
    transfer: tuple[str, ...] | None = option(
        values.several(values.subject),
        None,
        "who may transfer it, these and nobody else",
        "允许传送",
        ("192.0.2.0/24", "k1.example."),
    )
    update: tuple[str, ...] | None = option(
        values.several(values.subject),
        None,
        "who may change it by UPDATE",
        "允许动态更新",
        ("192.0.2.7+k1.example.",),
    )
    notify_from: tuple[str, ...] | None = option(
        values.several(values.subject),
        None,
        "who may say that it has changed, beside its primaries",
        "允许通知",
        ("192.0.2.1",),
    )
    transport: str = option(
        values.word("any", "tls"), "any", "over what these rights hold", "传输方式"
    )
    notify: tuple[Address, ...] | None = option(
        values.several(values.primary),
        None,
        "servers that are notified when it changes",
        "变更通知对象",
        ("192.0.2.2:53",),
    )
    key: str = option(
        values.domain, "", "sign what is asked and told with this key", "签名密钥", "k1.example."
    )
    tls: str = option(
        values.reached, "", "over TLS: opportunistic, pin:… or ca:…", "加密传输", "opportunistic"
    )
    source: str = option(
        values.source, "", "send from this address of this machine", "源地址", "192.0.2.53"
    )

    def __post_init__(self) -> None:
        if not self.origin:
            raise ValueError("origin, the name of the zone")
        if self.origin == values.ALL and self.follow is not None:
            raise ValueError("follow with the name of one zone")


@dataclass(frozen=True, slots=True)
class Backup:
    """`[backup]`: what csid backup does where nothing else is said."""

    to: Path | None = option(
        values.path, None, "the folder for backups", "备份目录", "/var/backups/csid"
    )
    keep: int = option(
        values.number(0, BACKUPS_MAX), 0, "how many backups are kept (0: all)", "保留份数", 30
    )
    full_every: int = option(
        values.number(1, BACKUPS_MAX),
        7,
        "of so many backups one is full, the others are differences",
        "每几份一次全量",
    )
    recipients: tuple[str, ...] = option(
        values.several(values.text),
        (),
        "encrypt to these keys of age or SSH; each opens it",
        "加密接收方",
        ("age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p",),
    )
    passphrase_file: Path | None = option(
        values.path,
        None,
        "encrypt under the passphrase in the first line of this file",
        "口令文件",
        "/etc/csid/backup.passphrase",
    )


@dataclass(frozen=True, slots=True)
class Client:
    """`[client]`: whom `csid resolve` and programs ask."""

    servers: tuple[Address, ...] = option(
        values.several(values.server),
        DEFAULTS.servers,
        "whom to ask; the one that answers fastest is asked first",
        "解析服务器",
    )
    suffix: str | None = option(
        values.domain, None, "DNS suffix of the deployment", "域名后缀", "csid.internal."
    )
    timeout: int = option(
        values.number(1, int(SECONDS_MAX), "seconds"),
        int(DEFAULTS.timeout),
        "seconds for an answer, all attempts and servers together",
        "超时（秒）",
    )
    cache: int = option(
        values.number(0, REMEMBERED_MAX),
        DEFAULTS.cache,
        "answers that a program remembers until their TTL ends",
        "缓存条数",
    )
    systems: str = option(
        values.text,
        "http://127.0.0.1:8090",
        "URL of the process of systems that csid select asks",
        "系统接口",
    )
    systems_key: Path | None = option(
        values.path, None, "file with a key for it", "系统接口密钥文件", "/etc/csid/systems.key"
    )
    systems_ca: Path | None = option(
        values.path,
        None,
        "authorities of its certificate (PEM); otherwise those of the machine",
        "系统接口证书的签发机构",
        "/etc/csid/systems-ca.pem",
    )


@dataclass(frozen=True, slots=True)
class Configuration:
    """All sections. Names of sections and options in the file have hyphens where these have
    underscores; `[[actor]]`, `[[key]]`, `[[zone]]` and `[[upstream]]` may stand there many
    times.
    """

    node: Node = field(default_factory=Node)
    serve: Serve = field(default_factory=Serve)
    http: Http = field(default_factory=Http)
    actor: tuple[ActorSection, ...] = ()
    log: Log = field(default_factory=Log)
    rate_limit: RateLimit = field(default_factory=RateLimit)
    dnstap: Dnstap = field(default_factory=Dnstap)
    metrics: Metrics = field(default_factory=Metrics)
    key: tuple[KeySection, ...] = ()
    zone: tuple[ZoneSection, ...] = ()
    backup: Backup = field(default_factory=Backup)
    client: Client = field(default_factory=Client)
    gateway: Gateway = field(default_factory=Gateway)
    upstream: tuple[Upstream, ...] = ()
    systems: Systems = field(default_factory=Systems)
    aggregation: Aggregation = field(default_factory=Aggregation)
    selection: Selection = field(default_factory=Selection)
    # Sections of systems that are not of this program, as they stand there.
    elsewhere: Mapping[str, Any] = field(default_factory=dict)


# What may stand in a file: a section, or, where it is a tuple, many.
KINDS: Final[Mapping[str, Any]] = {
    name: kind for name, kind in get_type_hints(Configuration).items() if name != "elsewhere"
}


def workers_here() -> int:
    """How many UDP processes an address has where none are said: one per core."""
    return len(os.sched_getaffinity(0))
