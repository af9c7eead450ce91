"""Slurm's generic resources, as they are there and in use."""

from __future__ import annotations

import pytest

from gateway.systems.aggregation.adapters.slurm import gres

NAMES = frozenset(gres.NAMES)


@pytest.mark.parametrize(
    ("said", "found"),
    [
        ("gpu:h100:8(S:0-1),gpu:a100:4", [("gpu", "h100", 8), ("gpu", "a100", 4)]),
        ("gpu:h100:3(IDX:0,2-3),shard:h100:12", [("gpu", "h100", 3)]),
        ("gpu:(null):3(IDX:0-2)", [("gpu", "", 3)]),
        ("gpu:8,npu:4", [("gpu", "", 8), ("npu", "", 4)]),
        ("gpu", [("gpu", "", 1)]),
        ("gpu:3090", [("gpu", "", 3090)]),
        ("gpu:3090:2", [("gpu", "3090", 2)]),
        ("npu:910b:8(S:0-3)", [("npu", "910b", 8)]),
        ("npu:910b", [("npu", "910b", 1)]),
        ("gpu:tesla:no_consume:2", [("gpu", "tesla", 2)]),
        ("gpu:2K", [("gpu", "", 2048)]),
        ("gpu:h100=8", [("gpu", "h100=8", None)]),
        ("gpu:h100:many", [("gpu", "h100", None)]),
        ("gpu:h100:8:8", [("gpu", "h100", None)]),
        ("gpu:9999999999", [("gpu", "9999999999", None)]),
        ("gpu:-1", [("gpu", "-1", None)]),
        ("gpu:h100:8(S:0,gpu:a100:2", [("gpu", "h100", None), ("gpu", "a100", 2)]),
        ("N/A", []),
        (None, []),
    ],
)
def test_generic_resources(said: str | None, found: list[tuple[str, str, int | None]]) -> None:
    assert [one[:3] for one in gres.items(said, NAMES, 1)] == found


def test_in_use_is_what_a_number_is_said_of() -> None:
    assert [one.number for one in gres.items("gpu,gpu:h100,gpu:0", NAMES)] == [None, None, 0]


@pytest.mark.parametrize(
    ("said", "found"),
    [
        ("cpu=16,gres/gpu=6,gres/gpu:h100=6", [("", 0), ("h100", 6)]),
        ("gres/gpu=6,gres/gpu:h100=4", [("", 2), ("h100", 4)]),
        ("gres/gpu:h100=4,gres/gpu=2", [("h100", 4), ("", 0)]),
        ("cpu=16,gres/gpu=6,gres/shard=2", [("", 6)]),
        ("gres/gpu=", [("", None)]),
        ("cpu=16,mem=200G", []),
        (None, []),
    ],
)
def test_trackable_resources(said: str | None, found: list[tuple[str, int | None]]) -> None:
    assert [one[1:3] for one in gres.items_of_tres(said, NAMES)] == found
