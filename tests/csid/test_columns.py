"""Heads of columns, in Chinese and English, as people write them."""

from __future__ import annotations

import pytest

from csid.columns import ALIASES, BY_NAME, COLUMNS, column_named, divisions_on, industries, types
from csid.identifier import make
from csid.vocabulary import FIELDS


@pytest.mark.parametrize("name", COLUMNS)
def test_a_column_is_known_by_its_name_and_by_both_together(name: str) -> None:
    column = BY_NAME[name]
    for head in (name, column.head, str(column), f"{column.head}*", name.upper(), f" {name} "):
        assert column_named(head) == name, head


@pytest.mark.parametrize(
    ("head", "name"),
    [
        ("单卡显存（GiB）", "chip_memory_gib"),
        ("单卡显存 Chip memory, GiB", "chip_memory_gib"),
        ("BF16 算力 (GFLOPS)", "bf16_gflops"),
        ("状态\nstate", "state"),
        ("Trust, 1 to 5", "trust"),
        ("Specification", "class"),
        ("ＳＴＡＴＥ", "state"),
        ("Valid from", "valid_from"),
        ("colour", None),
        ("算力", None),  # of which precision?
        ("", None),
        ("（GiB）", None),
    ],
)
def test_heads_as_people_write_them(head: str, name: str | None) -> None:
    assert column_named(head) == name


def test_no_head_means_two_columns() -> None:
    english = {words.en: name for name, words in FIELDS.items() if name in COLUMNS}
    for heads in (ALIASES, english):
        assert {head: column_named(head) for head in heads} == heads


def test_the_codes_to_choose_from_make_identifiers() -> None:
    owner = "91330106673959654P"
    for location, _ in list(divisions_on(2026))[::300]:
        make(owner, "6450", location, "ACV", "H60M07A1", "1")
    for industry, _ in list(industries())[::100]:
        make(owner, industry, "330106", "ACV", "H60M07A1", "1")
    for kind in types():
        make(owner, "6450", "330106", kind, "H60M07A1", "1")
