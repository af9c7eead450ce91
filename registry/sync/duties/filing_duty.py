"""What a node owes the national node: the cuts that it is to be asked for, each by an UPDATE (RFC
2136) that adds the NS record of the cut, under the node's own key.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from itertools import islice
from typing import Final

import dns.message
from dns.edns import EDEOption
from dns.exception import DNSException

from csid import names
from csid.protocol import NOERROR, NS, REFUSED
from registry.network import filings, unseen
from registry.network.catalogs import NodePolicy
from registry.network.membership import RegisterWatch
from registry.sync.duties.delegated import DelegationWatch, work_of
from registry.sync.hooks import Network, Unit
from registry.tables import codec, transaction, view
from registry.tables.enums import FILING_WORDS, FilingState
from registry.tables.naming import Names
from registry.tables.transaction import TransactionView
from registry.tables.view import View
from registry.zones.first import TTL
from registry.zones.founding import server_of
from resolver.store import node
from resolver.store.environment import Store
from resolver.store.read import ReadTransaction
from resolver.sync.actions import Errand
from resolver.sync.settings import Target
from resolver.sync.transfer.fetch import Together
from resolver.sync.update.message import request

AT_ONCE: Final = 64  # cuts asked for, in each of the two states
PAUSE_SECONDS: Final = {  # before a cut is asked for again
    FilingState.WAITING: 10,
    FilingState.WANTED: 30,  # as the answer was neither yes nor no
}
OPEN: Final = (FilingState.WANTED, FilingState.WAITING)
_PREFIX: Final = b"cut/"  # of the names of errands
# What is said of a cut that is to be approved.
_AWAITS: Final = re.compile(r"awaits approval \(filing [0-9]+\)")


class FilingDuty:
    """Asks the national node for the cuts of a data directory: a `registry.sync.hooks.Duty`."""

    def __init__(self, suffix: str) -> None:
        self._named = Names(suffix)
        self._again: dict[str, int] = {}  # cuts that rest, and until when
        self._asked: Target | None = None  # whom, and by which key
        self._look: int | None = None  # when there is work: a cut that the root zone lacks

    def due(self, read: ReadTransaction, now: int, /) -> list[Errand]:
        """What is to be asked now; what is asked already may be among it."""
        seen = TransactionView(read)
        root = view.get_root(seen)
        if root is None:
            return []
        target = Target(root.host, root.port, names.from_text(root.key))
        if target != self._asked:  # another may say otherwise
            self._asked, self._again = target, {}
        server = server_of(seen, self._named)
        self._look = now + 1 if any(unseen.due(read, self._named, AT_ONCE)) else None
        longest = now + max(PAUSE_SECONDS.values())  # else the clock was set back
        self._again = {cut: at for cut, at in self._again.items() if now < at <= longest}
        return [
            Errand(_PREFIX + cut.encode("ascii"), target, update_of(self._named, cut, server))
            for state in OPEN
            for cut in self._cuts(seen, state)
        ]

    def _cuts(self, seen: View, state: FilingState) -> Iterator[str]:
        """Some cuts in a state that may be asked for now."""
        head = codec.state_key(FILING_WORDS[state][0], "")
        cuts = (key[len(head) :].decode("ascii") for key, _ in seen.scan(codec.BY_STATE, head))
        return islice((cut for cut in cuts if cut not in self._again), AT_ONCE)

    def wake(self) -> int | None:
        """When the next cut has rested, or is to be looked at by work, in Unix seconds."""
        times = [*self._again.values(), *([] if self._look is None else [self._look])]
        return min(times, default=None)

    def answered(self, errand: Errand, answer: bytes, reason: str, now: int, /) -> Unit | None:
        """The unit that writes what the national node has said to a cut, and what follows."""
        cut = errand.name.removeprefix(_PREFIX).decode("ascii")
        state, text = read_answer(answer) if answer else (FilingState.WANTED, reason)
        if state in OPEN:
            self._again[cut] = now + PAUSE_SECONDS[state]
        return Unit(filings.UNIT, [names.to_text(errand.target.key), cut, int(state), text, ""])


def adds(store: Store) -> Network:
    """What filing adds to the sync process of a directory that has a national node."""
    transaction.open_tables(store)
    with store.read() as read:
        root = view.get_root(TransactionView(read))
    if root is None:
        return Network()
    suffix = store.settings().suffix

    def now() -> int:
        return int(time.time())

    delegations = DelegationWatch(suffix, now)
    watch = Together((RegisterWatch(suffix, now, NodePolicy(suffix)), delegations))
    return Network([FilingDuty(suffix)], watch, [work_of(store, delegations)])


def update_of(named: Names, cut: str, server: bytes) -> bytes:
    """The UPDATE that asks for the delegation of a cut to a server (name in wire form); its ID is
    zero.
    """
    return request(named.wire, [node.rr(named.target(cut), NS, TTL, server)])


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
    if rcode == REFUSED and _AWAITS.search(text):
        return FilingState.WAITING, text
    if rcode == REFUSED and text:
        return FilingState.REFUSED, text
    return FilingState.WANTED, text or f"the national node answers {rcode.name}"
