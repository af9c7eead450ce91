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

WORKERS_MAX: Final = 256  # processes per address
ID_MAX: Final = 2**32 - 2  # of a user or a group
BACKUPS_MAX: Final = 1_000  # that may stand on each other


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
class Configuration:
    """All sections. Names of sections and options in the file have hyphens where these have
    underscores; `[[actor]]` may stand there many times.
    """

    node: Node = field(default_factory=Node)
    serve: Serve = field(default_factory=Serve)
    actor: tuple[ActorSection, ...] = ()
    backup: Backup = field(default_factory=Backup)


def workers_here() -> int:
    """How many UDP processes an address has where none are said: one per core."""
    return len(os.sched_getaffinity(0))
