"""Prices are compared per card, or per virtual processor, and hour: exactly, or not at all."""

from __future__ import annotations

import pytest

from gateway.systems.selection.prices import Cost, PriceError, Size, cost, limit

POOL = Size(cards=64, per_node=8, nodes=8, vcpu=1_024)
GENERAL = Size(cards=None, per_node=None, nodes=4, vcpu=128)


@pytest.mark.parametrize(
    ("price", "unit", "size", "wanted"),
    [
        ("12.50", "card-hour", POOL, ("card", 12.5)),
        ("640", "hour", POOL, ("card", 10.0)),
        ("80", "node-hour", POOL, ("card", 10.0)),
        ("467200", "month", POOL, ("card", 10.0)),
        ("240", "gpu-day", POOL, ("card", 10.0)),
        ("0.1", "gpu_second", POOL, ("card", 360.0)),
        ("0.1", "vcpu-hour", POOL, None),
        ("12.8", "hour", GENERAL, ("vcpu", 0.1)),
        ("3.2", "server-hour", GENERAL, ("vcpu", 0.1)),
        ("0.1", "core-hour", GENERAL, ("vcpu", 0.1)),
        ("1", "card-hour", GENERAL, None),
        ("1", "request", POOL, None),
        ("1", "gib-month", POOL, None),
        ("5", "node-hour", Size(64, None, None, None), None),
        ("5", "hour", Size(None, None, None, None), None),
        ("1", "hour", Size(3, 3, 1, None), ("card", 1 / 3)),
    ],
)
def test_a_price_is_what_its_unit_says(
    price: str, unit: str, size: Size, wanted: tuple[str, float] | None
) -> None:
    assert cost(price, "CNY", unit, size) == (None if wanted is None else Cost("CNY", *wanted))


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("12/卡时", Cost("CNY", "card", 12.0)),
        ("12 元/卡时", Cost("CNY", "card", 12.0)),
        ("12 CNY/card-hour", Cost("CNY", "card", 12.0)),
        ("usd 2.5 / gpu-hour", Cost("USD", "card", 2.5)),
        ("$2/gpu hour", Cost("USD", "card", 2.0)),
        ("240/卡天", Cost("CNY", "card", 10.0)),
        ("0.3/核时", Cost("CNY", "vcpu", 0.3)),
        ("0.3/vcpu-hour", Cost("CNY", "vcpu", 0.3)),
    ],
)
def test_limits_are_read_as_people_write_them(text: str, wanted: Cost) -> None:
    assert limit(text) == wanted


@pytest.mark.parametrize(
    "text", ["12", "12/小时", "12/node-hour", "x/卡时", "12/卡", "-1/卡时", "¥12 CNY/卡时"]
)
def test_what_cannot_be_compared_is_no_limit(text: str) -> None:
    with pytest.raises(PriceError, match="卡时"):
        limit(text)
