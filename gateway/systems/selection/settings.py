"""`[selection]`: where supply is learnt from, and what is done with it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from gateway.configuration import values
from gateway.configuration.options import option

RESERVED_SECONDS_MAX: Final = 300


@dataclass(frozen=True, slots=True)
class Selection:
    """`[selection]`: the compute that a demand needs, found and ranked (算力选择系统)."""

    registry: tuple[str, ...] = option(
        values.several(values.text),
        (),
        "URLs of registries whose identifiers are selected from",
        "登记接口",
        ("https://node.example:8443",),
    )
    token: tuple[Path, ...] = option(
        values.several(values.path),
        (),
        "files with tokens for them: one for each, or one for all",
        "登记接口令牌文件",
        ("/etc/csid/registry.token",),
    )
    gateway: tuple[str, ...] = option(
        values.several(values.text),
        (),
        "URLs of gateways whose statuses are followed",
        "算力标识网关",
        ("http://127.0.0.1:8080",),
    )
    ca: Path | None = option(
        values.path,
        None,
        "authorities of their certificates (PEM); otherwise those of the machine",
        "证书的签发机构",
        "/etc/csid/nodes-ca.pem",
    )
    prefix: tuple[str, ...] = option(
        values.several(values.text),
        (),
        "prefixes of identifiers that are selected from; otherwise all",
        "标识前缀",
        ("91330106673959654P",),
    )
    probe: tuple[str, ...] = option(
        values.several(values.text),
        (),
        "FROM TO HOST:PORT: servers to which round trips are measured, from here to there",
        "时延拨测：起点 终点 主机:端口",
        ("330100 310000 gateway.example:53",),
    )
    probe_every: int = option(
        values.number(10, 43_200, "seconds"),
        300,
        "seconds between two measurements of each",
        "拨测间隔（秒）",
    )
    reserve: int = option(
        values.number(0, RESERVED_SECONDS_MAX, "seconds"),
        30,
        "seconds that something may be reserved for; 0: nothing may",
        "最长预留时间（秒）",
    )
    dispatcher: str = option(
        values.text,
        "",
        "URL that demands are handed to, with what was selected",
        "调度接口",
        "https://scheduler.example/demands",
    )
    dispatcher_token: Path | None = option(
        values.path,
        None,
        "file with a token for it",
        "调度接口令牌文件",
        "/etc/csid/dispatcher.token",
    )
