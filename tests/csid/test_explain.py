"""Every part of an identifier has a meaning in Chinese and in English."""

from __future__ import annotations

import pytest
from hypothesis import given

from csid import scheme
from csid.explain import Row, explain
from csid.identifier import Identifier, make, parse
from tests.support.identifiers import PRINTED, identifiers


def meanings(text: str) -> dict[tuple[str, str], Row]:
    return {(row.segment, row.part): row for row in explain(parse(text))}


@given(identifiers())
def test_every_part_of_any_identifier_is_explained_in_order(identifier: Identifier) -> None:
    rows = explain(identifier)
    segments = [segment.name for segment in scheme.load().segments]
    whole = [row for row in rows if not row.part]
    assert [row.segment for row in whole] == segments
    assert "/".join(row.code for row in whole) == str(identifier)
    assert all(row.zh and row.en for row in rows)
    for segment in segments:
        parts = [r.code for r in rows if r.segment == segment and r.part not in ("", "history")]
        written = getattr(identifier, segment)
        if segment == "spec":  # without its literals, the M and the hyphens
            written = written[:3] + written[4:].replace("-", "")
        assert "".join(parts) == written


@pytest.mark.parametrize(
    ("text", "segment", "part", "zh", "en"),
    [
        (PRINTED[0], "owner", "authority", "工商", "industry and commerce"),
        (PRINTED[0], "owner", "class", "企业", "enterprise"),
        (
            PRINTED[0],
            "owner",
            "division",
            "杭州市 西湖区",
            "Xihu District, Hangzhou City, Zhejiang",
        ),
        (PRINTED[0], "industry", "industry", "互联网数据服务", "Internet and related services"),
        (PRINTED[0], "location", "division", "浙江省 杭州市 西湖区", "Hangzhou City, Zhejiang"),
        (PRINTED[0], "type", "class", "智算", "AI computing"),
        (PRINTED[0], "spec", "precision", "半精度 FP16", "FP16"),
        (PRINTED[0], "spec", "performance", "10^6.0 GFLOPS = 1 PFLOPS", "= 1 PFLOPS"),
        (PRINTED[0], "spec", "memory", "128 GiB", "128 GiB"),
        (PRINTED[0], "spec", "family", "华为 昇腾", "Huawei Ascend"),
        (PRINTED[1], "type", "form", "裸金属", "bare metal"),
        (PRINTED[1], "spec", "performance", "≈ 12.6 PFLOPS", "≈ 12.6 PFLOPS"),
        (PRINTED[2], "owner", "authority", "境外或测试主体", "foreign or test party"),
        (PRINTED[2], "industry", "industry", "不限行业", "Not specific"),
        (PRINTED[2], "spec", "performance", "≈ 31.6 vCPU", "≈ 31.6 vCPU"),
        (PRINTED[3], "owner", "class", "村级集体经济组织", "village"),
        (PRINTED[3], "location", "country", "美国", "United States"),
        (PRINTED[3], "spec", "memory", "1 PiB", "1 PiB"),
    ],
)
def test_a_printed_identifier_means_what_it_says(
    text: str, segment: str, part: str, zh: str, en: str
) -> None:
    row = meanings(text)[segment, part]
    assert zh in row.zh
    assert en in row.en


def test_a_retired_location_shows_when_it_ended_and_what_follows() -> None:
    found = make("X00000000000000015", "0000", "330104", "GCV", "G15M05X6", "1")
    row = meanings(str(found))["location", "division"]
    assert "江干区" in row.zh
    assert "2021 年" in row.zh
    assert "继任 330102 上城区" in row.zh
    assert "retired in 2021, successor 330102 Shangcheng District" in row.en


def test_a_reassigned_location_shows_each_earlier_place() -> None:
    found = make("X00000000000000015", "0000", "430304", "GCV", "G15M05X6", "1")
    history = [row for row in explain(found) if row.part == "history"]
    assert ["岳塘区" in history[0].zh, "桥头区" in history[1].zh, len(history)] == [True, True, 2]


def test_an_owner_registered_nationally_or_nowhere_known_is_said_so() -> None:
    from csid.check import gb32100_check

    for division, zh in (("100000", "国家登记机关"), ("999999", "区划代码表中没有")):
        body = f"91{division}ABCDEFGH1"
        found = make(body + gb32100_check(body), "0000", "110000", "GCV", "G15M05X6", "1")
        assert zh in meanings(str(found))["owner", "division"].zh
