"""What a record says, in rows for people: a label in both languages, and the value."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from rich.cells import cell_len
from rich.text import Text

from csid.fields import BY_KEY, PRECISIONS, show_number
from csid.record import Record
from gateway.cli import output

LABELS: Final = {
    "name": "名称 Name",
    "endpoints": "接入地址 Endpoint",
    "chip": "芯片 Chip",
    "count": "芯片数量 Chips",
    "chip_memory_gib": "单卡显存 Chip memory, GiB",
    "vcpu": "核数 vCPU",
    "memory_gib": "内存 Memory, GiB",
    "bf16_gflops": "算力 BF16, GFLOPS",
    "fp64_gflops": "算力 FP64, GFLOPS",
    "fp8_gflops": "算力 FP8, GFLOPS",
    "fp16_gflops": "算力 FP16, GFLOPS",
    "int8_gops": "算力 INT8, GOPS",
    "fp32_gflops": "算力 FP32, GFLOPS",
    "bandwidth_gbps": "带宽 Bandwidth, Gbit/s",
    "fabric": "网络 Fabric",
    "price": "价格 Price",
    "green_share": "绿电占比 Green share",
    "trust": "可信等级 Trust, 1 to 5",
    "state": "状态 State",
    "valid_from": "生效日期 Valid from",
    "valid_until": "失效日期 Valid until",
    "ended": "终止日期 Ended",
    "reason": "终止原因 Reason",
    "successor": "后继标识 Successor",
}
STATES: Final = {
    "reserved": "预留",
    "filing": "备案中",
    "active": "在用",
    "suspended": "暂停",
    "retired": "终止",
}


def rows(record: Record) -> Iterator[tuple[str, str]]:
    """(label, value) of every fact declared, in the order of LABELS; unknown keys come last."""
    shown = {
        field.name: field.form.show(record.values[key])
        for key, field in BY_KEY.items()
        if key in record.values and key != "fl"
    }
    for letter, number in record.gflops.items():
        shown[PRECISIONS[letter]] = show_number(number)
    shown["state"] = f"{STATES[record.state]} {record.state}"
    if record.price is not None:
        shown["price"] = f"{record.price} {record.currency} / {record.price_unit}"
    for name, label in LABELS.items():
        if name == "endpoints":
            for endpoint in record.endpoints:
                yield label, "  ".join((endpoint.uri, *endpoint.addresses))
        elif name in shown:
            yield label, shown[name]
    for key, value in record.extra.items():
        yield key, str(value)


def print_rows(rows: Sequence[tuple[str, str]]) -> None:
    """Print labels and values in two columns; no value is folded, so that it can be copied."""
    width = max(cell_len(label) for label, _ in rows)
    for label, value in rows:
        padding = " " * (width - cell_len(label) + 2)
        output.out.print(Text.assemble((label, "cyan"), padding, value))
