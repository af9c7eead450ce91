"""The syntax of a master file around its records: what BIND loads is the same zone here."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from resolver.zonefile.canonical import folded
from resolver.zonefile.check import read_zone
from tests.support.zone_checkers import bind_compiled, raw_records

HEAD = "$ORIGIN ex.\n$TTL 60\n@ SOA ns1 host 1 2 3 4 5\n@ NS ns.x.\n"
PART = " AAAA ::3\n$TTL 99\nq A 3.3.3.4\n$ORIGIN other.ex.\n@ A 3.3.3.5\n"
FILES = {
    "escapes in owners": HEAD + "\\097\\.b A 1.2.3.4\n\\@ A 1.2.3.4\na\\032b A 1.2.3.4\n",
    "owner in quotes": HEAD + '"a b" A 1.2.3.4\n',
    "owners like fields": HEAD + "IN A 1.2.3.4\nA A 1.2.3.4\n60 60 IN A 1.2.3.5\nNS IN NS ns.x.\n",
    "relative $ORIGIN": HEAD
    + "a A 1.2.3.4\n$ORIGIN sub ; c\n A 1.2.3.5\n@ A 1.2.3.6\nb A 1.2.3.7\n",
    "$origin of the root": HEAD + "$origin .\na.ex A 1.2.3.4\n",
    "units": HEAD + "$TTL 1h30m\na A 1.2.3.4\nb 1w2d3h4m5s A 1.2.3.4\nc 1D IN A 1.2.3.4\n",
    "highest bit": HEAD + "a 2147483648 A 1.2.3.4\n$TTL 4294967295\nb A 1.2.3.4\n",
    "TTL and class": HEAD
    + "a in 6 a 1.2.3.4\nb 6 IN A 1.2.3.4\nc CLASS01 A 1.2.3.4\nd 6 A 1.2.3.4\n",
    "last TTL": "$ORIGIN ex.\n@ 7 SOA a b 1 2 3 4 5\n@ NS ns.x.\na 8 A 1.2.3.4\nb A 1.2.3.4\n",
    "minimum as TTL": "$ORIGIN ex.\n@ SOA a b 1 1h 1D 1w2d 5\n@ NS ns.x.\na A 1.2.3.4\n",
    "SOA last": "$ORIGIN ex.\n$TTL 60\n@ NS ns.x.\na A 1.2.3.4\n@ SOA ns1 host 1 2 3 4 5\n",
    "CRLF": (HEAD + 'b TXT ( "x"\n y )\n').replace("\n", "\r\n"),
    "tabs": HEAD.replace(" ", "\t") + "a\t\tA\t1.2.3.4\t\n\tAAAA ::1\n",
    "no last newline": HEAD + "a A 1.2.3.4 ; c",
    "zero in a text": HEAD + 'a TXT "x\0y"\n',
    "odd spaces in a text": HEAD + 'a TXT "x\u2028y\x85"\n',
    "parentheses": HEAD
    + "(a A 1.2.3.4)\nb ( \n IN\n A\n 1.2.3.4 )\n ( A\n 1.2.3.5 )\nc TXT (x)(y)\n",
    "comments inside": HEAD + 'a TXT ( x ; ( ) " c\n y )\nb A 1.2.3.4;x\n A 1.2.3.5\n',
    "blank lines": HEAD + "a A 1.2.3.4\n   \t\n   ; c\n\n A 1.2.3.5\n",
    "included": HEAD + "a A 1.2.3.4\n$INCLUDE part\n TXT behind\nz A 1.1.1.1\n",
    "included elsewhere": HEAD + 'a A 1.2.3.4\n$INCLUDE "part" sub ; c\n TXT behind\nz A 1.1.1.1\n',
    "generated": HEAD + "$GENERATE 1-10/3 g${0,3,x} CNAME h${-1}\n A 9.9.9.9\n",
    "generated text": HEAD
    + '$GENERATE 1-2 g$ 6 IN TXT "a $ \\"b\\""\n$GENERATE 1-2 m$ MX "$ h$"\n',
    "merged": HEAD + "@ SOA NS1 host 1 2 3 4 5\na A 1.2.3.4\nA A 1.2.3.4\na A 1.2.3.5\n",
    "beside an alias": HEAD + "a CNAME b\na NSEC b CNAME\na KEY 256 3 8 AAAA\n",
    "below others": HEAD + "d DNAME b.x.\nc.d A 1.2.3.4\ne NS ns.e\nns.e A 1.2.3.4\ne MX 1 x\n",
    "wildcards": HEAD + "* A 1.2.3.4\n*.a DNAME x.\na.*.b A 1.2.3.4\n",
    "longest name": HEAD + ".".join(["a" * 63] * 3 + ["a" * 57]) + " A 1.2.3.4\n",
}


@pytest.mark.skipif(shutil.which("named-compilezone") is None, reason="needs BIND")
@pytest.mark.parametrize("text", FILES.values(), ids=FILES)
def test_a_file_is_the_zone_that_bind_makes_of_it(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # to which BIND's $INCLUDE is relative
    Path("part").write_text(PART, encoding="utf-8")
    raw, said = bind_compiled(text, tmp_path)
    assert raw is not None, said
    zone = read_zone(tmp_path / "ex.zone")
    ours = {
        (owner, rrtype, folded(rrtype, data), rrset.ttl)
        for owner, rrsets in zone.rrsets.items()
        for rrtype, rrset in rrsets.items()
        for data in rrset.rdatas
    }
    theirs = {
        (owner.lower(), rrtype, folded(rrtype, data), ttl)
        for owner, rrtype, data, ttl in raw_records(raw)
    }
    assert ours == theirs
