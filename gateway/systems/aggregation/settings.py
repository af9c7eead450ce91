"""`[aggregation]`: the system that reads compute where it is managed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from gateway.configuration import values
from gateway.configuration.options import option
from gateway.systems.aggregation.pace import Limits

_DAY = 86_400


@dataclass(frozen=True, slots=True)
class Aggregation:
    """`[aggregation]`: compute of providers, read where it is managed, registered and told of."""

    registry: str = option(
        values.text,
        "",
        "URL of the interface where identifiers are registered; without it none are",
        "登记所用的接口",
        "https://node.example:8443",
    )
    registry_token: Path | None = option(
        values.path,
        None,
        "file with a token for it",
        "登记接口令牌文件",
        "/etc/csid/registry.token",
    )
    registry_ca: Path | None = option(
        values.path,
        None,
        "authorities of its certificate (PEM); otherwise those of the machine",
        "登记接口证书的签发机构",
        "/etc/csid/node-ca.pem",
    )
    gateway: str = option(
        values.text,
        "",
        "URL of the gateway that takes statuses; without it none are told",
        "上报网关地址",
        "http://127.0.0.1:8080",
    )
    gateway_ca: Path | None = option(
        values.path,
        None,
        "authorities of its certificate (PEM); otherwise those of the machine",
        "上报网关证书的签发机构",
        "/etc/csid/gateway-ca.pem",
    )
    grace: int = option(
        values.number(0, 30 * _DAY, "s"),
        _DAY,
        "seconds that a unit may be missing before it is forgotten, and a pool without units is "
        "suspended",
        "消失宽限期（秒）",
    )
    requests: int = option(
        values.number(1, 60_000), 120, "requests a minute to one source", "每个来源每分钟请求数"
    )
    answer: int = option(
        values.number(1, 1_024, "MiB"), 64, "MiB of one answer of a source", "单次应答上限（MiB）"
    )

    poll: int = option(
        values.number(1, 3_600, "s"), 180, "seconds that one poll may take", "单次采集时限（秒）"
    )

    @property
    def limits(self) -> Limits:
        """What one source may cost."""
        return Limits(
            self.requests, self.answer << 20, 4 * self.answer << 20, poll_seconds=self.poll
        )
