"""How a text file of cells is written, found out from its octets."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.sheets.written import GB18030, UTF_16, Written, written
from registry.bulk.csv_stream import ENCODING

HEAD = "identifier,state,name\n"
CHINESE = f"{HEAD}a,active,杭州一号池\nb,active,茅台\n"


def found(octets: bytes, encoding: str | None = None) -> Written:
    file = io.BytesIO(octets)
    told = written(file, encoding)
    assert file.tell() == 0
    return told


@pytest.mark.parametrize(
    ("octets", "encoding"),
    [
        (b"", ENCODING),
        (HEAD.encode(), ENCODING),
        (CHINESE.encode(), ENCODING),
        (CHINESE.encode("utf-8-sig"), ENCODING),
        (CHINESE.encode("utf-16"), UTF_16),
        (b"\xfe\xff" + CHINESE.encode("utf-16-be"), UTF_16),
        (CHINESE.encode("gb18030"), GB18030),
        (f"{HEAD}x,有效,𠮷\n".encode("gb18030"), GB18030),
        ("标识,状态\nx,有效\n".encode("gbk"), GB18030),
        # Chinese in the last line of a long table only
        (HEAD.encode() + b"x,active,y\n" * 200_000 + "z,active,池\n".encode("gb18030"), GB18030),
        # one wrong octet among lines that are UTF-8, or none of either
        (CHINESE.encode() + b"c,active,\xd6\xd0\n", ENCODING),
        (HEAD.encode() + b"x,active,\xff\xfe\n", ENCODING),
        (HEAD.encode() + b"x,active,caf\xe9,\n", ENCODING),
        (CHINESE.encode("gb18030") + b"x,active,\xff\xff\n", ENCODING),
        (b"\xd6" * 1_000_000, GB18030),
    ],
)
def test_the_encoding_is_found_out(octets: bytes, encoding: str) -> None:
    assert found(octets).encoding == encoding


@given(st.text(st.characters(min_codepoint=0x4E00, max_codepoint=0x9FA5), min_size=1, max_size=40))
def test_chinese_is_read_in_either_encoding(text: str) -> None:
    table = f"标识,状态,名称\nx,有效,{text}\ny,有效,{text[::-1]}\n"
    for encoding in (ENCODING, GB18030, UTF_16):
        octets = table.encode(encoding)
        assert octets.decode(found(octets).encoding) == table


@pytest.mark.parametrize(
    ("octets", "delimiter", "is_direct"),
    [
        (b"identifier,state\n", ",", True),
        ("标识,状态\n".encode(), ",", True),
        ("标识,状态\n".encode("gb18030"), ",", True),
        ("标识\t状态\n".encode("utf-16"), "\t", False),
        (b"identifier;state;name\n", ";", False),
        (b"owner,industry,location,type,class,serial,state\n", ",", False),
        (b"identifier,state,colour\n", ",", False),
        (b"identifier,state,\n", ",", False),
        ("登记表,,\n标识,状态,名称\n".encode(), ",", False),
        (b"sep=;\nidentifier;state\n", ";", False),
        (b"a,b\n", ",", True),  # whoever reads it says what is wrong
        (b"", ",", True),
        (b'"identifier', ",", True),
    ],
)
def test_what_stands_between_cells_is_found_out(
    octets: bytes, delimiter: str, is_direct: bool
) -> None:
    assert found(octets)[1:] == (delimiter, is_direct)


def test_an_encoding_that_is_given_is_believed() -> None:
    assert found(CHINESE.encode(), "gbk").encoding == "gbk"
    assert found(CHINESE.encode(), "no-such") == ("no-such", ",", True)
