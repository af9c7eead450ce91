"""One transfer of a zone from its primary, message by message: octets in, the zone in the store.

Whoever drives it has the connection: sends `request`, gives each message that comes to `receive`
until that returns True, and calls `abandon` if the connection ends before. Until then, and whatever
goes wrong, the zone is served as it was.
"""

from __future__ import annotations

import secrets
import struct
from collections.abc import Collection, Sequence
from typing import Final, NamedTuple, Protocol

from csid import names
from csid.errors import CsidError, ZoneError
from csid.protocol import AXFR, CLASS_IN, IXFR, SOA
from resolver.store import node
from resolver.store.difference import serial_in
from resolver.store.environment import Store
from resolver.store.write import WriteTransaction
from resolver.sync import expire, tsig
from resolver.sync.transfer.changes import Changes, Unfit
from resolver.sync.transfer.errors import TransferError
from resolver.sync.transfer.incoming import ADDED, WHOLE, Incoming, Limits, is_beyond, refusal
from resolver.sync.transfer.intake import Examine, Intake, unexamined

_HEADER: Final = struct.Struct(">HHHHHH")
_FORMERR: Final = b"\x01"  # fourth octet of a message


class Watch(Protocol):
    """Does what goes with a change, in the transaction that makes it; what it raises undoes it."""

    def changed(self, txn: WriteTransaction, apex: bytes, keys: Collection[bytes]) -> None:
        """These names (keys below the apex) were changed, and the update is finished."""

    def replaced(self, txn: WriteTransaction, apex: bytes) -> None:
        """The whole zone is another one from this commit on."""

    def dropped(self, txn: WriteTransaction, apex: bytes) -> None:
        """The zone is held no longer."""


class _NoWatch:
    def changed(self, txn: WriteTransaction, apex: bytes, keys: Collection[bytes]) -> None:
        return None

    def replaced(self, txn: WriteTransaction, apex: bytes) -> None:
        return None

    def dropped(self, txn: WriteTransaction, apex: bytes) -> None:
        return None


NO_WATCH: Final[Watch] = _NoWatch()


class Together:
    """Several watches, one after the other."""

    def __init__(self, watches: Sequence[Watch]) -> None:
        self._watches = watches

    def changed(self, txn: WriteTransaction, apex: bytes, keys: Collection[bytes]) -> None:
        for watch in self._watches:
            watch.changed(txn, apex, keys)

    def replaced(self, txn: WriteTransaction, apex: bytes) -> None:
        for watch in self._watches:
            watch.replaced(txn, apex)

    def dropped(self, txn: WriteTransaction, apex: bytes) -> None:
        for watch in self._watches:
            watch.dropped(txn, apex)


class Fetched(NamedTuple):
    """What a transfer came to."""

    kind: str  # "AXFR", "IXFR"; "CURRENT": there was nothing newer
    serial: int  # that is held from now on
    octets: int  # of all messages
    messages: int
    records: int
    expire: int | None = None  # seconds that the primary's EXPIRE option tells (RFC 7314)


class Fetch:
    """A transfer of one zone.

    Attributes:
        request: the message to send, without length prefix.
        result: what it came to, once it is through.
        retry_full: it failed in a way that another Fetch, with `full`, may not.
    """

    def __init__(
        self,
        store: Store,
        origin: bytes,
        key: tsig.Key | None,
        now: int,
        full: bool = False,
        watch: Watch = NO_WATCH,
        limits: Limits | None = None,
        forced: bool = False,
        examine: Examine = unexamined,
        tls: bool = False,
    ) -> None:
        """Prepare the transfer of the zone at `origin` (wire form).

        Args:
            key: to sign with; all that comes must be signed with it.
            now: seconds since 1970.
            full: ask for the whole zone, whatever is held.
            forced: take a zone whose serial is not beyond the one held, too.
            examine: looks at the nodes of a whole zone before it is published; raises ZoneError.
            tls: the connection goes over TLS, so that the request is padded.

        Raises:
            StoreError: the store cannot be read.
        """
        self.result: Fetched | None = None
        self.retry_full = False
        self._store = store
        self._origin = origin.lower()
        self._apex = names.key_of(origin)
        self._watch = watch
        self._forced = forced
        self._examine = examine
        self._intake: Intake | None = None
        self._changes: Changes | None = None
        soa = self._soa()
        self._held = None if soa is None else int.from_bytes(soa.rdatas[0][-20:-16], "big")
        identity = secrets.randbits(16)
        asked = None if full else soa
        self._incoming = Incoming(identity, self._origin, self._held, asked is None, forced, limits)
        self.request = _request(identity, self._origin, asked, with_opt=not full)
        if tls and not full:
            self.request = expire.pad(self.request, tsig.room(key) if key else 0)
        self._may_do_without = not full  # of EDNS, which old servers do not know
        self._expire: int | None = None
        self._verifier: tsig.Verifier | None = None
        if key is not None:
            self.request, mac = tsig.sign(self.request, key, now)
            self._verifier = tsig.Verifier(key, mac)

    def _soa(self) -> node.RRset | None:
        """The SOA of the zone as it is held; None if there is none."""
        with self._store.read() as read:
            self._asked = read.number
            try:
                held = read.zone(self._origin)
            except ZoneError:
                return None
            blob = read.tree(held.generation).get(b"")
        return dict(node.rrsets_of(blob)).get(SOA) if blob else None

    @property
    def is_undecided(self) -> bool:
        """Whether changes were asked for, and nothing has come of them: a primary that ends here
        may have taken them for more than it knows, and the whole zone may come.
        """
        return self._incoming.is_undecided

    @property
    def serial(self) -> int | None:
        """Of the zone as it comes; None as long as it is not known."""
        return self._incoming.serial if self._incoming.kind else None

    def receive(self, message: bytes, now: int) -> bool:
        """Take the next message of the answer, without its length prefix.

        The last one may take seconds, if the zone is large: names that came out of order are put in
        order, and the zone is published.

        Args:
            now: seconds since 1970.

        Returns:
            Whether the transfer is through: the zone, durable, is served with `result.serial`.

        Raises:
            TransferError: it failed, and says why; the zone is as it was. The connection is of no
                more use.
        """
        try:
            return self._receive(message, now)
        except Unfit as error:
            self.retry_full = True
            raise self._failed(f"{error}; the whole zone is needed") from None
        except CsidError as error:
            self.retry_full |= self._incoming.retry_full or (
                self._may_do_without and message[3:4] == _FORMERR
            )
            raise self._failed(str(error)) from error
        except BaseException:
            self.abandon()
            raise

    def _failed(self, reason: str) -> TransferError:
        self.abandon()
        return TransferError(reason)

    def _receive(self, message: bytes, now: int) -> bool:
        incoming, verifier = self._incoming, self._verifier
        if verifier is not None:
            message = _verified(verifier, message, now)
        if not incoming.messages:
            self._expire = expire.told(message)
        for part in incoming.parts(message):
            if part.what == WHOLE:
                if self._intake is None:
                    self._intake = Intake(self._store, self._origin, self._examine)
                self._intake.add(part.pieces)
            else:
                if self._changes is None:
                    self._changes = Changes()
                self._changes.add(part.what == ADDED, part.pieces)
        if not incoming.is_done:
            return False
        if verifier is not None and not verifier.whole:
            raise TransferError("the last message of the transfer is not signed")
        if self._intake is not None:
            self._intake.publish(self._settle, self._told)
        elif self._changes is not None:
            self._change(self._changes)
        self.abandon()
        self.result = Fetched(
            incoming.kind,
            incoming.serial,
            incoming.octets,
            incoming.messages,
            incoming.records,
            self._expire,
        )
        return True

    def _settle(self, txn: WriteTransaction) -> None:
        """Refuse to put the zone in place of one that is newer by now."""
        serial, present = self._incoming.serial, _serial(txn, self._origin)
        if present in (None, serial) or self._forced or is_beyond(serial, present or 0):
            return
        raise TransferError(f"serial {present} came meanwhile, which {serial} is not beyond")

    def _told(self, txn: WriteTransaction) -> None:
        self._watch.replaced(txn, self._apex)

    def _change(self, changes: Changes) -> None:
        try:
            with self._store.write() as txn:
                update = txn.update(self._origin)
                if update.serial() != self._held:
                    raise Unfit(
                        f"serial {update.serial()} came meanwhile, in place of {self._held}"
                    )
                keys = changes.make(update)
                update.finish(self._incoming.serial)
                txn.asked = self._asked
                self._watch.changed(txn, self._apex, keys)
        except ZoneError as error:
            raise Unfit(str(error)) from None

    def abandon(self) -> None:
        """Give up what is held for the transfer; what was written and not published goes with the
        next sweep of the store.
        """
        self._changes = None
        if self._intake is not None:
            self._intake.abandon()
            self._intake = None


def _request(identity: int, origin: bytes, soa: node.RRset | None, with_opt: bool) -> bytes:
    """The question for a zone, or for what has changed in it since an SOA (RFC 1995 section 3)."""
    rrtype = AXFR if soa is None else IXFR
    head = _HEADER.pack(identity, 0, 1, 0, 0 if soa is None else 1, int(with_opt))
    question = origin + rrtype.to_bytes(2, "big") + CLASS_IN.to_bytes(2, "big")
    held = b"" if soa is None else node.rr(node.OWNER, SOA, soa.ttl, soa.rdatas[0])
    return head + question + held + (expire.QUERY_OPT if with_opt else b"")


def _verified(verifier: tsig.Verifier, message: bytes, now: int) -> bytes:
    try:
        return verifier.check(message, now)
    except tsig.TsigError as error:
        if said := refusal(message):
            raise TransferError(f"{said}; and {error}") from None
        raise


def _serial(txn: WriteTransaction, origin: bytes) -> int | None:
    """The serial of the zone as it is held; None if there is none."""
    try:
        return serial_in(txn.update(origin).blob(b"") or b"")
    except (ZoneError, ValueError):
        return None
