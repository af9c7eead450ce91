"""The sections of a compute gateway, of those in `gateway.configuration.sections`."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Final

from csid.address import Address
from gateway.configuration import values
from gateway.configuration.options import certificate, listening, option, private_key, udp_workers

LOOPBACK: Final = (IPv4Network("127.0.0.0/8"), IPv6Network("::1/128"))


@dataclass(frozen=True, slots=True)
class Gateway:
    """`[gateway]`: a compute gateway, which resolves from the root and remembers."""

    data: Path | None = option(
        values.path,
        None,
        "its folder, with what it remembers",
        "网关目录",
        "/var/lib/csid-gateway",
    )
    root: tuple[Address, ...] = option(
        values.several(values.server),
        (),
        "servers of the suffix's zone, where resolution begins",
        "根节点地址",
        ("127.0.0.1:5300",),
    )
    suffix: str | None = option(
        values.domain, None, "DNS suffix of the deployment", "域名后缀", "csid.internal."
    )
    listen: tuple[Address, ...] = listening(5353)
    listen_tls: tuple[Address, ...] = option(
        values.several(values.listener),
        (),
        "where to listen for DNS over TLS",
        "加密监听地址",
        ("127.0.0.1:8853",),
    )
    tls_cert: Path | None = certificate()
    tls_key: Path | None = private_key()
    http: tuple[Address, ...] = option(
        values.several(values.listener),
        (),
        "where to listen over HTTP; without tls-cert on this machine alone",
        "HTTP 监听地址",
        ("127.0.0.1:8080",),
    )
    per_address: int = option(
        values.number(1, 65_536), 64, "HTTP connections of one address", "每个地址的连接数"
    )
    memory: int = option(
        values.number(1, 65_536, "MiB"),
        128,
        "MiB of ready answers over HTTP, in each process",
        "HTTP 就绪应答（MiB）",
    )
    handle_authority: str = option(
        values.text, "", "Handle naming authority of the deployment", "Handle 前缀", "0.EXAMPLE"
    )
    report_to: str = option(
        values.text,
        "",
        "URL of the node that takes the reports of this gateway; none are taken without it",
        "上报节点地址",
        "https://node.example:8443",
    )
    report_key: Path | None = option(
        values.path,
        None,
        "file with the key that csid gateway enrol has printed there",
        "上报密钥文件",
        "/etc/csid/gateway.key",
    )
    report_ca: Path | None = option(
        values.path,
        None,
        "authorities of the node's certificate (PEM); otherwise those of the machine",
        "上报节点证书的签发机构",
        "/etc/csid/node-ca.pem",
    )
    registry: str = option(
        values.text,
        "",
        "URL of the registry that is searched by prefix; without it nothing is",
        "检索的登记接口",
        "https://node.example:8443",
    )
    registry_token: Path | None = option(
        values.path,
        None,
        "file with a token for it, where it wants one",
        "登记接口令牌文件",
        "/etc/csid/registry.token",
    )
    allow: tuple[IPv4Network | IPv6Network, ...] = option(
        values.several(values.network),
        LOOPBACK,
        "networks that are answered; all others are refused",
        "允许查询的网段",
    )
    workers: int | None = udp_workers()
    cache: int = option(
        values.number(1, 65_536, "MiB"), 64, "MiB of answers that are remembered", "缓存（MiB）"
    )
    nsid: str = option(values.nsid, "", "name of this server (RFC 5001)", "服务器名称", "gw1.zj")


@dataclass(frozen=True, slots=True)
class Upstream:
    """`[[upstream]]`: further names that a gateway resolves."""

    name: str = option(
        values.domain, "", "the zone, of which all names are resolved", "区名", "example.test."
    )
    servers: tuple[Address, ...] = option(
        values.several(values.primary), (), "who is asked", "服务器", ("192.0.2.1:53",)
    )
    forward: bool = option(
        values.flag, False, "they are resolvers themselves, and not the zone's own", "转发"
    )

    def __post_init__(self) -> None:
        if not self.name or not self.servers:
            raise ValueError("name and servers")
