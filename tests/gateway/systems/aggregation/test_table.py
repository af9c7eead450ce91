"""The adapter of files: tables as people keep them, CPURL files, resources of 互通平台."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import msgspec
import openpyxl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.systems.aggregation.adapters.table.adapter import Table
from gateway.systems.aggregation.adapters.table.cpurl import taken
from gateway.systems.aggregation.adapters.table.layout import layout
from gateway.systems.aggregation.readings import Reading, ReadingError, Said
from tests.support.growth import FEW, IN_PROPORTION, MANY, growth
from tests.support.polled import NOW, Polled, source

HEADS = "资源编号,名称,芯片,芯片数量,核数,空闲卡数,空闲核数,健康状况,分组\n"


def read(body: str | bytes, headers: dict[str, str] | None = None, **options: str) -> Reading:
    url = options.pop("url", "stock.csv")
    octets = body.encode() if isinstance(body, str) else body
    polled = Polled(
        Table(), source("table", url, **options), lambda _: Said(200, headers or {}, octets)
    )
    return polled.poll()


# -- tables as people keep them


def test_a_row_is_a_unit() -> None:
    rows = "r1,一号机,昇腾 910B,8,192,5,100,正常,a 区\nr2,二号机,昇腾 910B,8,192,8,192,故障,a 区\n"
    reading = read(HEADS + rows, {"last-modified": "Tue, 17 Nov 2026 08:00:00 GMT"})
    one, two = reading.units
    assert (one.key, one.name, one.chip, one.group) == ("r1", "一号机", "昇腾 910B", "a 区")
    assert one.total == {"chips": 8, "vcpu": 192} and one.free == {"chips": 5, "vcpu": 100}
    assert (two.health, two.why, two.free) == ("failed", "failed", {"chips": 0, "vcpu": 0})
    assert reading.whole and not reading.notes


def test_what_a_file_says_is_as_old_as_the_file() -> None:
    row = HEADS + "r1,a,H100,8,,8,,,\n"
    written = {"last-modified": "Tue, 17 Nov 2026 08:00:00 GMT"}
    assert read(row, written).taken == 1_794_902_400_000
    assert read(row).taken == NOW
    later = read(row, {"last-modified": "Tue, 17 Nov 2037 08:00:00 GMT"})
    assert later.taken == NOW and "a clock is wrong" in later.notes[0]
    assert read(row, {"last-modified": "yesterday"}).taken == NOW
    assert read(row, written | {"content-location": "http://[bad"}).taken == 1_794_902_400_000
    assert read(row, {"content-location": "http://[bad"}, url=NAME).taken == 1_794_902_400_000
    assert read(row, {"last-modified": "Fri, 01 Jan 1960 00:00:00 GMT"}).taken == 0


def test_a_sheet_says_the_same_as_text() -> None:
    book = openpyxl.Workbook()
    book.active.append(["存量资源表"])
    book.active.append(["名称 name", "芯片数量", "空闲卡数", "内存（GiB）", "price"])
    book.active.append(["a", 8, 3, 2048, 12])
    octets = io.BytesIO()
    book.save(octets)
    (unit,) = read(octets.getvalue()).units
    assert unit.total == {"chips": 8, "memory_gib": 2048} and unit.free == {"chips": 3}
    assert unit.labels == {"price": "12"}


def test_rows_that_are_spoilt_are_left_out_and_nothing_counts_as_vanished() -> None:
    rows = (
        "r1,a,H100,8,,9,,,\nr2,a,H100,8,,8,,,\nr2,a,H100,8,,8,,,\nr3,a,H100,many,,,,,\n"
        ",,H100,8,,8,,,\nr4,a,H100,8,,8,,broken,\nr5,a\nr6,a,H100,-8,,8,,,\n"
    )
    reading = read(HEADS + rows)
    assert [unit.key for unit in reading.units] == ["r2"] and not reading.whole
    assert [note.partition(":")[0] for note in reading.notes] == [
        f"row {number}" for number in (2, 4, 5, 6, 7, 8, 9)
    ]
    assert "free_chips=9 of 8" in reading.notes[0]


def test_of_units_that_are_alike_no_more_is_promised_of_one_than_must_be_there() -> None:
    heads = "key,count,vcpu,nodes,free_chips,free_nodes\n"
    units = read(heads + "p,32,,4,10,\n").units
    assert [unit.key for unit in units] == ["p#1", "p#2", "p#3", "p#4"]
    assert [unit.free["chips"] for unit in units] == [3, 3, 2, 2]
    assert {unit.total["chips"] for unit in units} == {8}
    units = read(heads + "p,32,64,4,,1\n").units
    assert [unit.free for unit in units] == [{"chips": 8, "vcpu": 16}] + [
        {"chips": 0, "vcpu": 0}
    ] * 3


def test_what_is_free_is_first_of_those_that_are_free_as_a_whole() -> None:
    """What two columns say both holds: so much is free, and so many units as a whole."""
    heads = "key,count,memory_gib,nodes,free_chips,free_memory_gib,free_nodes\n"
    units = read(heads + "p,32,100,3,12,66.666,2\n").units
    assert [unit.free for unit in units] == [
        {"chips": 6, "memory_gib": 33.333},
        {"chips": 6, "memory_gib": 33.333},
        {"chips": 0, "memory_gib": 0},
    ]
    units = read(heads + "p,32,100,4,11,30,1\n").units
    assert [unit.free["chips"] for unit in units] == [8, 1, 1, 1]
    assert [unit.free["memory_gib"] for unit in units] == [25, 1.667, 1.667, 1.667]
    assert [unit.free["chips"] for unit in read(heads + "p,10,,4,8,,3\n").units] == [3, 3, 2, 0]
    assert not any(unit.free["chips"] for unit in read(heads + "p,32,,4,0,,0\n").units)


NOT_FREE = "so much is not free where"


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("32,4,32,0", f"free_chips=32 of 32: {NOT_FREE} 0 of 4 nodes are free as a whole"),
        ("10,4,10,3", f"free_chips=10 of 10: {NOT_FREE} 3 of 4 nodes are free as a whole"),
        ("32,4,,1.5", "free_nodes=1.5: expected a whole number"),
        ("32,2.5,,1", "nodes=2.5: expected a whole number"),
        ("32,4,,5", "free_nodes=5 of 4"),
    ],
)
def test_a_row_whose_nodes_cannot_be_so_promises_nothing(row: str, message: str) -> None:
    reading = read(f"key,count,nodes,free_chips,free_nodes\np,{row}\n")
    assert not reading.units and not reading.whole and reading.notes == (f"row 2: {message}",)


@given(*[st.integers(0, 40)] * 3, st.integers(1, 9))
def test_no_more_is_promised_than_is_said_nor_than_a_unit_has(
    chips: int, free: int, free_nodes: int, nodes: int
) -> None:
    row = f"p,{chips},{chips * 1.1:g},{nodes},{free},{free * 1.1:g},{free_nodes}\n"
    heads = "key,count,memory_gib,nodes,free_chips,free_memory_gib,free_nodes\n"
    reading = read(heads + row)
    if not reading.units:
        assert not reading.whole
    whole = sum(unit.free["chips"] == unit.total["chips"] > 0 for unit in reading.units)
    assert whole <= free_nodes
    for kind, said in (("chips", free), ("memory_gib", free * 1.1)):
        assert sum(unit.free[kind] for unit in reading.units) <= said + 0.001 * nodes
        assert all(unit.free[kind] <= unit.total[kind] for unit in reading.units)


def test_a_table_that_does_not_say_what_is_free_promises_nothing_unless_told_to() -> None:
    table = "name,count\na,8\n"
    (unit,) = read(table).units
    assert unit.free == {"chips": 0} and unit.why == "the table does not say what is free"
    assert not unit.is_known
    assert read(table, free="all").units[0].free == {"chips": 8}


def test_what_is_suspended_is_not_to_be_had() -> None:
    (unit,) = read("标识,芯片数量,空闲卡数,状态\nX,8,8,暂停\n").units
    assert (unit.key, unit.health, unit.free) == ("X", "maintenance", {"chips": 0})
    (unit,) = read("标识,芯片数量,空闲卡数,状态\nX,8,8,\x1c\n").units  # a blank that is no space
    assert (unit.health, unit.free) == ("maintenance", {"chips": 0})


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("", "the table is empty"),
        ("a,b\n1,2\n", "no row of heads"),
        ("count,vcpu\n1,2\n", "no column says what a row is of"),
        ("name,count,数量\na,1,1\n", "two columns are count"),
        (b"PK\x03\x04rest", "no .xlsx"),
        (b"\xff\xfe\x00", "no row of heads|cannot be read|decod"),
    ],
)
def test_what_is_no_table_is_refused(body: str | bytes, message: str) -> None:
    with pytest.raises(ReadingError, match=message):
        read(body)


def test_a_file_that_is_not_there_and_options_that_are_wrong_are_said() -> None:
    with pytest.raises(ReadingError, match="no such file"):
        Polled(Table(), source("table"), lambda _: Said(404, {}, b"")).poll()
    with pytest.raises(ReadingError, match="option usage=often: expected one of percent, share"):
        read("[]", usage="often")


def test_the_effort_grows_with_the_rows_no_faster() -> None:
    def reading(rows: int) -> Callable[[], None]:
        table = HEADS + "".join(f"r{x},n{x},H100,8,192,{x % 9},96,正常,a\n" for x in range(rows))

        def work() -> None:
            assert len(read(table).units) == rows

        return work

    assert growth(reading(FEW), reading(MANY)) < IN_PROPORTION


# -- CPURL files

NAME = "file:///in/20087-CPURL-DATA-202611171600000001.data"
LAYOUT = "type=3 '-' kind=3 '-' scope=2 C:chips M:memory memory_unit=2"


def group(city: str = "杭州", **more: Any) -> dict[str, Any]:
    usage = [
        {"ip": "10.0.0.1", "cpuUsage": 25, "memUsage": "12.5", "cpu": 64, "memory": 256},
        {"ip": "10.0.0.2", "cpuUsage": 0.333, "memUsage": 0, "cpu": "64", "memory": 256},
        {"ip": "10.0.0.3", "cpuUsage": 1, "memUsage": 2},
    ]
    return {"enterprise": "20087", "city": city, "zone": "z1", "isMonitor": 0, "cpurls": [],
            "usage": usage} | more  # fmt: skip


def cpurl(*groups: Any) -> bytes:
    return msgspec.json.encode(groups)


def test_machines_of_a_file_are_units_and_what_they_do_not_use_is_free() -> None:
    reading = read(cpurl(group(cpurls=["401-x", "402-y"])), url=NAME)
    one, two = reading.units
    assert (one.key, one.group) == ("20087/杭州/z1/10.0.0.1", "20087/杭州/z1")
    assert one.total == {"vcpu": 64, "memory_gib": 256} and one.free == {
        "vcpu": 48,
        "memory_gib": 224,
    }
    assert two.free == {"vcpu": 63.79, "memory_gib": 256}  # 63.78688, halves up
    assert reading.taken == 1_794_902_400_000  # 16:00 in China
    assert reading.whole and reading.notes[0].startswith("2 codes are not read")
    shares = read(cpurl(group(usage=[{"ip": "a", "cpu": 8, "cpuUsage": 0.125}])), usage="share")
    assert shares.units[0].free == {"vcpu": 7}


def test_a_city_that_is_broken_harms_no_other() -> None:
    overused = group("苏州", usage=[{"ip": "a", "cpu": 1, "cpuUsage": 250}])
    broken: list[Any] = [{"city": "合肥"}, overused, "南京", None]
    reading = read(cpurl(*broken, group()))
    assert [unit.labels["city"] for unit in reading.units] == ["杭州", "杭州"]
    assert not reading.whole and len(reading.notes) == 4
    assert "20087/苏州/z1 a: use of vcpu is 250" in reading.notes[1]


def test_what_is_told_for_monitoring_alone_is_not_to_be_had() -> None:
    (unit, *_) = read(cpurl(group(isMonitor=1))).units
    assert not any(unit.free.values()) and unit.why.startswith("isMonitor")


@pytest.mark.parametrize("untold", [{}, {"cpuUsage": "", "memUsage": None}])
def test_a_machine_whose_use_is_not_told_promises_nothing(untold: dict[str, Any]) -> None:
    usage = [{"ip": "a", "cpu": 64, "memory": 256} | untold]
    reading = read(cpurl(group(usage=usage)))
    (unit,) = reading.units
    assert unit.total == {"vcpu": 64, "memory_gib": 256} and not any(unit.free.values())
    assert unit.why == "its use is not told" and not unit.is_known and reading.whole
    assert reading.notes[0] == "of 1 machines the use of vcpu is not told: nothing of it is free"
    assert read(cpurl(group(usage=usage, isMonitor=1))).units[0].why.startswith("isMonitor")


def test_of_a_machine_whose_use_is_told_in_part_the_rest_is_not_free() -> None:
    reading = read(cpurl(group(usage=[{"ip": "a", "cpu": 64, "cpuUsage": 0, "memory": 256}])))
    assert reading.units[0].free == {"vcpu": 64, "memory_gib": 0}
    assert reading.notes == (
        "of 1 machines the use of memory_gib is not told: nothing of it is free",
    )


def test_more_than_there_is_is_not_available() -> None:
    codes = ["401-FIN-K1C8M2TB", "401-FIN-K2C16M1TB", "402-FIN-K1C8M2TB"]
    reading = read(cpurl(group(usage=[], cpurls=codes)), layout=LAYOUT)
    assert [unit.labels["type"] for unit in reading.units] == ["402"] and not reading.whole
    assert reading.notes == ("20087/杭州/z1/401/FIN: free chips=16 of 8",)
    both = read(cpurl(group(usage=[], cpurls=["aT8F9"])), layout="id=1 T:chips F:free_chips")
    assert not both.units and not both.whole


def test_a_scope_that_is_not_known_is_no_capacity() -> None:
    codes = ["401-FIN-K3C8M2TB", "402-FIN-K1C8M2TB", "402-FIN-k2C8M2TB"]
    reading = read(cpurl(group(usage=[], cpurls=codes)), layout=LAYOUT)
    assert [unit.labels["type"] for unit in reading.units] == ["402"] and not reading.whole
    assert [note.partition(": scope=")[2] for note in reading.notes] == [
        "'K3': expected K1 or K2",
        "'k2': expected K1 or K2",
    ]


def test_total_and_available_capacity_stand_in_codes() -> None:
    codes = ["401-FIN-K1C64M2TB", "401-FIN-K2C12M512GB", "402-FSU-K1C8M1PB"]
    reading = read(cpurl(group(usage=[], cpurls=codes)), layout=LAYOUT)
    one, two = reading.units
    assert one.key == "20087/杭州/z1/401/FIN" and one.labels["type"] == "401"
    assert one.total == {"chips": 64, "memory_gib": 2048} and one.free == {
        "chips": 12,
        "memory_gib": 512,
    }
    assert two.total["memory_gib"] == 1024**2 and two.why == "only its total capacity is told"
    assert one.is_known and not two.is_known
    assert two.free == {"chips": 0, "memory_gib": 0}
    assert reading.whole and not reading.notes


def test_codes_that_are_not_laid_out_so_are_told_and_nothing_counts_as_vanished() -> None:
    codes = ["401-FIN-K1C64M2TB", "401-FIN-K1C65M2TB", "401", "401-FIN-K1C64M2XB", ""]
    reading = read(cpurl(group(usage=[], cpurls=codes)), layout=LAYOUT)
    assert not reading.whole
    assert any("2 of 5 codes are not laid out" in note for note in reading.notes)
    assert any("stands there before" in note for note in reading.notes)


@pytest.mark.parametrize(
    "name", ["a-CPURL-DATA-202613261600000001.data", "a.csv", "", NAME + ".tmp"]
)
def test_a_name_that_says_no_time_says_none(name: str) -> None:
    assert taken(name) is None


def test_total_and_free_may_stand_in_one_code() -> None:
    reading = read(cpurl(group(usage=[], cpurls=["aT8F3"])), layout="id=1 T:chips F:free_chips")
    assert (reading.units[0].total, reading.units[0].free) == ({"chips": 8}, {"chips": 3})


# -- layouts of codes

PLATFORM = "1101tc200044013301502601009F1S1024N100P150"
PLATFORM_LAYOUT = "head=27 F:compute S:storage N:network P:p"


def test_the_published_identifier_of_the_platform_is_taken_apart() -> None:
    parts = layout(PLATFORM_LAYOUT).read(PLATFORM)
    assert parts == {
        "head": "1101tc200044013301502601009",
        "compute": "1",
        "storage": "1024",
        "network": "100",
        "p": "150",
    }
    assert layout(PLATFORM_LAYOUT).write(parts) == PLATFORM


_FIXED = st.integers(1, 9).map(
    lambda width: (f"={width}", st.text("ABCxyz012", min_size=width, max_size=width))
)
_NUMBERS = st.sampled_from(["F", "KB", "n"]).map(
    lambda before: (before, st.integers(0, 10**12).map(str))
)


@given(st.lists(st.one_of(_FIXED, _NUMBERS), min_size=1, max_size=8), st.data())
def test_what_a_layout_writes_it_reads(kinds: list[tuple[str, Any]], data: st.DataObject) -> None:
    """A number is followed by what begins with no digit, or it would not be known where it ends."""
    words, parts = [], {}
    for number, (form, values) in enumerate(kinds):
        name = f"p{number}"
        words.append(f"{name}{form}" if form.startswith("=") else f"{form}:{name} '/'")
        parts[name] = data.draw(values)
    laid_out = layout(" ".join(words))
    assert laid_out.read(laid_out.write(parts)) == parts


@pytest.mark.parametrize("line", ["", "a=0", "a=4 a=5", "F:", "F:A", "'", "4", "a=4;b=5"])
def test_what_is_no_layout_is_refused(line: str) -> None:
    with pytest.raises(ReadingError, match="layout"):
        layout(line)


# -- resources of 互通平台


def resource(**more: Any) -> dict[str, Any]:
    return {
        "computing_id": PLATFORM, "power_consumption": 0, "cpu_performance": 2000,
        "cpu_available": 0, "gpu_model": "RTX 3080", "gpu_performance": 18000, "gpu_memory": 16,
        "gpu_available": 3, "network_delay": "5ms", "network_performance": 100,
        "network_isixp": True, "network_ips": "192.168.1.1", "network_available": "",
        "network_ips_available": "192.168.1.1", "network_ports": "80,443", "price": 100,
    } | more  # fmt: skip


def platform(*resources: Any) -> bytes:
    return msgspec.json.encode({"computing_resources": resources})


def test_resources_of_the_platform_are_units() -> None:
    (unit,) = read(platform(resource()), layout=PLATFORM_LAYOUT).units
    assert unit.key == f"{PLATFORM} 192.168.1.1" and unit.name == PLATFORM
    assert (unit.chip, unit.chip_memory_gib, unit.free) == ("RTX 3080", 16, {"chips": 3, "vcpu": 0})
    assert unit.labels["network_delay"] == "5ms" and unit.labels["storage"] == "1024"
