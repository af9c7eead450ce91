"""Record data for DNS: what is written is what dnspython reads."""

from __future__ import annotations

from typing import Any

import dns.name
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.rdtypes.ANY.TXT
import dns.rdtypes.svcbbase as svcbbase
import pytest
from hypothesis import given

from csid.errors import RecordError
from csid.fields import FIELDS, PRECISIONS
from csid.record import Record, decode, encode
from csid.record_csv import record_reader
from csid.record_rdata import svcb_rdatas, txt_rdata
from tests.support.records import FULL, facts


def read_svcb(rdata: bytes) -> Any:
    return dns.rdata.from_wire(dns.rdataclass.IN, dns.rdatatype.SVCB, rdata, 0, len(rdata))


def read_txt(rdata: bytes) -> list[str]:
    txt = dns.rdata.from_wire(dns.rdataclass.IN, dns.rdatatype.TXT, rdata, 0, len(rdata))
    assert isinstance(txt, dns.rdtypes.ANY.TXT.TXT)
    return [string.decode() for string in txt.strings]


def svcb_texts(*endpoints: str) -> list[str]:
    record = Record({"state": "active", "endpoints": list(endpoints)})
    return [read_svcb(rdata).to_text() for rdata in svcb_rdatas(record)]


@pytest.mark.parametrize(
    ("endpoint", "text"),
    [
        ("https://a.example:8443/v1", '1 a.example. alpn="http/1.1" port="8443"'),
        ("https://a.example", '1 a.example. alpn="http/1.1" port="443"'),
        ("grpcs://a.example:50051", '1 a.example. alpn="h2" port="50051"'),
        ("grpc://a.example:50051", '1 a.example. port="50051"'),
        ("ssh://login.hpc.example", '1 login.hpc.example. port="22"'),
        ("ssh://login", '1 login. port="22"'),
        (
            "ssh://a.example|192.0.2.1|2001:db8::1|192.0.2.2",
            '1 a.example. port="22" ipv4hint="192.0.2.1,192.0.2.2" ipv6hint="2001:db8::1"',
        ),
        ("http://192.0.2.1:80", '1 . port="80" ipv4hint="192.0.2.1"'),
        ("http://192.0.2.1|192.0.2.1", '1 . port="80" ipv4hint="192.0.2.1"'),
        ("http://[2001:db8::1]:81/", '1 . port="81" ipv6hint="2001:db8::1"'),
    ],
)
def test_an_endpoint_as_svcb(endpoint: str, text: str) -> None:
    assert svcb_texts(endpoint) == [text]


def test_endpoints_keep_their_order_as_priority() -> None:
    texts = svcb_texts("ssh://b.example", "ssh://a.example", "ssh://b.example:23")
    assert texts == ['1 b.example. port="22"', '2 a.example. port="22"', '3 b.example. port="23"']


def test_a_record_without_endpoints_has_no_svcb() -> None:
    assert svcb_rdatas(Record({"state": "reserved"})) == []


@given(facts)
def test_dnspython_reads_every_svcb_and_writes_it_alike(stated: dict[str, Any]) -> None:
    record = Record(stated)
    rdatas = svcb_rdatas(record)
    assert len(rdatas) == len(record.endpoints)
    for priority, (rdata, endpoint) in enumerate(zip(rdatas, record.endpoints, strict=True), 1):
        read = read_svcb(rdata)
        assert read.to_wire() == rdata
        assert read.priority == priority
        assert read.params[svcbbase.ParamKey.PORT].port == endpoint.port
        target = "." if endpoint.is_address else f"{endpoint.host}."
        assert read.target == dns.name.from_text(target)
        hints = {
            address
            for key in (svcbbase.ParamKey.IPV4HINT, svcbbase.ParamKey.IPV6HINT)
            if key in read.params
            for address in read.params[key].addresses
        }
        own = {endpoint.host} if endpoint.is_address else set()
        assert hints == set(endpoint.addresses) | own


def test_a_full_record_as_txt() -> None:
    assert read_txt(txt_rdata(Record(FULL))) == [
        "v=csid1",
        "bandwidth_gbps=400",
        "chip=昇腾 910B",
        "chip_memory_gib=64",
        "count=8",
        "currency=CNY",
        "ended=2026-03-31",
        "endpoint=https://a.example:8443/v1",
        "endpoint=grpcs://b.example:443",
        "fabric=RoCE v2",
        "bf16_gflops=2560000",
        "fp16_gflops=2560000.5",
        "green_share=0.75",
        "memory_gib=1536",
        "name=杭州一号池",
        "price=12.50",
        "price_unit=hour",
        "reason=replaced",
        "state=retired",
        "successor=X00000000000000015/0000/640502/GCV/G15M05X6-7-K0",
        "trust=3",
        "vcpu=192",
        "valid_from=2026-01-01",
        "valid_until=2027-12-31",
    ]


@given(facts)
def test_dnspython_reads_every_txt_and_each_fact_is_in_it(stated: dict[str, Any]) -> None:
    record = Record(stated)
    version, *strings = read_txt(txt_rdata(record))
    assert version == "v=csid1"
    names = [string.partition("=")[0] for string in strings]
    assert names.count("endpoint") == len(record.endpoints)
    expected = {field.name for field in FIELDS if field.key in record.values}
    expected -= {"endpoints", "gflops"}
    assert set(names) - {"endpoint", *PRECISIONS.values()} == expected
    assert sum(name in PRECISIONS.values() for name in names) == len(record.gflops)


@given(facts)
def test_the_strings_are_cells_that_read_back(stated: dict[str, Any]) -> None:
    record = Record({name: value for name, value in stated.items() if name != "extra"})
    cells: dict[str, list[str]] = {}
    for string in read_txt(txt_rdata(record))[1:]:
        name, _, value = string.partition("=")
        cells.setdefault("endpoints" if name == "endpoint" else name, []).append(value)
    if any(endpoint.addresses for endpoint in record.endpoints):
        cells["endpoints"] = [str(endpoint) for endpoint in record.endpoints]
    read = record_reader(list(cells))
    assert read([" ".join(values) for values in cells.values()]) == record


@given(facts)
def test_the_longest_texts_fit_a_string(stated: dict[str, Any]) -> None:
    widest = {"name": "\U0002a6a5" * 60, "chip": "\U0002a6a5" * 60, "fabric": "\U0002a6a5" * 60}
    longest = ["ssh://a.example/" + "a" * 224]
    strings = read_txt(txt_rdata(Record({**stated, **widest, "endpoints": longest})))
    assert max(len(string.encode()) for string in strings) <= 255


def test_the_csid_record_data_is_the_canonical_map() -> None:
    record = Record(FULL)
    assert decode(encode(record)) == record
    uris = [f"https://{n}.example/{'a' * 200}" for n in range(5)]
    with pytest.raises(RecordError):
        encode(Record({"state": "active", "endpoints": uris}))
