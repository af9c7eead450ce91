"""Transaction signatures: messages signed with a shared secret, and verified (RFC 8945).

Who asks of us is verified by `verify`, who answers us by `Verifier`, in one message or many; signed
is by `sign` and `Signer`. The contexts of HMAC are kept keyed, so that a small message costs a few
microseconds. There is no memory here of what was signed before: a message may be sent again while
its time is fresh (RFC 8945 section 5.2.3). Who carries something out does not do it twice.
"""

from __future__ import annotations

import hashlib
import hmac
import struct
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final, NamedTuple

from csid import names
from csid.errors import CsidError
from csid.limits import HEADER_OCTETS
from csid.protocol import BADKEY, BADSIG, BADTIME, BADTRUNC, FORMERR, NOTAUTH
from resolver.sync.tsig_record import (
    FUDGE,
    MARK,
    Record,
    appended,
    data_of,
    find,
    read,
    search,
    stripped,
    variables,
)

MAX_UNSIGNED: Final = 99  # messages in a row inside a stream (RFC 8945 section 5.3.1)

_KEPT_KEYS: Final = 4_096  # whose contexts are kept

_BLOCKS: Final = {"sha224": 64, "sha256": 64, "sha384": 128, "sha512": 128}  # octets (RFC 2104)
_OUTER: Final = bytes(octet ^ 0x5C for octet in range(256))
_INNER: Final = bytes(octet ^ 0x36 for octet in range(256))


class TsigError(CsidError):
    """A message that is not signed as it must be, or a key that cannot be used."""


class Algorithm(NamedTuple):
    """An algorithm of RFC 8945 section 6."""

    wire: bytes  # its name in wire form
    digest: str  # of hashlib
    full: int  # octets of its output
    octets: int  # of the MAC, which may be the beginning of the output


def _algorithm(name: str, digest: str, octets: int = 0) -> Algorithm:
    full = hashlib.new(digest).digest_size
    return Algorithm(names.from_text(name), digest, full, octets or full)


ALGORITHMS: Final = {
    "hmac-sha224": _algorithm("hmac-sha224", "sha224"),
    "hmac-sha256": _algorithm("hmac-sha256", "sha256"),
    "hmac-sha256-128": _algorithm("hmac-sha256-128", "sha256", 16),
    "hmac-sha384": _algorithm("hmac-sha384", "sha384"),
    "hmac-sha384-192": _algorithm("hmac-sha384-192", "sha384", 24),
    "hmac-sha512": _algorithm("hmac-sha512", "sha512"),
    "hmac-sha512-256": _algorithm("hmac-sha512-256", "sha512", 32),
}
# Where BIND cuts the MAC (``algorithm hmac-sha256-128;`` in named.conf) it gives the algorithm the
# name of the whole one, and wants to be answered so: that name, and what is signed with then.
_AS_WHOLE: Final = {
    name: (ALGORITHMS[f"hmac-{one.digest}"].wire, f"{name} by BIND")
    for name, one in ALGORITHMS.items()
    if one.octets < one.full
}
_SPOKEN: Final = ALGORITHMS | {
    spoken: ALGORITHMS[name]._replace(wire=wire) for name, (wire, spoken) in _AS_WHOLE.items()
}
_BROKEN: Final = ("hmac-md5", "hmac-md5.sig-alg.reg.int", "hmac-sha1", "hmac-sha1-96")

_SAID: Final = {
    BADSIG: "the signature is wrong (BADSIG): the secrets differ, or the message was changed",
    BADKEY: "the key is not known there, or by another algorithm (BADKEY)",
    BADTIME: "the clocks differ (BADTIME)",
    BADTRUNC: "the signature is too short (BADTRUNC)",
}


class Key(NamedTuple):
    """A shared secret."""

    name: bytes  # in wire form, lower case
    algorithm: str  # of ALGORITHMS
    secret: bytes

    def __repr__(self) -> str:  # a secret is not to be found in any log
        return f"Key({names.to_text(self.name)} {self.algorithm})"


Keyring = Callable[[bytes], "Key | None"]  # a key by its name in wire form, lower case


class Signed(NamedTuple):
    """A message whose signature is right.

    Attributes:
        key: that has signed it.
        mac: its MAC, as what answers it takes it in.
        message: without the TSIG record, ARCOUNT less one, the original ID back.
        time: when it was signed, in seconds since 1970.
    """

    key: Key
    mac: bytes
    message: bytes
    time: int


class Fault(NamedTuple):
    """What is wrong with the signature of a message (RFC 8945 section 5.2).

    Attributes:
        error: of the TSIG record of the answer; 0 if that has none (a malformed record).
        rcode: of the answer.
        name, algorithm: of the key that was named, in wire form, lower case.
        identity: the original ID.
        key: to sign the answer with; None if it goes unsigned.
        mac: of the message.
        time: when it was signed, in seconds since 1970.
    """

    error: int
    rcode: int
    name: bytes = names.ROOT
    algorithm: bytes = names.ROOT
    identity: int = 0
    key: Key | None = None
    mac: bytes = b""
    time: int = 0

    def answer(self, response: bytes, now: int) -> bytes:
        """An answer, whose RCODE is `rcode` already, with the TSIG record that says what is wrong
        (RFC 8945 sections 5.2 and 5.3.2): signed if the key was proven, else without a MAC.
        """
        if not self.error:
            return response
        identity = self.identity.to_bytes(2, "big")
        if self.key is None:
            data = data_of(self.algorithm, now, b"", identity, self.error, b"")
            return appended(response, self.name, data)
        when, other = now, b""
        if self.error == BADTIME:  # the clock of the asker, and ours (RFC 8945 section 5.2.3)
            when, other = self.time, now.to_bytes(6, "big")
        made, _ = _signed(identity + response[2:], self.key, when, self.mac, self.error, other)
        return response[:2] + made[2:]


def algorithm_fault(algorithm: str) -> str:
    """Why keys of an algorithm are not taken, in words; empty if they are."""
    if algorithm in ALGORITHMS:
        return ""
    known = ", ".join(ALGORITHMS)
    if algorithm in _BROKEN:
        return f"{algorithm} is refused: MD5 and SHA-1 protect nobody any more; one of {known}"
    return f"{algorithm[:40]!r} is no algorithm for keys; one of {known}"


def room(key: Key) -> int:
    """Octets that signing adds to a message."""
    algorithm = _SPOKEN[key.algorithm]
    return len(key.name) + 10 + len(algorithm.wire) + 16 + algorithm.octets


def verify(
    message: bytes, keyring: Keyring, now: int, request_mac: bytes = b"", at: int = 0
) -> Signed | Fault | None:
    """Whether the signature of a message is right; None if it has no TSIG record.

    Args:
        keyring: gives the keys that are in force.
        now: seconds since 1970.
        request_mac: of the request, where the message answers one.
        at: where its last record begins, if that is known to be a TSIG record; all are read else.
    """
    try:
        record = read(message, at) if at else search(message)
    except ValueError:
        return Fault(0, FORMERR)
    if record is None:
        return None
    identity = int.from_bytes(record.identity, "big")
    bad = Fault(BADKEY, NOTAUTH, record.name, record.algorithm, identity)
    key = keyring(record.name)
    if key is None:
        return bad
    whole, spoken = _AS_WHOLE.get(key.algorithm, (b"", ""))
    if record.algorithm == whole:
        key = key._replace(algorithm=spoken)
    algorithm = _SPOKEN[key.algorithm]
    if algorithm.wire != record.algorithm:
        return bad
    octets = len(record.mac)
    # RFC 8945 section 5.2.2.1
    if octets > algorithm.full or octets < max(10, algorithm.full // 2):
        return Fault(0, FORMERR)
    content = stripped(message, record)
    digest = _context(key, request_mac, content)
    digest.update(variables(record))
    if not hmac.compare_digest(_finished(key, digest)[:octets], record.mac):
        return bad._replace(error=BADSIG)
    proven = bad._replace(key=key, mac=record.mac, time=record.time)
    if abs(now - record.time) > record.fudge:
        return proven._replace(error=BADTIME)
    if octets < algorithm.octets:
        return proven._replace(error=BADTRUNC)
    return Signed(key, record.mac, content, record.time)


def _is_signed(message: bytes) -> bool:
    try:
        return search(message) is not None
    except ValueError:
        return True  # or is worse than unsigned


def sign(message: bytes, key: Key, now: int, request_mac: bytes = b"") -> tuple[bytes, bytes]:
    """A message with its TSIG record, and the MAC in it.

    Args:
        now: seconds since 1970.
        request_mac: of the request, where the message answers one.
    """
    return _signed(message, key, now, request_mac, 0, b"")


class Signer:
    """Signs the messages that answer one request, in their order (RFC 8945 section 5.3.1)."""

    def __init__(self, key: Key, request_mac: bytes) -> None:
        self._key = key
        self._mac = request_mac
        self._begun = False
        self._octets = _SPOKEN[key.algorithm].octets
        self._start = _start(key)

    def sign(self, message: bytes, now: int) -> bytes:
        """The next message with its TSIG record; `now` is in seconds since 1970."""
        return b"".join(self.pieces(memoryview(message), now))

    def pieces(self, message: memoryview, now: int) -> tuple[bytes | memoryview, ...]:
        """The same, in pieces to be joined: of a large message none is copied."""
        key = self._key
        if not self._begun:
            self._begun = True
            made, self._mac = _signed(bytes(message), key, now, self._mac, 0, b"")
            return (made,)
        timers = now.to_bytes(6, "big") + FUDGE.to_bytes(2, "big")
        digest = _context(key, self._mac, message)
        digest.update(timers)
        self._mac = _finished(key, digest)[: self._octets]
        head = bytes(message[:10])
        count = (message[10] << 8) + message[11] + 1
        size = self._octets.to_bytes(2, "big")
        record = b"".join((self._start, timers, size, self._mac, head[:2], bytes(4)))
        return head + count.to_bytes(2, "big"), message[HEADER_OCTETS:], record


class Verifier:
    """Verifies the messages that answer one request, in their order (RFC 8945 section 5.3.1).

    Attributes:
        whole: the last message was signed; else what it says is not proven yet.
    """

    def __init__(self, key: Key, request_mac: bytes) -> None:
        self._key = key
        self._algorithm = _SPOKEN[key.algorithm]
        self._inner, self._outer = _keyed(key)
        self._mac = request_mac
        self._digest: Any = None  # over what came unsigned since the last signature
        self._begun = False
        self._unsigned = 0
        self.whole = False
        # How the record begins that the peer writes, and all of it if it writes as we do.
        self._start = _start(key)
        self._room = room(key)
        # Timers, octets of the MAC, the MAC, original ID, error, octets of other data.
        self._rest = struct.Struct(f">8sH{self._algorithm.octets}s2sHH")

    def check(self, message: bytes, now: int) -> bytes:
        """A message without its TSIG record; `now` is in seconds since 1970.

        Raises:
            TsigError: it is not what the peer has signed, or not signed where it must be.
        """
        content = self._usual(message, now) if self._begun else None
        if content is not None:
            return content
        try:
            record = find(message, self._key.name)
        except ValueError as error:
            raise TsigError(f"the answer is malformed: {error}") from None
        self.whole = False
        if record is None:
            return self._pass(message)
        key, algorithm = self._key, self._algorithm
        if record.error and not record.mac:  # nobody has signed it, but it says why
            raise TsigError(self._words(record.error))
        if record.name != key.name or record.algorithm != algorithm.wire:
            raise TsigError(
                f"the answer is signed with {names.to_text(record.name)} "
                f"({names.to_text(record.algorithm)}), not with {key!r}"
            )
        content = stripped(message, record)
        digest = self._digest
        if digest is None:
            digest = _context(key, self._mac, content)
        else:
            digest = digest.copy()
            digest.update(content)
        digest.update(record.timers if self._begun else variables(record))
        mac = _finished(key, digest)[: algorithm.octets]
        if not hmac.compare_digest(mac, record.mac):
            if not _is_signed(message):  # the end of another record looks like a signature
                return self._pass(message)
            raise TsigError(f"the signature of the answer by {key!r} is wrong")
        if record.error:
            raise TsigError(self._words(record.error, record.other, now))
        if abs(now - record.time) > record.fudge:
            raise TsigError(
                f"the answer was signed {abs(now - record.time)} seconds "
                f"{'ago' if now > record.time else 'from now'}, at most {record.fudge} are "
                "allowed: set the clocks of both servers"
            )
        self._digest, self._mac = None, mac
        self._begun = self.whole = True
        self._unsigned = 0
        return content

    def _usual(self, message: bytes, now: int) -> bytes | None:
        """What `check` gives for nearly all messages of a transfer, behind the first: there its
        cost is that of the digest. None if there is more to be seen than that all is well.
        """
        start = len(message) - self._room
        if start < HEADER_OCTETS or not message.startswith(self._start, start):
            return None
        timers, octets, sent, identity, error, others = self._rest.unpack_from(
            message, start + len(self._start)
        )
        seconds, fudge = int.from_bytes(timers[:6], "big"), int.from_bytes(timers[6:], "big")
        count = (message[10] << 8) + message[11]
        if error or others or octets != len(sent) or not count or abs(now - seconds) > fudge:
            return None
        head = identity + message[2:10] + (count - 1).to_bytes(2, "big")
        content = b"".join((head, memoryview(message)[HEADER_OCTETS:start]))
        if self._digest is None:
            digest = self._inner.copy()
            digest.update(octets.to_bytes(2, "big") + self._mac)
        else:
            digest = self._digest.copy()
        digest.update(content)
        digest.update(timers)
        outer = self._outer.copy()
        outer.update(digest.digest())
        mac: bytes = outer.digest()[:octets]
        if not hmac.compare_digest(mac, sent):
            return None
        self._digest, self._mac, self._unsigned, self.whole = None, mac, 0, True
        return content

    def _pass(self, message: bytes) -> bytes:
        """A message that is unsigned, and may be (RFC 8945 section 5.3.1)."""
        if not self._begun:
            raise TsigError(f"the answer is not signed; {self._key!r} was asked for")
        self._unsigned += 1
        if self._unsigned > MAX_UNSIGNED:
            raise TsigError(f"{self._unsigned} messages in a row are not signed")
        if self._digest is None:
            self._digest = _context(self._key, self._mac, message)
        else:
            self._digest.update(message)
        return message

    def _words(self, error: int, other: bytes = b"", now: int = 0) -> str:
        text = _SAID.get(error, f"error {error}")
        if error == BADTIME and len(other) == 6:
            text += f": there it is {int.from_bytes(other, 'big') - now:+} seconds from here"
        return f"the peer refuses {self._key!r}: {text}"


# -- signing


@lru_cache(_KEPT_KEYS)
def _keyed(key: Key) -> tuple[Any, Any]:
    """The contexts of the inner and of the outer digest of HMAC (RFC 2104 section 2)."""
    digest = _SPOKEN[key.algorithm].digest
    block = _BLOCKS[digest]
    secret = key.secret if len(key.secret) <= block else hashlib.new(digest, key.secret).digest()
    secret = secret.ljust(block, b"\0")
    inner, outer = secret.translate(_INNER), secret.translate(_OUTER)
    return hashlib.new(digest, inner), hashlib.new(digest, outer)


def _start(key: Key) -> bytes:
    """How a TSIG record begins that has no other data, up to its times."""
    algorithm = _SPOKEN[key.algorithm]
    size = len(algorithm.wire) + 16 + algorithm.octets
    return key.name + MARK + size.to_bytes(2, "big") + algorithm.wire


def _context(key: Key, before: bytes, message: bytes | memoryview) -> Any:
    """A digest that has taken in the MAC before, if there is one, and a message."""
    digest = _keyed(key)[0].copy()
    if before:
        digest.update(len(before).to_bytes(2, "big") + before)
    digest.update(message)
    return digest


def _finished(key: Key, inner: Any) -> bytes:
    digest = _keyed(key)[1].copy()
    digest.update(inner.digest())
    made: bytes = digest.digest()
    return made


def _signed(
    message: bytes, key: Key, time: int, request_mac: bytes, error: int, other: bytes
) -> tuple[bytes, bytes]:
    """A message with its TSIG record, and the MAC in it."""
    algorithm = _SPOKEN[key.algorithm]
    record = Record(0, key.name, algorithm.wire, time, FUDGE, b"", message[:2], error, other)
    digest = _context(key, request_mac, message)
    digest.update(variables(record))
    mac = _finished(key, digest)[: algorithm.octets]
    data = data_of(algorithm.wire, time, mac, message[:2], error, other)
    return appended(message, key.name, data), mac
