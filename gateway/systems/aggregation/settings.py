"""`[aggregation]`: the system that reads compute where it is managed."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from gateway.configuration import values
from gateway.configuration.options import option
from gateway.systems.aggregation.addresses import origin_of
from gateway.systems.aggregation.pace import Limits
from gateway.systems.aggregation.readings import ReadingError

_DAY = 86_400
_REGION: Final = re.compile("[a-z0-9-]{1,40}")
_BELIEVED: Final = re.compile("[a-z0-9-]{1,40}(?: [0-9]{2,6})*")


def _region(value: Any) -> str:
    """What a region is called; the name of its key."""
    if isinstance(value, str) and _REGION.fullmatch(value):
        return value
    raise ValueError("1 to 40 of a-z 0-9 -, such as zhejiang")


def _believed(value: Any) -> str:
    """A region with how codes of its places begin."""
    if isinstance(value, str) and _BELIEVED.fullmatch(value):
        return value
    raise ValueError('a region and how codes of its places begin, such as "zhejiang 33"')


def _upward(value: Any) -> str:
    """An URL, or nothing; what is secret is not sent in the clear."""
    text = values.text(value)
    try:
        if text and origin_of(text).is_open:
            raise ValueError("https, as a key is sent along; http to this machine alone")
    except ReadingError as error:
        raise ValueError("an URL such as https://nation.example:8090, without a user") from error
    return text


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
    region: str = option(
        _region,
        "here",
        "what this region is called: the name of the key that the nation gave it",
        "本区域名称",
        "zhejiang",
    )
    upward: str = option(
        _upward,
        "",
        "URL of the nation's aggregation, which is told the region's picture and tells the "
        "neighbours'; without it there is no exchange",
        "国家节点汇聚系统地址",
        "https://nation.example:8090",
    )
    upward_key: Path | None = option(
        values.path,
        None,
        "file with the key for it, of csid system key add",
        "国家节点访问密钥文件",
        "/etc/csid/nation.key",
    )
    upward_ca: Path | None = option(
        values.path,
        None,
        "authorities of its certificate (PEM); otherwise those of the machine",
        "国家节点证书的签发机构",
        "/etc/csid/nation-ca.pem",
    )
    exchange: int = option(
        values.number(1, 1_800, "s"), 60, "seconds between two exchanges", "交换间隔（秒）"
    )
    regions: tuple[str, ...] = option(
        values.several(_believed),
        (),
        "at the nation: which regions may report, each with how codes of its places begin; "
        "without it, whoever has a key of the role ask, of any place",
        "可上报区域及其位置代码",
        ("zhejiang 33", "jiangsu 32"),
    )

    @property
    def limits(self) -> Limits:
        """What one source may cost."""
        return Limits(
            self.requests, self.answer << 20, 4 * self.answer << 20, poll_seconds=self.poll
        )

    @property
    def believed(self) -> dict[str, tuple[str, ...]] | None:
        """Regions that may report, each with how codes of its places begin, none for any; None:
        whoever has a key may.
        """
        if not self.regions:
            return None
        return {one.split()[0]: tuple(one.split()[1:]) for one in self.regions}
