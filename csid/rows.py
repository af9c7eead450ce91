"""Rows of a CSV table: one resource each, its identifier and its record.

The columns are those of `schemas/record.md`. The identifier stands in `identifier`, or is made
from `owner`, `industry`, `location`, `type`, `class` and `serial`. An empty cell declares
nothing. Pure: rows come as lists of text; reading the file, its encoding and its byte order mark
is the caller's (`utf-8-sig` strips the mark; one that is left in the first column head is
stripped here).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date
from functools import lru_cache
from typing import Final, NoReturn

from csid import identifier
from csid.endpoint import CACHE_ENTRIES
from csid.errors import CsidError, IdentifierError, RecordError
from csid.fields import FIELDS, PRECISIONS, check_together
from csid.identifier import Identifier
from csid.record import Record

SEGMENT_COLUMNS: Final = ("owner", "industry", "location", "type", "class", "serial")
ID_COLUMN: Final = "identifier"
RECORD_COLUMNS: Final = (
    *(field.name for field in FIELDS if field.key != "fl"),
    *PRECISIONS.values(),
)
COLUMNS: Final = (ID_COLUMN, *SEGMENT_COLUMNS, *RECORD_COLUMNS)
ALIASES: Final = {
    "标识": "identifier",
    "算力标识": "identifier",
    "所属主体": "owner",
    "行业": "industry",
    "位置": "location",
    "类型": "type",
    "规格": "class",
    "规格类": "class",
    "序号": "serial",
    "序列号": "serial",
    "名称": "name",
    "接入地址": "endpoints",
    "端点": "endpoints",
    "芯片": "chip",
    "芯片型号": "chip",
    "芯片数量": "count",
    "数量": "count",
    "单卡显存": "chip_memory_gib",
    "核数": "vcpu",
    "内存": "memory_gib",
    "带宽": "bandwidth_gbps",
    "网络": "fabric",
    "价格": "price",
    "币种": "currency",
    "计价单位": "price_unit",
    "绿电占比": "green_share",
    "可信等级": "trust",
    "状态": "state",
    "生效日期": "valid_from",
    "失效日期": "valid_until",
    "终止日期": "ended",
    "终止原因": "reason",
    "后继标识": "successor",
}
# Cells of these are different in every row, so remembering them would only cost.
_ALWAYS_NEW: Final = frozenset({"name", "endpoints"})

RowReader = Callable[[Sequence[str]], tuple[Identifier, Record]]
