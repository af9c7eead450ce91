"""The sections of the configuration: each option with its reader, its default and what it is for.

An option that is not given is what its field has as default. `example.toml` shows all of them; a
test holds the two to each other.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from csid.address import Address
from csid.vocabulary import Words
from gateway.configuration import values
from gateway.configuration.values import Reader
from resolver.client.settings import DEFAULTS, REMEMBERED_MAX, SECONDS_MAX

WORKERS_MAX: Final = 256  # processes per address
ID_MAX: Final = 2**32 - 2  # of a user or a group


def option(reader: Reader[Any], default: Any, en: str, zh: str, example: Any = None) -> Any:
    """A field of a section; where the default says little, an example is shown in its place."""
    metadata = {"read": reader, "words": Words(zh, en), "example": example}
    return field(default=default, metadata=metadata)


@dataclass(frozen=True, slots=True)
class Node:
    """`[node]`: the data directory."""

    data: Path | None = option(values.path, None, "the data directory", "数据目录", "/var/lib/csid")


@dataclass(frozen=True, slots=True)
class Serve:
    """`[serve]`: answering over UDP, TCP and TLS."""

    listen: tuple[Address, ...] = option(
        values.several(values.listener),
        (Address("127.0.0.1", 5300),),
        "where to listen over UDP and TCP",
        "监听地址",
    )
    listen_tls: tuple[Address, ...] = option(
        values.several(values.listener),
        (),
        "where to listen for DNS over TLS and transfers over TLS",
        "加密监听地址",
        ("127.0.0.1:8853",),
    )
    tls_cert: Path | None = option(
        values.path,
        None,
        "certificate with those of its issuers (PEM)",
        "证书",
        "/etc/csid/tls.pem",
    )
    tls_key: Path | None = option(
        values.path,
        None,
        "its private key (PEM), if the certificate's file has none",
        "私钥",
        "/etc/csid/tls.key",
    )
    tls_client_ca: Path | None = option(
        values.path,
        None,
        "authorities of clients' certificates (PEM)",
        "客户端证书的签发机构",
        "/etc/csid/clients.pem",
    )
    workers: int | None = option(
        values.number(1, WORKERS_MAX),
        None,
        "UDP processes per address (otherwise one per core)",
        "每个地址的工作进程数",
        2,
    )
    nsid: str = option(values.nsid, "", "name of this server (RFC 5001)", "服务器名称", "ns1.zj")


@dataclass(frozen=True, slots=True)
class ActorSection:
    """`[[actor]]`: who acts, by what the operating system says of a process that asks."""

    name: str = option(values.text, "", "under which name it is written down", "姓名", "张三")
    uid: int | None = option(
        values.number(0, ID_MAX), None, "user id of the process", "用户号", 1000
    )
    gid: int | None = option(
        values.number(0, ID_MAX), None, "group id of the process", "组号", 1000
    )
    role: str = option(
        values.word("administrator", "registrar", "auditor", "read-only"),
        "read-only",
        "in what capacity",
        "角色",
    )
    owner: str = option(
        values.text, "", "the owner that a registrar acts for", "所代表主体", "91330106609120272F"
    )
    acts_for_others: bool = option(
        values.flag, False, "whether it is believed when it says who acts", "可否代他人操作"
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


@dataclass(frozen=True, slots=True)
class Configuration:
    """All sections. Names of sections and options in the file have hyphens where these have
    underscores; `[[actor]]` may stand there many times.
    """

    node: Node = field(default_factory=Node)
    serve: Serve = field(default_factory=Serve)
    actor: tuple[ActorSection, ...] = ()
    client: Client = field(default_factory=Client)


def workers_here() -> int:
    """How many UDP processes an address has where none are said: one per core."""
    return len(os.sched_getaffinity(0))
