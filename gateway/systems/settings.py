"""`[systems]`: the process that runs systems."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path

from csid.address import Address
from gateway.configuration import values
from gateway.configuration.gateway_sections import LOOPBACK
from gateway.configuration.options import certificate, option, private_key


@dataclass(frozen=True, slots=True)
class Systems:
    """`[systems]`: a process that runs systems of a node (汇聚、选择 ...), which others call."""

    run: tuple[str, ...] = option(
        values.several(values.text), (), "which systems it runs", "运行的系统", ("selection",)
    )
    data: Path | None = option(
        values.path,
        None,
        "its folder, in which each system has one",
        "系统目录",
        "/var/lib/csid-systems",
    )
    folders: tuple[Path, ...] = option(
        values.several(values.path),
        (),
        "where systems lie besides those of this program",
        "其他系统所在目录",
        ("/etc/csid/systems",),
    )
    listen: Address = option(
        values.listener,
        Address("127.0.0.1", 8090),
        "where to listen over HTTP; without tls-cert on this machine alone",
        "HTTP 监听地址",
    )
    tls_cert: Path | None = certificate()
    tls_key: Path | None = private_key()
    allow: tuple[IPv4Network | IPv6Network, ...] = option(
        values.several(values.network),
        LOOPBACK,
        "networks that are answered; all others are refused",
        "允许访问的网段",
    )
    per_address: int = option(
        values.number(1, 65_536), 64, "HTTP connections of one address", "每个地址的连接数"
    )
