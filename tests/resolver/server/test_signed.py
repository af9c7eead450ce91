"""Signatures through the real server: transport × kind of message × what is wrong with it."""

from __future__ import annotations

import base64
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from typing import Final, NamedTuple

import dns.flags
import dns.message
import dns.opcode
import dns.rcode
import dns.rdatatype
import dns.rrset
import dns.tsig
import dns.update
import pytest

from csid import names
from csid.protocol import BADKEY, BADSIG, BADTIME, BADTRUNC, FORMERR, NOERROR, NOTAUTH, REFUSED
from resolver.store.environment import Store
from resolver.sync import settings, tsig
from resolver.sync.settings import Follow, KeyRow, Rights, Subject, Target
from tests.support.servers import PATIENCE, SUFFIX, Server, make_data, put_zone, serving
from tests.support.signing import KEY, SECRET, shortened, signed, spoiled

ZONE, FOLLOWED = "plain.test.", "followed.test."
TEXT = """\
$TTL 60
@    SOA ns host 5 7200 900 1209600 60
     NS  ns
ns   A   192.0.2.53
www  A   192.0.2.1
big  TXT "{}"
""".format('" "'.join("x" * 250 for _ in range(3)))
SHA512 = KEY._replace(name=names.from_text("sha512-key."), algorithm="hmac-sha512")
ENDED = KEY._replace(name=names.from_text("ended-key."))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    data = make_data(tmp_path_factory.mktemp("signed") / "data")
    with Store.open(data, writable=True) as store:
        allow(store)
    with serving(data) as running:
        yield running


def allow(store: Store) -> None:
    """A zone that the key may transfer and update, and one that follows where nobody is."""
    put_zone(store, TEXT, ZONE)
    put_zone(store, TEXT, FOLLOWED)
    subject = (Subject(key=KEY.name),)
    apexes = {origin: names.key_of(names.from_text(origin)) for origin in (ZONE, FOLLOWED)}
    with store.write() as txn:
        keys, rights = txn.table(settings.KEYS), txn.table(settings.RIGHTS)
        for key in (KEY, SHA512):
            keys.put(key.name, settings.pack(KeyRow(key.algorithm, SECRET)))
        ended = KeyRow(KEY.algorithm, SECRET, until=int(time.time()) - 1)
        keys.put(ENDED.name, settings.pack(ended))
        rights.put(settings.where(apexes[ZONE]), settings.pack(Rights(subject, subject, ())))
        follow = Follow((Target("127.0.0.9", 9, KEY.name),))
        follows = txn.table(settings.FOLLOWS)
        follows.put(settings.where(apexes[FOLLOWED]), settings.pack(follow))
        rights.put(settings.where(apexes[FOLLOWED]), settings.pack(Rights((), (), subject)))


# -- what is asked, and what it gets where it may


def ixfr() -> dns.message.Message:
    asked = dns.message.make_query(ZONE, "IXFR")
    soa = dns.rrset.from_text(ZONE, 0, "IN", "SOA", "ns. host. 4 1 1 1 1")
    asked.authority.append(soa)
    return asked


def notified() -> dns.message.Message:
    asked = dns.message.make_query(FOLLOWED, "SOA")
    asked.set_opcode(dns.opcode.NOTIFY)
    asked.flags |= dns.flags.AA
    return asked


def update() -> dns.message.Message:
    asked = dns.update.UpdateMessage(ZONE)
    asked.add("new", 60, "A", "192.0.2.9")
    return asked


class Kind(NamedTuple):
    """A kind of message: one of it, the RCODE over UDP, if it is right and if it is unsigned, and
    whether its answer has records.
    """

    asked: dns.message.Message
    over_udp: int = NOERROR
    unsigned: int = REFUSED
    has_records: bool = False


KINDS: Final = {
    "query": Kind(dns.message.make_query(f"www.{ZONE}", "A"), unsigned=NOERROR, has_records=True),
    "query with EDNS": Kind(
        dns.message.make_query(f"www.{ZONE}", "A", use_edns=0), unsigned=NOERROR, has_records=True
    ),
    "SOA": Kind(dns.message.make_query(ZONE, "SOA"), unsigned=NOERROR, has_records=True),
    "AXFR": Kind(dns.message.make_query(ZONE, "AXFR"), over_udp=FORMERR, has_records=True),
    "IXFR": Kind(ixfr(), has_records=True),
    "NOTIFY": Kind(notified()),
    "UPDATE": Kind(update()),
}


# -- what is wrong: the message, and the RCODE and TSIG error it gets; -1 where it gets no record


def now() -> int:
    return int(time.time())


def right(wire: bytes) -> tuple[bytes, bytes]:
    return signed(wire, now())


def with_mac(octets: int) -> object:
    def make(wire: bytes) -> tuple[bytes, bytes]:
        made, mac = right(wire)
        return shortened(made, octets), mac[:octets]

    return make


def bad_mac(wire: bytes) -> tuple[bytes, bytes]:
    made, mac = right(wire)
    return spoiled(made), mac


def by(key: tsig.Key, late: int = 0) -> object:
    return lambda wire: signed(wire, now() - late, key)


def behind(wire: bytes) -> tuple[bytes, bytes]:
    """A signature that is not the last record."""
    made, mac = right(wire)
    count = int.from_bytes(made[10:12], "big") + 1
    return made[:10] + count.to_bytes(2, "big") + made[12:] + b"\0\0\1\0\1" + bytes(6), mac


UNKNOWN = KEY._replace(name=names.from_text("unknown-key."))
WRONG: Final = {
    "bad MAC": (bad_mac, NOTAUTH, BADSIG),
    "unknown key": (by(UNKNOWN), NOTAUTH, BADKEY),
    "a key that has ended": (by(ENDED), NOTAUTH, BADKEY),
    "another secret": (by(KEY._replace(secret=b"x" * 32)), NOTAUTH, BADSIG),
    "wrong algorithm for the key": (by(KEY._replace(algorithm="hmac-sha512")), NOTAUTH, BADKEY),
    "truncated MAC": (with_mac(16), NOTAUTH, BADTRUNC),
    "MAC of 8 octets": (with_mac(8), FORMERR, -1),
    "no MAC": (with_mac(0), FORMERR, -1),
    "stale": (by(KEY, 1_000), NOTAUTH, BADTIME),
    "from the future": (by(KEY, -1_000), NOTAUTH, BADTIME),
    "a record behind the signature": (behind, FORMERR, -1),
}


def exchange(server: Server, wire: bytes, stream: bool) -> list[bytes]:
    """The messages that answer one: of a transfer all up to the one that ends it."""
    kind = socket.SOCK_STREAM if stream else socket.SOCK_DGRAM
    with socket.socket(socket.AF_INET, kind) as sock:
        sock.settimeout(PATIENCE)
        sock.connect(("127.0.0.1", server.port))
        if not stream:
            sock.send(wire)
            return [sock.recv(65_535)]
        sock.sendall(len(wire).to_bytes(2, "big") + wire)
        file = sock.makefile("rb")
        return [file.read(int.from_bytes(file.read(2), "big"))]


def rcode(wire: bytes) -> int:
    return wire[3] & 15


@pytest.mark.parametrize("stream", [False, True], ids=["UDP", "TCP"])
@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
class TestMatrix:
    """Each kind of message, over each transport."""

    def test_right(self, server: Server, kind: Kind, stream: bool) -> None:
        wire, mac = right(kind.asked.to_wire())
        answers = exchange(server, wire, stream)
        verifier = tsig.Verifier(KEY, mac)
        plain = [verifier.check(answer, now()) for answer in answers]
        assert verifier.whole
        assert rcode(plain[0]) == (NOERROR if stream else kind.over_udp)
        ring = {dns.name.from_text("the-key."): dns.tsig.Key("the-key.", SECRET, "hmac-sha256")}
        read = dns.message.from_wire(answers[0], keyring=ring, request_mac=mac)
        assert read.had_tsig and read.id == kind.asked.id
        if rcode(plain[0]) == NOERROR:
            assert bool(read.answer) == kind.has_records

    @pytest.mark.parametrize("fault", WRONG.values(), ids=WRONG)
    def test_wrong(self, server: Server, kind: Kind, stream: bool, fault: tuple) -> None:  # type: ignore[type-arg]
        make, expected, error = fault
        wire, mac = make(kind.asked.to_wire())
        (answer,) = exchange(server, wire, stream)
        assert answer[:2] == wire[:2]
        assert rcode(answer) == expected
        assert answer[6:10] == bytes(4)  # no records
        record = dns.message.from_wire(answer, keyring=False).tsig
        if error < 0:
            assert record is None
            return
        assert record is not None
        assert record[0].error == error
        assert bool(record[0].mac) == (error in (BADTIME, BADTRUNC))
        with pytest.raises(tsig.TsigError):
            tsig.Verifier(KEY, mac).check(answer, now())
        if error == BADTIME:
            assert abs(int.from_bytes(record[0].other, "big") - now()) < PATIENCE
        peer = dns.tsig.Key("the-key.", SECRET, "hmac-sha256")
        refusal = {
            BADKEY: dns.tsig.PeerBadKey, BADSIG: dns.tsig.PeerBadSignature,
            BADTIME: dns.tsig.PeerBadTime, BADTRUNC: dns.tsig.PeerBadTruncation,
        }[error]  # fmt: skip
        with pytest.raises(refusal):
            dns.message.from_wire(answer, keyring=peer, request_mac=mac)

    def test_unsigned(self, server: Server, kind: Kind, stream: bool) -> None:
        (answer,) = exchange(server, kind.asked.to_wire(), stream)
        expected = kind.unsigned if stream else kind.over_udp or kind.unsigned
        assert rcode(answer) == expected
        assert dns.message.from_wire(answer).tsig is None


def test_another_key_that_is_right_has_no_rights_of_it(server: Server) -> None:
    for name in ("AXFR", "IXFR", "NOTIFY", "UPDATE"):
        wire, mac = signed(KINDS[name].asked.to_wire(), now(), SHA512)
        (answer,) = exchange(server, wire, True)
        assert rcode(tsig.Verifier(SHA512, mac).check(answer, now())) == REFUSED


def test_a_signature_that_does_not_fit_a_datagram_takes_the_place_of_records(
    server: Server,
) -> None:
    """RFC 8945 section 5.3: room is left for it, TC says that there is more."""
    asked = dns.message.make_query(f"big.{ZONE}", "TXT", use_edns=0, payload=820)
    (plain,) = exchange(server, asked.to_wire(), False)
    assert not plain[2] & 2 and len(plain) <= 820
    wire, mac = right(asked.to_wire())
    (answer,) = exchange(server, wire, False)
    assert len(answer) <= 820
    content = tsig.Verifier(KEY, mac).check(answer, now())
    assert content[2] & 2 and rcode(content) == NOERROR
    (whole,) = exchange(server, wire, True)
    assert dns.message.from_wire(tsig.Verifier(KEY, mac).check(whole, now())).answer


def test_a_signed_answer_has_what_the_plain_one_has(server: Server) -> None:
    for name, qtype in (("www", "A"), ("gone", "A"), ("www", "MX"), ("elsewhere", "A")):
        asked = dns.message.make_query(f"{name}.{ZONE}", qtype, use_edns=0)
        (plain,) = exchange(server, asked.to_wire(), False)
        wire, mac = right(asked.to_wire())
        (answer,) = exchange(server, wire, False)
        assert tsig.Verifier(KEY, mac).check(answer, now()) == plain


def test_what_comes_behind_a_transfer_on_one_connection_is_answered(server: Server) -> None:
    asked = [KINDS[name].asked.to_wire() for name in ("SOA", "AXFR", "UPDATE", "query")]
    with socket.create_connection(("127.0.0.1", server.port), PATIENCE) as sock:
        sock.sendall(b"".join(_framed(right(one)[0]) for one in asked))
        file = sock.makefile("rb")
        identities = [file.read(int.from_bytes(file.read(2), "big"))[:2] for _ in asked]
    assert sorted(identities) == sorted(one[:2] for one in asked)


def _framed(wire: bytes) -> bytes:
    return len(wire).to_bytes(2, "big") + wire


@pytest.mark.parametrize(
    ("origin", "qtype", "expected"),
    [
        ("www.plain.test.", "AXFR", NOTAUTH),
        ("nowhere.test.", "AXFR", NOTAUTH),
        (SUFFIX, "AXFR", REFUSED),
    ],
)
def test_a_transfer_is_of_a_zone_that_is_held_and_allowed(
    server: Server, origin: str, qtype: str, expected: int
) -> None:
    wire, mac = right(dns.message.make_query(origin, qtype).to_wire())
    (answer,) = exchange(server, wire, True)
    assert rcode(tsig.Verifier(KEY, mac).check(answer, now())) == expected


# -- the same from the tools that administrators have

SECRET_TEXT = base64.b64encode(SECRET).decode()
TOOL_KEY = f"hmac-sha256:the-key.:{SECRET_TEXT}"


def tool(server: Server, *words: str, given: str = "") -> str:
    name, *rest = words
    if shutil.which(name) is None:
        pytest.skip(f"{name} is not installed")
    done = subprocess.run(
        [name, *rest], input=given, capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    return done.stdout + done.stderr


COMPLAINT = re.compile("(?i)fail|bad(?:key|sig|time)|warning")  # "bad" may stand in a cookie


@pytest.mark.parametrize("name", ["dig", "kdig"])
def test_dig_and_kdig_transfer_and_verify(server: Server, name: str) -> None:
    at = ["+norecurse", "@127.0.0.1", "-p", str(server.port), "-y", TOOL_KEY]
    said = tool(server, name, *at, ZONE, "AXFR")
    assert said.count("SOA") >= 2 and "www.plain.test." in said
    assert not COMPLAINT.search(said)
    said = tool(server, name, *at, f"www.{ZONE}", "A")
    assert "192.0.2.1" in said and not COMPLAINT.search(said)
    other = [*at[:-1], TOOL_KEY.replace("the-key", "no-key")]
    assert re.search("(?i)badkey", tool(server, name, *other, ZONE, "SOA"))


@pytest.mark.parametrize("name", ["nsupdate", "knsupdate"])
@pytest.mark.parametrize("options", [[], ["-v"]], ids=["UDP", "TCP"])
def test_nsupdate_and_knsupdate_change_a_name(
    server: Server, name: str, options: list[str]
) -> None:
    owner = f"{name}{len(options)}.{ZONE}"
    lines = f"server 127.0.0.1 {server.port}\nzone {ZONE}\nupdate add {owner} 60 A 192.0.2.77\n"
    said = tool(server, name, *options, "-y", TOOL_KEY, given=lines + "send\nquit\n")
    assert not re.search("(?i)error|fail|refused|notauth|servfail", said)
    (answer,) = exchange(server, dns.message.make_query(owner, "A").to_wire(), False)
    assert dns.message.from_wire(answer).answer
