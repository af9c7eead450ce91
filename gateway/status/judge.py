"""What is not well with a node, in words: nothing is said of what needs nobody's attention."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from csid.vocabulary import Words

MAP_USED_MOST: Final = 0.9  # of the map
FREE_LEAST: Final = 1 << 28  # octets of the disk
READER_BEHIND_MOST: Final = 100_000  # commits
FAULTS_TOLD: Final = 3


def problems(status: Mapping[str, Any]) -> list[dict[str, str]]:
    """What is not well, the gravest first; each as `zh` and `en`."""
    return [{"zh": one.zh, "en": one.en} for one in (*_of_server(status), *_of_data(status))]


def _of_server(status: Mapping[str, Any]) -> Iterator[Words]:
    server = status["server"]
    if server is None:
        yield Words("没有运行中的服务", "no server runs here: csid serve")
        return
    if server["directory_gone"]:
        yield Words("数据目录已不存在", "the data directory is gone; what is open is served on")
    for one in server["processes"]:
        if not one["ready"]:
            yield Words(f"进程未就绪：{one['name']}", f"{one['name']} is not running")


def _of_data(status: Mapping[str, Any]) -> Iterator[Words]:
    store, log, registry = status["store"], status["log"], status["registry"]
    for fault in registry["faults"][:FAULTS_TOLD]:
        yield Words(f"登记与解析不一致：{fault}", f"{fault}; csid audit verify says more")
    if log["fault"]:
        yield Words(f"检查点不成立：{log['fault']}", log["fault"])
    if store["octets"] > MAP_USED_MOST * store["map_octets"]:
        share = store["octets"] / store["map_octets"]
        yield Words(f"数据库映射已用 {share:.0%}", f"{share:.0%} of the map is used")
    if store["free_octets"] < FREE_LEAST:
        free = store["free_octets"] >> 20
        yield Words(f"磁盘只剩 {free:,} MiB", f"{free:,} MiB are left on the disk")
    if store["stale_readers"]:
        count = store["stale_readers"]
        yield Words(f"{count} 个失效的读者", f"{count} reader slots belong to processes that died")
    if store["oldest_reader_behind"] > READER_BEHIND_MOST:
        behind = store["oldest_reader_behind"]
        yield Words(
            f"最旧的读者落后 {behind:,} 次提交",
            f"a reader is {behind:,} commits behind; the file grows until it ends",
        )
    for zone in status["zones"]["first"]:
        if zone["state"] == "expired":
            yield Words(f"区已过期：{zone['origin']}", f"zone {zone['origin']} is expired")
    for zone in status["sync"]["unwell"][:FAULTS_TOLD]:
        said = f"{zone['state']}: {zone['error']}" if zone["error"] else zone["state"]
        yield Words(f"区同步异常：{zone['origin']} {said}", f"zone {zone['origin']} is {said}")
    if status["filing"] is not None and status["filing"]["refused"]:
        count = status["filing"]["refused"]
        yield Words(
            f"备案未通过：{count:,} 个标识",
            f"{count:,} identifiers were refused: csid filing status",
        )
