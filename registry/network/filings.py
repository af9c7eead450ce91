"""The answers of the national node to cuts, written: the units of whoever asks it.

A refusal first makes what waits under the cut `refused`, in pieces, and is noted with the last of
them; a filing first files again what an earlier refusal of the cut has refused. Killed on the way,
the cut is asked for again, and its answer goes on from there.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any, Final

from csid.identifier import Identifier
from csid.limits import COMMIT_SECONDS
from registry.core import Core
from registry.desk import Batch
from registry.network import unseen
from registry.network.receipts import shown
from registry.rules.filing import read_receipt
from registry.rules.lifecycle import Verb
from registry.rules.requests import Actor, Advance, AnswerFiling, Body, Request, Role, TakeReceipt
from registry.rules.status import Status
from registry.tables import codec, log_entry, view
from registry.tables.enums import WORDS, FilingState, State
from registry.tables.naming import Names
from registry.tables.view import View
from resolver.store.write import WriteTransaction

UNIT: Final = "filing.answer"
STEPS_AT_ONCE: Final = 200  # identifiers found before the time is looked at


def answer(core: Core, args: Any) -> str:
    """The unit: write what the national node said to a cut, or a part of what follows from it.

    Args:
        args: name of the key that asked, cut, number of the state, reason, and where to go on,
            empty at first.

    Returns:
        Where to go on; empty once the answer is noted.
    """
    key, cut, number, reason, cursor = args
    state = FilingState(number)
    actor = Actor(key, Role.NODE, cut.partition("/")[0], core.peer)  # whose identifiers they are
    serial = unseen.serial_in(reason) if state is FilingState.FILED else None
    reason = shown(reason) if serial is None else ""
    until = time.monotonic() + COMMIT_SECONDS
    with core.desk.batch(core.store, int(time.time())) as batch:
        while True:
            names = list(_following(batch, cut, state, cursor))
            for name in names[:STEPS_AT_ONCE]:
                body = _step(batch, name, state)
                if body is not None:
                    batch.decide(Request(actor, body, reason))
            if len(names) <= STEPS_AT_ONCE:
                break
            cursor = names[STEPS_AT_ONCE]
            if time.monotonic() >= until:
                return cursor
        batch.decide(Request(actor, AnswerFiling(cut, state), reason))
        if serial is not None:
            txn = batch.volume.txn
            assert isinstance(txn, WriteTransaction)
            unseen.note(txn, Names(core.suffix), cut, serial)
    return ""


def _following(batch: Batch, cut: str, state: FilingState, cursor: str) -> Iterator[str]:
    """Identifiers below a cut that an answer may concern, some more than STEPS_AT_ONCE."""
    before = {FilingState.REFUSED: State.FILING, FilingState.FILED: State.REFUSED}.get(state)
    if before is None:
        return
    word = WORDS[before].record
    prefix, start = codec.state_key(word, f"{cut}/"), codec.state_key(word, cursor)
    for count, (key, _) in enumerate(batch.view.scan(codec.BY_STATE, prefix, start)):
        if count > STEPS_AT_ONCE:
            return
        yield key.decode("ascii").partition("/")[2]


def _step(batch: Batch, name: str, state: FilingState) -> Body | None:
    """What an answer asks of an identifier."""
    identifier = Identifier(*name.split("/"))
    if state is FilingState.REFUSED:
        return TakeReceipt(identifier, 0, Status.NOT_FILED.number)
    return Advance(identifier, Verb.FILE) if is_of_cut(batch.view, name) else None


def is_of_cut(seen: View, name: str) -> bool:
    """Whether an identifier was refused because its cut was, and not by a receipt of its own."""
    row = view.get_assignment(seen, name)
    leaf = None if row is None else seen.leaf(row.leaf)
    if leaf is None:
        return False
    entry = log_entry.decode(leaf)
    return entry.kind == TakeReceipt.kind and read_receipt(entry.to)[0] == 0
