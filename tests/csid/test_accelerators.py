"""Which model of accelerator a text of a source names."""

from __future__ import annotations

import pytest

from csid import codes
from csid.accelerators import TOLD_IN, find, memory_of
from csid.fields import PRECISIONS


@pytest.mark.parametrize(
    ("text", "memory", "model", "family"),
    [
        ("NVIDIA H100 80GB HBM3", 79.6, "H100", "N6"),
        ("h100", 0, "H100", "N6"),
        ("nvidia-h100-pcie", 80, "H100 PCIe", "N6"),
        ("NVIDIA H100 NVL", 94, "H100 NVL", "N6"),
        ("H100NVL", 0, "H100 NVL", "N6"),
        ("NVIDIA A100-SXM4-40GB", 39.4, "A100", "N4"),
        ("NVIDIA A10G", 24, "A10G", "N4"),
        ("Tesla V100-SXM2-32GB", 32, "V100", "N2"),
        ("Tesla T4", 15, "T4", "N3"),
        ("Ascend910B", 64, "Ascend 910B", "A1"),
        ("huawei.com/Ascend910", 32, "Ascend 910", "A1"),
        ("910B", 64, "Ascend 910B", "A1"),
        ("AMD Instinct MI300X OAM", 192, "MI300X", "D4"),
        ("NVIDIA GeForce RTX 4090", 24, "RTX 4090", "N5"),
        ("rtx_4090", 24, "RTX 4090", "N5"),
        ("MLU370-X8", 48, "MLU370", "C1"),
        ("tpu-v5e", 16, "TPU v5e", "T1"),
        ("Hygon Z100", 0, "Z100", "H1"),
    ],
)
def test_a_model_however_it_is_written(text: str, memory: float, model: str, family: str) -> None:
    found = find(text, memory)
    assert found is not None and (found.model, found.family) == (model, family)


@pytest.mark.parametrize("text", ["", "gpu", "A1000000", "XH100", "node-4", "v4", "tesla"])
def test_what_names_none(text: str) -> None:
    assert find(text) is None


def test_memory_tells_apart_what_has_one_name() -> None:
    small, large = find("A100", 39.6), find("A100", 80)
    assert small is not None and large is not None
    assert (small.memory_gib, large.memory_gib) == (40, 80)
    assert memory_of(small, 39.6) == 40
    assert memory_of(small, 20) == 20  # half of one: a slice
    assert memory_of(small, 0) == 40
    assert memory_of(None, 63.7) == 64


def test_the_table_is_whole() -> None:
    head, *lines = codes.read("accelerators.csv").decode().splitlines()
    assert set(head.split(",")[3:-1]) == set(PRECISIONS.values())
    assert set(TOLD_IN) == set(PRECISIONS)
    for line in lines:
        family, model, memory, *figures, _source = line.split(",")
        assert family in codes.chip_families(), line
        found = find(model, float(memory))
        assert found is not None and (found.model, found.family) == (model, family), line
        assert len(figures) == len(PRECISIONS)
