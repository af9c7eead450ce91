"""Build the code tables from public data: ``python schemas/build_tables.py --data DIR``.

DIR holds divisions.csv, division_changes.csv (GB/T 2260) and industries.csv (GB/T 4754-2017).
Written beside this file, or to --out: divisions.csv, places.csv, industries.csv and countries.csv.
The tables of chip families and owner classes are kept by hand. Needs the packages pypinyin and
pycountry, which nothing needs at run time.
"""

from __future__ import annotations

import argparse
import csv
import gettext
from collections.abc import Iterable, Sequence
from pathlib import Path

import place_rows
import pycountry
from divisions_history import Interval, intervals, read_changes
from romanise import english_name

SCHEMAS = Path(__file__).parent
SOURCES = SCHEMAS / "sources"

# UN/LOCODE writes the mainland as CN, where GB/T 2260 applies. The names of these regions as
# used in China; ISO 3166 has them without the country.
REGION_NAMES = {
    "HK": ("中国香港", "Hong Kong, China"),
    "MO": ("中国澳门", "Macao, China"),
    "TW": ("中国台湾", "Taiwan, China"),
}
# Where ISO 3166 inverts the name and gives no common one.
COMMON_NAMES = {
    "CD": ("刚果民主共和国", "Democratic Republic of the Congo"),
    "FM": ("密克罗尼西亚", "Micronesia"),
    "IR": ("伊朗", "Iran"),
    "KP": ("朝鲜", "North Korea"),
    "KR": ("韩国", "South Korea"),
    "LA": ("老挝", "Laos"),
    "MK": ("北马其顿", "North Macedonia"),
    "PS": ("巴勒斯坦", "Palestine"),
    "RU": ("俄罗斯", "Russia"),
    "SY": ("叙利亚", "Syria"),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of the public data")
    parser.add_argument("--out", type=Path, default=SCHEMAS, help="where to write the tables")
    args = parser.parse_args()
    data: Path = args.data
    divisions = division_rows(data)
    write(
        args.out / "divisions.csv",
        "code,level,name,name_en,parent,valid_from,valid_to,successor,ended_by",
        divisions,
    )
    write(
        args.out / "places.csv",
        "code,latitude,longitude,radius_km,taken_from",
        place_rows.rows(divisions, SOURCES),
    )
    write(args.out / "industries.csv", "code,level,section,name,name_en", industry_rows(data))
    write(args.out / "countries.csv", "code,name,name_en", country_rows())


def read(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def write(path: Path, header: str, rows: Iterable[Sequence[object]]) -> None:
    lines = list(rows)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header.split(","))
        writer.writerows(lines)
    print(f"{path.name}: {len(lines)} rows")


def division_rows(data: Path) -> list[Sequence[object]]:
    current = {row["code"]: row for row in read(data / "divisions.csv")}
    history = intervals(
        read_changes(data, SOURCES / "division_corrections.csv"),
        {code: (int(row["level"]), row["name"]) for code, row in current.items()},
    )
    codes = {interval.code for interval in history}
    print(f"in force: {len(current)}; retired: {len(codes - current.keys())}")
    return [
        (
            interval.code,
            interval.level,
            interval.name,
            english_name(interval.name),
            parent(interval, codes) if interval.end else current[interval.code]["parent"],
            interval.start or "",
            interval.end or "",
            interval.successor,
            interval.ended_by,
        )
        for interval in history
    ]


def parent(interval: Interval, codes: set[str]) -> str:
    """The code above by the digits of GB/T 2260: two for the province, four for the prefecture."""
    province, prefecture = interval.code[:2] + "0000", interval.code[:4] + "00"
    if interval.level == 3 and prefecture in codes:
        return prefecture
    return province if interval.level > 1 else ""


def industry_rows(data: Path) -> Iterable[Sequence[object]]:
    """Sections keep their letter; shorter codes are padded with 0 to four digits.

    A group of a single class has the class's code once padded (061 and 0610): one row, the class.
    """
    english = {row["code"]: row["name_en"] for row in read(SOURCES / "industry_names_en.csv")}
    levels = {0: "section", 2: "division", 3: "group", 4: "class"}
    rows: dict[str, Sequence[object]] = {}
    for row in read(data / "industries.csv"):
        code, section = row["code"], row["section"]
        key = code.ljust(4, "0") if code else section
        name_en = english.get(code or section) or (rows[key][-1] if key in rows else "")
        rows[key] = (key, levels[len(code)], section, row["name"], name_en)
    return [("0000", "none", "", "不限行业", "Not specific to an industry"), *rows.values()]


def country_rows() -> Iterable[Sequence[object]]:
    chinese = gettext.translation("iso3166-1", pycountry.LOCALES_DIR, languages=["zh_CN"])
    for country in sorted(pycountry.countries, key=lambda country: country.alpha_2):
        code = country.alpha_2
        plain = getattr(country, "common_name", country.name)
        names = (chinese.gettext(plain), plain)
        yield (code, *(REGION_NAMES.get(code) or COMMON_NAMES.get(code) or names))


if __name__ == "__main__":
    main()
