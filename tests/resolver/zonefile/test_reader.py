"""Master files read into records: directives, defaults, nasty text, and errors that say where."""

from __future__ import annotations

import io
import re
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path

import dns.name
import dns.rdatatype
import dns.tokenizer
import dns.zone
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from csid import names
from csid.errors import ZoneError
from csid.protocol import CNAME, CSID, TXT
from resolver.zonefile import reader
from resolver.zonefile.reader import MAX_INCLUDE_DEPTH, MAX_WARNINGS, Record, read_file, read_text

HEAD = "$ORIGIN ex.\n$TTL 60\n@ SOA ns1 host 1 2 3 4 5\n@ NS ns1\n"


def shown(records: list[Record]) -> list[str]:
    """Records as "owner ttl type data-in-hex" to compare at a glance."""
    kinds = [dns.rdatatype.RdataType.make(record.rrtype).name for record in records]
    return [
        f"{names.to_text(record.owner)} {record.ttl} {kind} {record.rdata.hex()}"
        for record, kind in zip(records, kinds, strict=True)
    ]


def read(text: str) -> list[str]:
    """The records behind the apex of a zone file."""
    return shown(list(read_text(text)))


def body(text: str) -> list[str]:
    return read(HEAD + text)[2:]


def refused(text: str) -> tuple[str, str]:
    with pytest.raises(ZoneError) as caught:
        list(read_text(text, "zone.db"))
    return caught.value.where, caught.value.reason


def test_a_record_keeps_the_case_of_its_owner_and_knows_its_line() -> None:
    assert list(read_text("Ex. 7 IN A 1.2.3.4\n", "zone.db")) == [
        Record(b"\x02Ex\x00", 1, 7, b"\1\2\3\4", "zone.db", 1)
    ]


@pytest.mark.parametrize(
    "line",
    [
        "a 300 IN A 1.2.3.4",
        "a IN 300 A 1.2.3.4",
        "a 5m in a 1.2.3.4",
        "a\t300\tCLASS1\tTYPE1\t\\# 4 01020304 ; comment",
        "a 300 A ( 1.2.3.4 )",
        "a 300 ( ; comment\n IN\n A\n 1.2.3.4 ) ; done",
        "a 300 A \\# 4 0102 0304",
        "\\097 300 A 1.2.3.4",
        "a.ex. 300 A 1.2.3.4   ",
        "$ORIGIN a.EX.\n@ 300 A 1.2.3.4",
        "a 0w0d0h5m0s A 1.2.3.4",
    ],
)
def test_every_way_of_writing_a_record_gives_the_same(line: str) -> None:
    assert [text.lower() for text in body(line)] == ["a.ex. 300 a 01020304"]


@pytest.mark.parametrize(
    ("data", "octets"),
    [
        ('"a;b" ; c', b"\3a;b"),
        (r"a\;b", b"\3a;b"),
        (r"a\"b", b'\3a"b'),
        (r'"a\"b;" "(" ")"', b'\4a"b;\1(\1)'),
        (r"\097\\\032", b"\3a\\ "),
        ('"" ""', b"\0\0"),
        ('"a b"\tc\td', b"\3a b\1c\1d"),
        ('( "one"\n  two ; two\n)', b"\3one\3two"),
        ('"算力" 标识', b"\x06" + "算力".encode() + b"\x06" + "标识".encode()),
        (r"a\ ", b"\2a "),
        ("a\\\\ ", b"\2a\\"),
    ],
)
def test_nasty_text_is_read_as_octets(data: str, octets: bytes) -> None:
    assert body(f"t TXT {data}\n") == [f"t.ex. 60 TXT {octets.hex()}"]


def test_owner_names_may_hold_any_escaped_octet() -> None:
    assert body('a\\.b\\032\\" A 1.2.3.4\n* A 1.2.3.4\n\\@ A 1.2.3.4\nx\\\\. A 1.2.3.4\n') == [
        r"a\.b\032\".ex. 60 A 01020304",
        "*.ex. 60 A 01020304",
        "@.ex. 60 A 01020304",
        r"x\\. 60 A 01020304",
    ]


def test_a_blank_owner_is_the_previous_owner() -> None:
    assert body("a A 1.2.3.4\n  TXT x\n\n; comment\n\t( A\n5.6.7.8 )\n   \n") == [
        "a.ex. 60 A 01020304",
        "a.ex. 60 TXT 0178",
        "a.ex. 60 A 05060708",
    ]


def test_an_soa_may_spread_over_lines_and_starts_the_origin() -> None:
    records = list(
        read_text("ex. 9 SOA ns1 (\n host.ex. 1 ; serial\n 1h\n 2 3\n 4 )\nns1 A 1.2.3.4\n")
    )
    assert records[0].rdata == bytes.fromhex(
        "036e733102657800 04686f737402657800 00000001 00000e10 00000002 00000003 00000004"
    )
    assert names.to_text(records[1].owner) == "ns1.ex."
    assert [record.line for record in records] == [1, 6]


def test_the_private_type_is_read_by_name_and_by_number() -> None:
    records = list(read_text("ex. 9 CSID \\# 3 0aBB0c\nex. 9 TYPE65347 \\# 3 0a ( bb\n0c )\n"))
    assert [(r.rrtype, r.rdata) for r in records] == [(CSID, b"\x0a\xbb\x0c")] * 2


def test_line_ends_of_every_system_and_a_byte_order_mark_are_read(tmp_path: Path) -> None:
    path = tmp_path / "zone"
    path.write_bytes(b"\xef\xbb\xbfex. 9 A 1.2.3.4\r\nex. 9 A ( 5.6.7.8\r\n)\rex. 9 A 9.9.9.9")
    assert [r.line for r in read_file(path)] == [1, 2, 4]


def test_a_given_origin_serves_before_any_directive() -> None:
    record = next(read_text("@ 9 A 1.2.3.4\n", origin=b"\2ex\0"))
    assert record.owner == b"\2ex\0"


# Default TTLs, checked against `named-checkzone -D` of BIND 9.18


@pytest.mark.parametrize(
    ("text", "ttls"),
    [
        ("$ORIGIN ex.\n@ SOA n h 1 2 3 4 77\n@ NS n\nn 300 TXT x\nb TXT x\n", "77 77 300 77"),
        ("$ORIGIN ex.\n@ 5 SOA n h 1 2 3 4 77\n@ NS n\nn 300 TXT x\nb TXT x\n", "5 5 300 300"),
        ("$ORIGIN ex.\n$TTL 1h\n@ SOA n h 1 2 3 4 77\n@ 5 NS n\nn A 1.2.3.4\n", "3600 5 3600"),
        ("$ORIGIN ex.\n@ 5 SOA n h 1 2 3 4 77\n$TTL 9\n@ NS n\n$TTL 8\nn A 1.1.1.1\n", "5 9 8"),
    ],
)
def test_records_without_a_ttl_get_one_as_bind_gives_it(text: str, ttls: str) -> None:
    assert " ".join(str(record.ttl) for record in read_text(text)) == ttls


# Directives over several lines and files


def test_an_included_file_lends_its_ttl_but_not_its_origin_or_owner(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "zone").write_text(
        HEAD + "a A 1.1.1.1\n$INCLUDE sub/part b ; comment\n TXT a\nc A 2.2.2.2\n"
    )
    (tmp_path / "sub" / "part").write_text(' TXT early\n$TTL 9\nx A 3.3.3.3\n$INCLUDE "more"\n')
    (tmp_path / "sub" / "more").write_text("$ORIGIN d.ex.\n@ A 4.4.4.4\n")
    records = list(read_file(tmp_path / "zone"))[2:]
    assert shown(records) == [
        "a.ex. 60 A 01010101",
        "a.ex. 60 TXT 056561726c79",
        "x.b.ex. 9 A 03030303",
        "d.ex. 9 A 04040404",
        "a.ex. 9 TXT 0161",
        "c.ex. 9 A 02020202",
    ]
    assert records[3].where == f"{tmp_path / 'sub' / 'more'}:2"


def test_a_ttl_with_its_highest_bit_set_means_0_and_a_warning(tmp_path: Path) -> None:
    """RFC 2181 section 8; BIND does the same."""
    path = tmp_path / "zone"
    path.write_text(
        "ex. SOA a. b. 1 2 3 4 4294967295\nex. NS x.\na.ex. 2147483648 A 1.1.1.1\n"
        "b.ex. 2147483647 A 1.1.1.1\n$TTL 4294967295\nc.ex. A 1.1.1.1\n"
        "$GENERATE 1-2 g$.ex. 3000000000 A 1.1.1.$\n"
    )
    warnings: list[str] = []
    ttls = [record.ttl for record in read_file(path, None, warnings)]
    assert ttls == [0, 0, 0, 2147483647, 0, 0, 0]
    assert [warning.split(" is above")[0] for warning in warnings] == [
        f"{path}:1: TTL 4294967295",
        f"{path}:3: TTL 2147483648",
        f"{path}:5: TTL 4294967295",
        f"{path}:7: TTL 3000000000",
        f"{path}:7: TTL 3000000000",
    ]


def test_warnings_of_ttls_come_to_an_end(tmp_path: Path) -> None:
    path = tmp_path / "zone"
    path.write_text(HEAD + "a 4294967295 A 1.1.1.1\n" * (MAX_WARNINGS + 9))
    warnings: list[str] = []
    assert len(list(read_file(path, None, warnings))) == MAX_WARNINGS + 11
    assert len(warnings) == MAX_WARNINGS + 1
    assert warnings[-1].endswith("others that do are not told of")


def test_an_owner_may_stand_in_quotes() -> None:
    """As in BIND and NSD."""
    (*_, read) = read_text(HEAD + '"a b" A 1.1.1.1\n')
    assert read.owner == b"\3a b\2ex\0"


def test_an_error_in_an_included_file_names_that_file_and_line(tmp_path: Path) -> None:
    (tmp_path / "zone").write_text(HEAD + "$INCLUDE part\n")
    (tmp_path / "part").write_text("a A 1.2.3.4\nb A 1.2.3\n")
    with pytest.raises(ZoneError) as caught:
        list(read_file(tmp_path / "zone"))
    assert caught.value.where == f"{tmp_path / 'part'}:2"


def test_a_missing_included_file_is_told_where_it_is_asked_for(tmp_path: Path) -> None:
    (tmp_path / "zone").write_text(HEAD + "$INCLUDE none\n")
    with pytest.raises(ZoneError, match=r"zone:5: cannot read .*none: No such file"):
        list(read_file(tmp_path / "zone"))


def test_includes_neither_circle_nor_nest_without_end(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("$INCLUDE b\n$INCLUDE b\n")
    (tmp_path / "b").write_text("$INCLUDE ./a\n$INCLUDE a\n")
    with pytest.raises(ZoneError, match=r"b:1: included more than 16 files deep"):
        list(read_file(tmp_path / "a"))
    for depth in range(MAX_INCLUDE_DEPTH + 1):
        (tmp_path / f"f{depth}").write_text(f"$INCLUDE f{depth + 1}\n")
    with pytest.raises(ZoneError, match=f"f{MAX_INCLUDE_DEPTH - 1}:1: included more than"):
        list(read_file(tmp_path / "f0"))


def test_a_file_that_cannot_be_read_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(ZoneError, match=r"cannot read .*none: No such file or directory"):
        list(read_file(tmp_path / "none"))
    with pytest.raises(ZoneError, match=r"cannot read .*: Is a directory"):
        list(read_file(tmp_path))


# $GENERATE, checked against `named-checkzone -D` of BIND 9.18


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("1-2 h$ 50 IN A 10.0.0.$", ["h1.ex. 50 A 0a000001", "h2.ex. 50 A 0a000002"]),
        ("0-4/4 h$ A 10.0.0.$ ; x", ["h0.ex. 60 A 0a000000", "h4.ex. 60 A 0a000004"]),
        ('1-1 m$ IN MX "10 h$"', ["m1.ex. 60 MX 000a02683102657800"]),
        ("10-10 ${0,3,x} TXT a${10,5,o}", ["00a.ex. 60 TXT 06613030303234"]),
        (r"10-10 \$$ TXT a${-2,0,N}", [r"\$10.ex. 60 TXT 026138"]),
        ("1-1 $$ TXT a$${1}", [r"\$.ex. 60 TXT 0561247b317d"]),
        ("18-18 ${0,8,n}ip6 TXT ${0,3,n}", ["2.1.0.0.ip6.ex. 60 TXT 03322e31"]),
        ('1-1 t$ TXT "a $"', ["t1.ex. 60 TXT 01610131"]),
    ],
)
def test_generate_makes_what_bind_makes(line: str, expected: list[str]) -> None:
    assert body(f"$GENERATE {line}\n") == expected


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("1-65537 h$ A 1.2.3.4", "at most 65536"),
        ("2-1 h$ A 1.2.3.4", "start must not be above stop"),
        ("1-2/0 h$ A 1.2.3.4", "step is at least 1"),
        ("1..2 h$ A 1.2.3.4", "is no range"),
        ("1-2 h${1 A 1.2.3.4", "is no modifier"),
        ("1-2 h${0,128} A 1.2.3.4", "at most 127"),
        ("1-2 h${-5,0,x} A 1.2.3.4", "negative"),
        ("250-260 h$ A 1.2.3.$", "not data of type A"),
        ("1-2 h$ A", "ends before its argument"),
        ("1-2", "ends before its argument"),
    ],
)
def test_generate_refuses(line: str, reason: str) -> None:
    where, said = refused(f"{HEAD}$GENERATE {line}\n")
    assert where == "zone.db:5"
    assert reason in said


# What is refused, and how


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        ("a 60 A 1.2.3.4\n", 1, "'a' is relative, but no origin is known"),
        ("@ 60 SOA a. b. 1 2 3 4 5\n", 1, "'@' is relative"),
        ("$ORIGIN ex\n", 1, "'ex' is relative"),
        ("x. 60 MX 1 a\n", 1, "'a' is relative"),
        ("\nex. A 1.2.3.4\n", 2, "no TTL is known yet"),
        (" 60 A 1.2.3.4\n", 1, "no owner name"),
        (HEAD + "a CH A 1.2.3.4\n", 5, "class CH: only zones of class IN"),
        (HEAD + "a CLASS3 TXT x\n", 5, "class CLASS3"),
        (HEAD + "a IN IN A 1.2.3.4\n", 5, "'IN' is no record type"),
        (HEAD + "a 5 6 A 1.2.3.4\n", 5, "'6' is no record type"),
        (HEAD + "a FOO 1.2.3.4\n", 5, "'FOO' is no record type"),
        (HEAD + "a TYPE65536 \\# 0\n", 5, "is no record type"),
        (HEAD + "a ANY x\n", 5, "only in messages"),
        (HEAD + "a TYPE41 \\# 0\n", 5, "only in messages"),
        (HEAD + "a\n", 5, "ends before its record type"),
        (HEAD + "a IN\n", 5, "ends before its record type"),
        (HEAD + '"" A 1.2.3.4\n', 5, "an empty name"),
        (HEAD + 'a "A" 1.2.3.4\n', 5, "ends before its record type"),
        (
            HEAD + "a A 1.2.3.256\n",
            5,
            "'1.2.3.256' is no address of 4 octets); write an IPv4 address, as 192.0.2.1; "
            "given: a A 1.2.3.256",
        ),
        (HEAD + "a A 1.2.3.4 5\n", 5, "not data of type"),
        (HEAD + "a A\n", 5, "not data of type"),
        (HEAD + "a AAAA 1::2::3\n", 5, "not data of type"),
        (HEAD + "a TXT (\n x\n", 5, "unbalanced parentheses"),
        (HEAD + "a A 1.2.3.4 )\n", 5, "not data of type"),
        (HEAD + 'a TXT "x\n', 5, "newline in quoted string"),
        (HEAD + f"a TXT {'x' * 256}\n", 5, "a text of 256 octets; it has at most 255"),
        (HEAD + "a TXT \\300\n", 5, "not data of type"),
        (HEAD + "a TYPE65400 \\# 3 0102\n", 5, "wrong length"),
        (HEAD + "a A \\# 3 010203\n", 5, "not data of type"),
        (HEAD + "a 4294967296 A 1.2.3.4\n", 5, "more than 32 bits; lower it"),
        (HEAD + f"a {'9' * 30} A 1.2.3.4\n", 5, "more than 32 bits"),
        (HEAD + "a 1h30 A 1.2.3.4\n", 5, "'1h30' is no record type"),
        (HEAD + "$TTL 99999w\n", 5, "more than 32 bits"),
        (HEAD + "$TTL 1h30\n", 5, "is no TTL"),
        (HEAD + "$TTL\n", 5, "give it a TTL"),
        (HEAD + "$TTL 1 2\n", 5, "is too much"),
        (HEAD + "$ORIGIN\n", 5, "give it a name"),
        (HEAD + "$INCLUDE a b c\n", 5, "is too much"),
        (HEAD + "$FOO 1\n", 5, "unknown directive $FOO"),
        (HEAD + "a..b A 1.2.3.4\n", 5, "empty label"),
        (HEAD + f"{'a' * 64} A 1.2.3.4\n", 5, "label of 64 octets"),
        (HEAD + f"{'a.' * 126} A 1.2.3.4\n{'a.' * 125}a A 1.2.3.4\n", 6, "has 256 octets"),
        (HEAD + f"c CNAME {'b' * 64}\n", 5, "label of 64 octets"),
        (HEAD + "算力 A 1.2.3.4\n", 5, "A-label form"),
        (HEAD + "c CNAME 算力\n", 5, "A-label form"),
    ],
)
def test_a_wrong_file_is_refused_with_line_and_reason(text: str, line: int, reason: str) -> None:
    where, said = refused(text)
    assert where == f"zone.db:{line}"
    assert reason in said


def test_octets_that_are_not_utf8_pass_in_comments_only(tmp_path: Path) -> None:
    path = tmp_path / "zone"
    path.write_bytes(b"ex. 9 TXT a ; caf\xe9\n; \xff\nex. 9 TXT caf\xe9\n")
    records = read_file(path)
    assert next(records).rdata == b"\1a"
    with pytest.raises(ZoneError, match=r"zone:3: the line is not UTF-8"):
        next(records)


# dnspython as the oracle, and the two ways through the reader against each other

SPACE = st.sampled_from([" ", "\t", "  ", " \t "])
LABEL = st.text("abcXYZ019-_*", min_size=1, max_size=8) | st.sampled_from(
    [r"a\.b", r"\065", r"\000", r"\032x", r"q\"q", r"s\;s", r"p\(p", r"b\\b", r"d\$", "x" * 63]
)
NAME = st.one_of(
    st.lists(LABEL, min_size=1, max_size=3).map(".".join),
    st.lists(LABEL, min_size=0, max_size=2).map(lambda labels: ".".join([*labels, "ex."])),
    st.sampled_from(["@", "ex.", ".", "other.example."]),
)
QUOTED = st.text(st.sampled_from("ab ;()\\\"'$@.#算é\t"), max_size=12).map(
    lambda text: '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
)
BARE = st.text("abc'$@.#=,/:算", min_size=1, max_size=12) | st.sampled_from(
    [r"\"", r"\;x", r"\255\000", r"a\ b", r"\(", "IN", "300", "A"]
)
HEX = st.binary(max_size=20).map(lambda data: f"\\# {len(data)} {data.hex()}")
DATA = st.one_of(
    st.tuples(st.just("A"), st.integers(0, 2**32 - 1).map(lambda n: str(IPv4Address(n)))),
    st.tuples(
        st.just("AAAA"),
        st.integers(0, 2**128 - 1).map(lambda n: str(IPv6Address(n)))
        | st.sampled_from(["::", "::1", "1::", "::ffff:1.2.3.4", "2001:DB8::a:0:1"]),
    ),
    st.tuples(st.sampled_from(["NS", "PTR", "CNAME", "DNAME", "ns", "TYPE39"]), NAME),
    st.tuples(st.just("MX"), st.tuples(st.integers(0, 65535).map(str), NAME).map(" ".join)),
    st.tuples(st.just("TXT"), st.lists(QUOTED | BARE, min_size=1, max_size=4).map(" ".join)),
    st.tuples(st.sampled_from(["TYPE65347", "TYPE65400", "TYPE16383"]), HEX),
    st.tuples(
        st.sampled_from(["SVCB", "HTTPS"]),
        st.sampled_from(
            ["1 . alpn=h2,h3", "0 a.b", '65535 x port=443 key65000="a b"', "1 @ port=1"]
        ),
    ),
    st.tuples(st.just("SRV"), st.tuples(st.just("1 2 443"), NAME).map(" ".join)),
)
TTL = st.sampled_from(["0", "1", "300", "1h30m", "2W", "2147483647"])


@st.composite
def record_lines(draw: st.DrawFn) -> str:
    """One record in any of the ways people write them; %d keeps its owner apart from others'."""
    rrtype, data = draw(DATA)
    owner = draw(st.sampled_from(["o%d", "O%d.p", r"o%d.\065\.", "o%d.EX."]))
    ttl = [draw(TTL)] if draw(st.booleans()) else []
    fields = draw(st.permutations([*ttl, "IN"])) if draw(st.booleans()) else ttl
    gap = draw(SPACE)
    head = gap.join([owner, *fields, rrtype])
    end = draw(st.sampled_from(["", " ", "; comment", ' ;"(', "\t; \\"]))
    return draw(
        st.sampled_from(
            [f"{head}{gap}{data}{end}", f"{head} ( {data}\n ){end}", f"{head} (;x\n {data} ){end}"]
        )
    )


def zone_text(lines: list[str]) -> str:
    return HEAD + "".join(line.replace("%d", str(at)) + "\n" for at, line in enumerate(lines))


Rows = set[tuple[str, int, int, bytes]]


def rows_of_dnspython(text: str) -> Rows:
    zone = dns.zone.from_text(text, relativize=False, check_origin=False)
    return {
        (name.canonicalize().to_text(), ttl, int(rdata.rdtype), rdata.to_wire() or b"")
        for name, ttl, rdata in zone.iterate_rdatas()
    }


def rows_of_ours(text: str) -> Rows:
    return {
        (dns.name.from_wire(r.owner, 0)[0].canonicalize().to_text(), r.ttl, r.rrtype, r.rdata)
        for r in read_text(text)
    }


@given(st.lists(record_lines(), min_size=1, max_size=8))
def test_any_zone_reads_as_dnspython_reads_it(lines: list[str]) -> None:
    text = zone_text(lines)
    assert rows_of_ours(text) == rows_of_dnspython(text)


def outcome(text: str) -> list[Record] | str:
    try:
        return list(read_text(text))
    except ZoneError as error:
        return str(error)


def outcome_with_care(text: str) -> list[Record] | str:
    """What the reader says if no line counts as plain."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reader, "_PLAIN_LINE", re.compile(r"(?!)"))
        return outcome(text)


WORDS = "IN CH 300 1h A AAAA TXT NS SOA CSID MX TYPE1 TYPE65347 ex. 1.2.3.4 ::1 \\# \\065"
PIECES = st.sampled_from(
    [
        *' \t\n\r\0\x0b\x85\xa0\ud800"();\\$@.,=#é算aB01',
        *WORDS.split(" "),
        *(
            "$TTL ",
            "$ORIGIN ",
            "$GENERATE 1-3 ",
            "\\# 2 0a0b",
            "1 2 3 4 5",
            "\n ",
            " a. ",
            ' "x y" ',
        ),
    ]
)


@given(st.lists(PIECES, max_size=30).map("".join))
@example("a TXT \\")
@example("a NS b;\n")
@example('a TXT "x;y" "z')
def test_any_text_at_all_gives_records_or_a_zone_error_and_the_same_with_care(text: str) -> None:
    assert outcome(HEAD + text) == outcome_with_care(HEAD + text)


@given(st.lists(record_lines(), min_size=1, max_size=4), st.data())
def test_a_damaged_zone_gives_the_same_both_ways(lines: list[str], data: st.DataObject) -> None:
    text = zone_text(lines)
    at = data.draw(st.integers(len(HEAD), len(text)))
    damaged = text[:at] + data.draw(PIECES) + text[at + data.draw(st.integers(0, 3)) :]
    assert outcome(damaged) == outcome_with_care(damaged)


def test_plain_lines_do_take_the_quick_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """The speed rests on it: dnspython's tokenizer is not asked for these."""

    def no_tokenizer(source: object, *_: object, **__: object) -> None:
        raise AssertionError(f"{source!r} went to the tokenizer")

    monkeypatch.setattr(dns.tokenizer, "Tokenizer", no_tokenizer)
    plain = 'a.ex. 9 IN A 1.2.3.4\n TXT "x y" z ; c\n CSID \\# 2 0a0b\n\n; c\nb.ex. 9 CNAME c.ex.\n'
    assert [r.rrtype for r in read_text(plain)] == [1, TXT, CSID, CNAME]


@pytest.mark.parametrize(
    ("template", "owner", "data"),
    [
        ('a$ TXT "\\"x y $\\""', "a1", b"\5x y 1"),
        ('a$ CAA "0 issue \\"x$\\""', "a1", b"\0\5issuex1"),
        ('a$ HTTPS "1 . alpn=\\"h2,h3\\""', "a1", b"\0\1\0\0\1\0\6\2h2\2h3"),
        ('a$ TXT \\"x$\\"', "a1", b'\4"x1"'),
        ('a$ TXT "x\\\\$y"', "a1", b"\4x\\1y"),
    ],
)
def test_quotes_in_a_generate_template_are_as_in_bind(
    template: str, owner: str, data: bytes
) -> None:
    (record,) = [*read_text(f"{HEAD}$GENERATE 1-1 {template}\n")][2:]
    assert names.to_text(record.owner) == f"{owner}.ex."
    assert record.rdata == data


@pytest.mark.parametrize("quoted", ['"1-2" a$ A 1.2.3.4', '1-2 "a$" A 1.2.3.4'])
def test_generate_takes_no_quotes_around_range_and_owner(quoted: str) -> None:
    assert "without quotes" in refused(f"{HEAD}$GENERATE {quoted}\n")[1]


def test_a_blank_owner_behind_generate_is_the_owner_before_it() -> None:
    assert body("z A 1.2.3.4\n$GENERATE 1-1 a$ A 1.2.3.4\n TXT x\n") == [
        "z.ex. 60 A 01020304",
        "a1.ex. 60 A 01020304",
        "z.ex. 60 TXT 0178",
    ]
    assert body("$GENERATE 1-1 a$ A 1.2.3.4\n TXT x\n")[1] == "ex. 60 TXT 0178"


MEBI = 1 << 20


class _Endless(io.TextIOBase):
    """A file that goes on in its last part for ever, and counts what was taken from it."""

    def __init__(self, head: str, part: str) -> None:
        self._head = io.StringIO(head)
        self._part = io.StringIO(part)
        self.taken = 0

    def readline(self, size: int = -1, /) -> str:
        line = self._head.readline(size)
        while len(line) < size and not line.endswith("\n"):
            more = self._part.readline(size - len(line))
            self._part.seek(0 if not more else self._part.tell())
            line += more
        self.taken += len(line)
        return line


@pytest.mark.parametrize(
    ("begin", "part", "reason"),
    [
        ("a TXT ", "x" * MEBI * 2, "a line of more than 1048576 characters"),
        ("; ", "x" * MEBI * 2, "a line of more than 1048576 characters"),
        ("", " " * MEBI * 2, "a line of more than 1048576 characters"),
        ('a TXT "', "x" * MEBI * 2, "a line of more than 1048576 characters"),
        ("a TXT ", "(" * MEBI * 2, "a line of more than 1048576 characters"),
        ("a TXT (\n", "(\n" * 1000, "an entry of more than 1048576 characters"),
        ("a TXT (\n", "x ; y\n" * 1000, "an entry of more than 1048576 characters"),
        ("a TXT (\n", "\n" * 1000, "an entry of more than 1048576 characters"),
    ],
)
def test_an_entry_without_end_is_refused_before_it_is_held(
    begin: str, part: str, reason: str
) -> None:
    file = _Endless(HEAD + begin, part)
    with pytest.raises(ZoneError, match=reason) as caught:
        list(reader.read_source(file, "zone.db"))
    assert caught.value.where == "zone.db:5"
    assert file.taken < 3 * MEBI
    assert len(str(caught.value)) < 500


def test_a_long_line_in_an_included_file_is_refused_there(tmp_path: Path) -> None:
    (tmp_path / "long").write_text("a TXT " + "x" * 2 * MEBI)
    (tmp_path / "zone").write_text(HEAD + "$INCLUDE long\n")
    with pytest.raises(ZoneError, match="a line of more than") as caught:
        list(read_file(tmp_path / "zone"))
    assert caught.value.where == f"{tmp_path / 'long'}:1"


def test_the_longest_record_data_is_read_in_its_widest_form() -> None:
    data = bytes(range(256)) * 256
    text = "\n ".join(f"{octet:02x}" for octet in data[:65_535])
    (record,) = [*read_text(f"{HEAD}a TYPE65280 \\# 65535 ( {text} )\n")][2:]
    assert record.rdata == data[:65_535]


@pytest.mark.parametrize(
    "line",
    [
        f"$GENERATE 1-65536 a TXT {'x' * 4000}",
        f'$GENERATE 1-65536 a TXT "{"${0,127,d}" * 100}"',
        f"$GENERATE 1-65536 {'$' * 2049} TXT x",
    ],
)
def test_generate_makes_no_longer_texts_than_bind(line: str) -> None:
    assert "at most 2048 characters" in refused(f"{HEAD}{line}\n")[1]


@pytest.mark.parametrize("line", [f"{'a.' * 400_000} A 1.2.3.4", f"a {'A' * 500_000} x"])
def test_an_error_about_a_long_text_is_short(line: str) -> None:
    assert len(refused(f"{HEAD}{line}\n")[1]) < 2000
