"""The few DNS messages of the client: a question with a cookie, and what is read of an answer.

Answers come from strangers: nothing is read outside the octets given, a compression pointer leads
strictly backwards, and a message that is not whole is refused (RFC 1035 section 4.1, RFC 6891
section 6.1, RFC 7873 section 4).
"""

from __future__ import annotations

from struct import Struct
from typing import Final

from csid.errors import CsidError
from csid.limits import EDNS_UDP_OCTETS, HEADER_OCTETS, MAX_NAME_OCTETS
from csid.protocol import CLASS_IN, OPT, OPTION_COOKIE

CLIENT_COOKIE_OCTETS: Final = 8
SERVER_COOKIE_OCTETS: Final = (8, 32)  # at least and at most (RFC 7873 section 4)

# Flags of the header (RFC 1035 section 4.1.1)
AA: Final = 0x0400
TC: Final = 0x0200
RD: Final = 0x0100
_RCODE: Final = 0x000F

_HEADER: Final = Struct(">HHHHHH")
_OPTION: Final = Struct(">HH")  # code, length
_OPT: Final = Struct(">BHHIH")  # the root, type, size, version and flags, length of the options
_QUESTION_HEAD: Final = {
    is_recursive: _HEADER.pack(0, RD if is_recursive else 0, 1, 0, 0, 1)[2:]
    for is_recursive in (False, True)
}
_TTL_SIGN: Final = 1 << 31
_TO_QUESTION: Final = b"\xc0\x0c"  # a pointer: the owner of most answers


class MessageError(CsidError):
    """Octets that are no whole DNS message."""


class Row:
    """A record of a message; its owner is read when it is asked for (`owner`), and so are names in
    its RDATA.

    Attributes:
        at: where its owner stands.
        ttl: seconds.
        start, end: of its RDATA in the message.
    """

    __slots__ = ("at", "end", "start", "ttl", "type")

    def __init__(self, at: int, rrtype: int, ttl: int, start: int, end: int) -> None:
        self.at = at
        self.type = rrtype
        self.ttl = ttl
        self.start = start
        self.end = end


_NO_ROWS: Final[list[Row]] = []  # of a section without any: nobody adds to it


class Message:
    """An answer as read.

    Attributes:
        rcode: extended by EDNS where there is any.
        answers, authorities, additionals: records of class IN, the OPT record aside.
        cookie: the option's octets, None without one.
    """

    __slots__ = ("additionals", "answers", "authorities", "cookie", "flags", "octets", "rcode")

    def __init__(
        self,
        octets: bytes,
        flags: int,
        rcode: int,
        answers: list[Row],
        authorities: list[Row],
        additionals: list[Row],
        cookie: bytes | None,
    ) -> None:
        self.octets = octets
        self.flags = flags
        self.rcode = rcode
        self.answers = answers
        self.authorities = authorities
        self.additionals = additionals
        self.cookie = cookie


def question(name: bytes, rrtype: int) -> bytes:
    """The question section that asks for a type at a name (wire form)."""
    return b"%b%b" % (name, _OPTION.pack(rrtype, CLASS_IN))


def edns(cookie: bytes) -> bytes:
    """The OPT record of a query: how much may come over UDP, and a cookie (RFC 7873)."""
    return (
        _OPT.pack(0, OPT, EDNS_UDP_OCTETS, 0, 4 + len(cookie))
        + _OPTION.pack(OPTION_COOKIE, len(cookie))
        + cookie
    )


def query(number: bytes, asked: bytes, opt: bytes, is_recursive: bool = True) -> bytes:
    """A query.

    Args:
        number: the ID, two octets.
        asked: the question section, see `question`.
        opt: see `edns`.
        is_recursive: the server may ask others (RD).
    """
    return number + _QUESTION_HEAD[is_recursive] + asked + opt


def answers(octets: bytes, asked: bytes) -> bool:
    """Whether octets are the beginning of an answer to a question, its ID aside: QR is set, the
    opcode is QUERY and the one question is this one, whatever the case of its letters.
    """
    end = HEADER_OCTETS + len(asked)
    if len(octets) < end or octets[2] & 0xF8 != 0x80 or octets[4:6] != b"\0\1":
        return False
    echoed = octets[HEADER_OCTETS:end]
    # The type and class may look like letters, and are compared as they are.
    return echoed == asked or (
        echoed[:-4].lower() == asked[:-4].lower() and echoed[-4:] == asked[-4:]
    )


def repeats(octets: bytes, asked: bytes) -> bool:
    """Whether what `answers` a question repeats it letter by letter."""
    return octets[HEADER_OCTETS : HEADER_OCTETS + len(asked)] == asked


def with_letters(name: bytes, random: bytes) -> bytes:
    """A name (wire form, lower case) with letters in upper case as random octets have it: what is
    not known to whoever sees no question (draft-vixie-dnsext-dns0x20).
    """
    made = bytearray(name)
    for at in range(min(len(made), 8 * len(random))):
        # No length of a label is a letter.
        if 97 <= made[at] <= 122 and random[at >> 3] >> (at & 7) & 1:
            made[at] -= 32
    return bytes(made)


def read(octets: bytes, asked: bytes) -> Message:
    """Read an answer behind its question, which `answers` has looked at.

    Raises:
        MessageError: it is not whole, or more than a message.
    """
    flags = octets[2] << 8 | octets[3]
    answer_count = octets[6] << 8 | octets[7]
    authority_count = octets[8] << 8 | octets[9]
    additional_count = octets[10] << 8 | octets[11]
    at = HEADER_OCTETS + len(asked)
    first: list[Row] = []
    second: list[Row] = [] if authority_count else _NO_ROWS
    third: list[Row] = [] if additional_count else _NO_ROWS
    rcode = flags & _RCODE
    cookie: bytes | None = None
    has_edns = False
    size = len(octets)
    try:
        for rows, count in (
            (first, answer_count),
            (second, authority_count),
            (third, additional_count),
        ):
            for _ in range(count):
                owner_at = at
                # Octet by octet, which compiled takes a tenth of what `struct` does.
                at = _behind_name(octets, at)
                start = at + 10
                if start > size:
                    raise IndexError
                rrtype = octets[at] << 8 | octets[at + 1]
                rrclass = octets[at + 2] << 8 | octets[at + 3]
                ttl = (
                    octets[at + 4] << 24
                    | octets[at + 5] << 16
                    | octets[at + 6] << 8
                    | octets[at + 7]
                )
                at = start + (octets[at + 8] << 8 | octets[at + 9])
                if at > size:
                    raise MessageError("a record ends behind the message")
                if rrtype == OPT and rows is third:
                    if has_edns or octets[owner_at]:
                        raise MessageError("its OPT record is not one, at the root")
                    has_edns = True
                    rcode |= ttl >> 24 << 4
                    cookie = _cookie(octets, start, at)
                elif rrclass == CLASS_IN:
                    if ttl >= _TTL_SIGN:  # RFC 2181 section 8
                        ttl = 0
                    rows.append(Row(owner_at, rrtype, ttl, start, at))
    except IndexError:
        raise MessageError("it ends within a record") from None
    if at != size:
        raise MessageError("there is something behind its records")
    return Message(octets, flags, rcode, first, second, third, cookie)


def _behind_name(octets: bytes, at: int) -> int:
    """The offset behind a name, of which no more is read than that."""
    length = octets[at]
    while length:
        if length >= 0xC0:
            return at + 2
        if length > 63:
            raise MessageError("a label of an unknown kind")
        at += 1 + length
        length = octets[at]
    return at + 1


def owner(message: Message, row: Row, name: bytes) -> bytes:
    """Whose record it is, in wire form, lower case.

    Args:
        name: that was asked for, in the same form, to which most records point.

    Raises:
        MessageError: it is no name.
    """
    octets = message.octets
    if octets[row.at : row.at + 2] == _TO_QUESTION:
        return name
    try:
        return read_name(octets, row.at)[0]
    except IndexError:
        raise MessageError("a name that ends behind the message") from None


def read_name(octets: bytes, at: int) -> tuple[bytes, int]:
    """A name of a message in wire form, lower case, and the offset behind it.

    Raises:
        IndexError, MessageError: it is none.
    """
    labels = []
    end = 0  # behind the name, once a pointer was followed
    lowest = at  # where the name, or the part that is being read, begins
    length = octets[at]
    total = 1
    while length:
        if length >= 0xC0:
            target = (length & 0x3F) << 8 | octets[at + 1]
            if target >= lowest:
                raise MessageError("a compression pointer that does not lead back")
            if not end:
                end = at + 2
            at = lowest = target
        elif length > 63:
            raise MessageError("a label of an unknown kind")
        else:
            after = at + 1 + length
            total += 1 + length
            if total > MAX_NAME_OCTETS:
                raise MessageError(f"a name over {MAX_NAME_OCTETS} octets")
            labels.append(octets[at:after])
            at = after
        length = octets[at]
    labels.append(b"\0")
    return b"".join(labels).lower(), end or at + 1


def target(message: Message, row: Row) -> bytes:
    """The name that is the whole RDATA of a record: of a CNAME, of an NS.

    Raises:
        MessageError: it is not one name.
    """
    try:
        name, end = read_name(message.octets, row.start)
    except IndexError:
        raise MessageError("a name that ends behind the message") from None
    if end != row.end:
        raise MessageError("record data that is not one name")
    return name


def negative_ttl(message: Message, row: Row) -> int:
    """Seconds that an SOA record lets absence be remembered (RFC 2308 section 5).

    Raises:
        MessageError: it is no SOA record.
    """
    try:
        _, at = read_name(message.octets, row.start)
        _, at = read_name(message.octets, at)
    except IndexError:
        raise MessageError("an SOA record that ends behind the message") from None
    if row.end != at + 20:
        raise MessageError("an SOA record that is too short or too long")
    return min(row.ttl, int.from_bytes(message.octets[at + 16 : at + 20], "big"))


def _cookie(octets: bytes, at: int, end: int) -> bytes | None:
    """The first cookie among the options of an OPT record."""
    found = None
    while at < end:
        if at + 4 > end:
            raise MessageError("an EDNS option ends behind its record")
        code = octets[at] << 8 | octets[at + 1]
        length = octets[at + 2] << 8 | octets[at + 3]
        at += 4 + length
        if at > end:
            raise MessageError("an EDNS option ends behind its record")
        if code == OPTION_COOKIE and found is None:
            found = octets[at - length : at]
    return found
