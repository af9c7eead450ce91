"""What a node owes the national node: the cuts that it is to be asked for.

Pure but for the store it reads: `due` says which UPDATEs are to be put to it, `answered` which unit
writes what came of one. Whoever has the connections sends each until it is answered.
"""

from __future__ import annotations

import struct
from typing import Any, Final, NamedTuple

import dns.message
from dns.edns import EDEOption
from dns.exception import DNSException

from csid import names
from csid.protocol import CLASS_IN, NOERROR, NS, OPT, REFUSED, SOA, UPDATE
from registry.network import filings
from registry.tables import codec, view
from registry.tables.enums import FILING_WORDS, FilingState
from registry.tables.naming import Names
from registry.tables.transaction import TransactionView
from registry.tables.view import View
from registry.zones.first import TTL
from registry.zones.founding import server_of
from resolver.store.read import ReadTransaction
from resolver.sync.actions import Errand
from resolver.sync.settings import Target

AT_ONCE: Final = 64  # cuts asked for and not answered
WAIT_SECONDS: Final = 10  # before a cut that awaits approval is asked for again
PAUSE_SECONDS: Final = 30  # before one that could not be answered is
AWAITS: Final = "awaits approval"  # begins what is said of a cut that is to be approved
EDNS_OCTETS: Final = 1_232
_HEADER: Final = struct.Struct(">6H").pack
_RR: Final = struct.Struct(">HHIH").pack


class Unit(NamedTuple):
    """A unit of the writer (`registry.units`)."""

    name: str
    args: list[Any]


class Duties:
    """One for a data directory."""

    def __init__(self, suffix: str) -> None:
        self._named = Names(suffix)
        self._asked: set[str] = set()  # cuts that are not answered yet
        self._again: dict[str, int] = {}  # cuts, and when they may be asked for again

    def due(self, read: ReadTransaction, now: int) -> list[Errand]:
        """What is to be asked now that was not asked before, or some of it.

        Args:
            now: Unix seconds.
        """
        seen = TransactionView(read)
        root = view.get_root(seen)
        if root is None:
            return []
        target = Target(root.host, root.port, names.from_text(root.key))
        server = server_of(seen, self._named)
        errands = []
        for state in (FilingState.WANTED, FilingState.WAITING):
            for cut in self._cuts(seen, state, now, AT_ONCE - len(self._asked)):
                self._asked.add(cut)
                message = update_of(self._named, cut, server)
                errands.append(Errand(cut.encode("ascii"), target, message))
        return errands

    def _cuts(self, seen: View, state: FilingState, now: int, most: int) -> list[str]:
        """Cuts in a state that may be asked for now."""
        found: list[str] = []
        head = codec.state_key(FILING_WORDS[state][0], "")
        for key, _ in seen.scan(codec.BY_STATE, head):
            if len(found) >= most:
                break
            cut = key[len(head) :].decode("ascii")
            if cut in self._asked or self._again.get(cut, 0) > now:
                continue
            if state is FilingState.WAITING and cut not in self._again:
                self._again[cut] = now + WAIT_SECONDS  # as this node was begun anew
                continue
            found.append(cut)
        return found

    def wake(self) -> int | None:
        """When `due` may have more, though nothing was changed, in Unix seconds; None: never."""
        return min(self._again.values(), default=None)

    def answered(self, errand: Errand, answer: bytes, reason: str, now: int) -> Unit | None:
        """The unit that writes an answer; None if there is nothing to write. It is to be carried
        out again with the cursor it returns in place of its last argument, until that is empty.

        Args:
            answer: without its TSIG record; empty if there is none, for a reason.
        """
        cut = errand.name.decode("ascii")
        self._asked.discard(cut)
        self._again.pop(cut, None)
        state, text = FilingState.WANTED, reason
        if answer:
            state, text = read_answer(answer)
        if state in (FilingState.WANTED, FilingState.WAITING):
            pause = WAIT_SECONDS if state is FilingState.WAITING else PAUSE_SECONDS
            self._again[cut] = now + pause
        return Unit(filings.UNIT, [names.to_text(errand.target.key), cut, int(state), text, ""])


def update_of(named: Names, cut: str, server: bytes) -> bytes:
    """The UPDATE that asks for the delegation of a cut to a server (name in wire form); its ID is
    zero.
    """
    zone = named.wire + struct.pack(">HH", SOA, CLASS_IN)
    record = named.target(cut) + _RR(NS, CLASS_IN, TTL, len(server)) + server
    edns = b"\0" + _RR(OPT, EDNS_OCTETS, 0, 0)
    return _HEADER(0, UPDATE << 11, 1, 0, 1, 1) + zone + record + edns


def read_answer(answer: bytes) -> tuple[FilingState, str]:
    """What the national node says to a cut, and its words.

    What is neither yes nor no, such as a key that is not known there, leaves the cut wanted.
    """
    try:
        message = dns.message.from_wire(answer, ignore_trailing=True)
    except DNSException as error:
        return FilingState.WANTED, f"its answer cannot be read: {error}"
    texts = [one.text for one in message.options if isinstance(one, EDEOption) and one.text]
    text = texts[0] if texts else ""
    rcode = message.rcode()
    if rcode == NOERROR:
        return FilingState.FILED, text
    if rcode == REFUSED and text.startswith(AWAITS):
        return FilingState.WAITING, text
    if rcode == REFUSED and text:
        return FilingState.REFUSED, text
    return FilingState.WANTED, text or f"the national node answers {rcode.name}"
