"""Build china_regions.csv: real instance types, with identifiers, in their China regions.

Run: python examples/build_table.py --data DIR [--out FILE]

DIR holds instance_types.csv and accelerators.csv; README.md beside this file says where they come
from and what the table does and does not claim. Same input, same bytes out. An accelerated type
whose chip is not in chips.csv stops the build: its figures are looked up, never guessed.
"""

from __future__ import annotations

import argparse
import csv
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from fnmatch import fnmatchcase
from fractions import Fraction
from pathlib import Path

from csid import capability
from csid.check import gb32100_check
from csid.fields import PRECISIONS
from csid.identifier import make
from csid.record_csv import row_reader

HERE = Path(__file__).parent
TABLE_DATE = date(2026, 1, 31)  # the instance types are those of January 2026
INDUSTRY = "6450"  # 互联网数据服务, internet data services

COLUMNS = [
    "identifier",
    "name",
    "state",
    "endpoints",
    "chip",
    "count",
    "chip_memory_gib",
    "vcpu",
    "memory_gib",
    "fp32_gflops",
    "fp16_gflops",
    "int8_gops",
]


@dataclass(frozen=True)
class Zone:
    """An availability zone; `code` begins the serials of its resources."""

    name: str
    division: str  # GB/T 2260
    code: str


# Synthetic owners: X, then 16 characters that name nobody, then the check of GB 32100.
OWNERS = {
    provider: body + gb32100_check(body)
    for provider, body in {"aws": "X0000000000000101", "azure": "X0000000000000102"}.items()
}
ZONES = {
    "aws": (
        Zone("cn-north-1a", "110000", "N1A"),
        Zone("cn-north-1b", "110000", "N1B"),
        Zone("cn-north-1d", "110000", "N1D"),
        Zone("cn-northwest-1a", "640500", "NW1A"),
        Zone("cn-northwest-1b", "640500", "NW1B"),
        Zone("cn-northwest-1c", "640500", "NW1C"),
    ),
    "azure": (
        Zone("chinaeast2", "310000", "E2"),
        Zone("chinaeast3", "310000", "E3"),
        Zone("chinanorth2", "110000", "N2"),
        Zone("chinanorth3-1", "130000", "N31"),
        Zone("chinanorth3-2", "130000", "N32"),
        Zone("chinanorth3-3", "130000", "N33"),
    ),
}
# Types the table cannot state truly, with the reason.
LEFT_OUT = {
    "Standard_B1ls": "the list gives it no memory",
    "dl1.*": "no data sheet gives the performance of the first Gaudi",
    **dict.fromkeys(
        (
            "f[12].*",
            "g6f.*",
            "gr6f.*",
            "inf[12].*",
            "trn1.*",
            "trn1n.*",
            "vt1.*",
            "Standard_ND96is_MI300X_v5",
            "Standard_NG*_V620_v1",
            "Standard_NV*_V710_v5",
        ),
        "the list counts no accelerator, and the type has one",
    ),
}
GENERAL_FAMILIES = {"amd64": ("X6", "x86-64"), "arm64": ("R8", "ARM64")}


@dataclass(frozen=True)
class Chip:
    """A row of chips.csv: what one accelerator of a type brings, the share of it included."""

    types: str  # pattern of instance types, as fnmatch has it
    name: str
    family: str  # code of schemas/chip_families.csv
    memory_gib: Fraction
    precision: str  # letter of the capability class
    gflops: Fraction  # dense, in that precision; GOPS for N


def read_table(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def read_chips(data: Path) -> list[Chip]:
    """chips.csv, its memory sizes checked against accelerators.csv where that has the model."""
    sizes: dict[str, set[str]] = {}
    for row in read_table(data / "accelerators.csv"):
        sizes.setdefault(row["name"], set()).add(row["memory_gib"])
    chips = []
    for row in read_table(HERE / "chips.csv"):
        model, memory, share = row["accelerator"], row["memory_gib"], Fraction(row["share"])
        if model and memory not in sizes.get(model, ()):
            raise SystemExit(
                f"chips.csv, {row['types']}: {model} with {memory} GiB is not in accelerators.csv, "
                f"which has {sorted(sizes.get(model, ()))}"
            )
        chips.append(
            Chip(
                row["types"],
                row["chip"],
                row["family"],
                share * int(memory),
                row["precision"],
                share * int(row["gflops"]),
            )
        )
    return chips


def chip_of(instance_type: str, gpus: int, chips: list[Chip]) -> Chip | None:
    """The accelerator of a type, None if it has none; anything unclear stops the build."""
    found = [chip for chip in chips if fnmatchcase(instance_type, chip.types)]
    if len(found) == min(gpus, 1):
        return found[0] if found else None
    raise SystemExit(
        f"{instance_type} has {gpus} accelerators, and {len(found)} rows of chips.csv match it; "
        "give its chip exactly one row there, or name it in LEFT_OUT with the reason"
    )


def resources(provider: str, types: list[dict[str, str]], chips: list[Chip]) -> Iterator[list[str]]:
    """The rows of one provider: each of its types in each of its zones."""
    for number, row in enumerate(sorted(types, key=lambda row: row["instance_type"]), 1):
        name = row["instance_type"]
        if any(fnmatchcase(name, pattern) for pattern in LEFT_OUT):
            continue
        gpus = int(row["gpu"])
        chip = chip_of(name, gpus, chips)
        kind, class_code, facts = accelerated(chip, gpus) if chip else general(row)
        type_code = f"{kind}C{'B' if 'metal' in name else 'V'}"
        facts["vcpu"], facts["memory_gib"] = row["vcpu"], shown(main_memory(row))
        facts["state"] = "active"
        host = name.lower().replace(".", "-").replace("_", "-")
        for zone in ZONES[provider]:
            serial = f"{zone.code}{number:04}"
            place = OWNERS[provider], INDUSTRY, zone.division
            facts["identifier"] = str(make(*place, type_code, class_code, serial, TABLE_DATE))
            facts["name"] = f"{name} {zone.name}"
            facts["endpoints"] = f"https://{host}.{zone.name}.{provider}.example"
            yield [facts.get(column, "") for column in COLUMNS]


def general(row: dict[str, str]) -> tuple[str, str, dict[str, str]]:
    """Compute class, capability class and facts of a type without accelerator."""
    family, architecture = GENERAL_FAMILIES[row["architecture"]]
    class_code = capability.encode("G", int(row["vcpu"]), float(main_memory(row)), family)
    return "G", class_code, {"chip": architecture}


def accelerated(chip: Chip, count: int) -> tuple[str, str, dict[str, str]]:
    """Compute class, capability class and facts of a type with accelerators."""
    performance, memory = chip.gflops * count, chip.memory_gib * count
    class_code = capability.encode(chip.precision, float(performance), float(memory), chip.family)
    facts = {
        "chip": chip.name,
        "count": str(count),
        "chip_memory_gib": shown(chip.memory_gib),
        PRECISIONS[chip.precision]: str(round(performance)),
    }
    return "A", class_code, facts


def main_memory(row: dict[str, str]) -> Fraction:
    """GiB."""
    return Fraction(int(row["memory_mib"]), 1024)


def shown(number: Fraction) -> str:
    """A number of GiB in digits; sizes are multiples of 1/1024, nine places show them well."""
    return f"{float(number):.9f}".rstrip("0").rstrip(".")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of the public tables")
    parser.add_argument("--out", type=Path, default=HERE / "china_regions.csv")
    options = parser.parse_args()

    chips = read_chips(options.data)
    types = read_table(options.data / "instance_types.csv")
    rows: list[list[str]] = []
    for provider in ZONES:
        rows += resources(provider, [row for row in types if row["provider"] == provider], chips)

    read = row_reader(COLUMNS, TABLE_DATE)
    seen = {str(read(row)[0]) for row in rows}
    if len(seen) != len(rows):
        raise SystemExit(f"{len(rows)} rows have only {len(seen)} identifiers; widen the serials")
    with options.out.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([COLUMNS, *rows])
    print(f"{len(rows)} resources written to {options.out}", file=sys.stderr)


if __name__ == "__main__":
    main()
