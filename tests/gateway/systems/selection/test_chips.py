"""Chips by the names that people use, and no chip for another."""

from __future__ import annotations

import pytest

from gateway.systems.selection.chips import ChipError, fits, wanted


@pytest.mark.parametrize(
    ("name", "text", "family"),
    [
        ("H800", "NVIDIA H800", "N6"),
        ("h800", "H800-80GB", "00"),
        ("昇腾", "", "A1"),
        ("Ascend", "Ascend 310P", "A1"),
        ("华为", "", "A1"),
        ("910B", "Ascend 910B3", "A1"),
        ("Ascend 910B", "昇腾910B", "A1"),
        ("寒武纪", "MLU370-X8", "C1"),
        ("MLU370", "MLU370", "C1"),
        ("英伟达", "", "N0"),
        ("NVIDIA", "Tesla T4", "N3"),
        ("RTX 4090", "GeForce RTX 4090", "N5"),
        ("4090", "RTX 4090", "N5"),
        ("海光", "", "H1"),
        ("npu", "", "C1"),
        ("A1", "", "A1"),
    ],
)
def test_a_name_finds_its_chip(name: str, text: str, family: str) -> None:
    assert fits(wanted([name]), text, family)


@pytest.mark.parametrize(
    ("name", "text", "family"),
    [
        ("H20", "NVIDIA H200", "N6"),
        ("A10", "NVIDIA A10G", "N4"),
        ("A10", "NVIDIA A100", "N4"),
        ("L40", "NVIDIA L40S", "N5"),
        ("910", "Ascend 910B", "A1"),
        ("B200", "NVIDIA GB200", "N7"),
        ("昇腾", "Ascend 910B", "N6"),
        ("T4", "", "N3"),
    ],
)
def test_a_name_finds_no_other_chip(name: str, text: str, family: str) -> None:
    assert not fits(wanted([name]), text, family)


def test_one_of_several_is_enough() -> None:
    both = wanted(["910B", "寒武纪"])
    assert fits(both, "Ascend 910B", "A1") and fits(both, "", "C1") and not fits(both, "", "A1")


def test_a_name_that_only_a_record_has_is_known() -> None:
    assert fits(wanted(["X9000"], ["Some X9000 32G"]), "X9000", "00")


def test_an_unknown_name_is_told_with_what_is_near() -> None:
    with pytest.raises(ChipError, match=r"no chip is called 'H80O'.*H800"):
        wanted(["H80O"])
    with pytest.raises(ChipError, match="no chip"):
        wanted(["!!"])
