"""UPDATEs carried out by the writer: who asks, and may he; the change itself (`update_batch.py`).

What waits is carried out in order, and shares a commit (RFC 2136, RFC 3007).
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from typing import Final

from csid import names
from csid.errors import CsidError, StoreError, ZoneError
from csid.protocol import NOTAUTH, REFUSED, SERVFAIL
from registry.rules.decision import Decision
from registry.rules.status import Status
from registry.zones.asked import Asked
from registry.zones.replays import mark
from registry.zones.update_batch import Batch, carry_out
from registry.zones.update_cases import Answer as Answer
from registry.zones.update_cases import Arrived as Arrived
from registry.zones.update_cases import Case, Command, failed_result
from registry.zones.update_cases import Claim as Claim
from registry.zones.update_cases import Core as Core
from registry.zones.update_cases import Result as Result
from resolver.store.environment import Store
from resolver.store.read import ReadTransaction
from resolver.sync import access, tsig
from resolver.sync.settings import follow_of, key_row
from resolver.sync.update import effect
from resolver.sync.update.tentative import Tentative, Zone

_OPEN: Final = (SERVFAIL, REFUSED)  # whoever asks the same again may be told otherwise


def answer(core: Core, packet: bytes, address: bytes, stream: bool, now: int) -> bytes:
    """Carry out one UPDATE; the answer says NOERROR only once it is durable."""
    return answers(core, [Arrived(packet, address, stream)], now)[0].message


def answers(core: Core, waiting: Sequence[Arrived], now: int) -> list[Answer]:
    """Carry out UPDATEs; what is answered NOERROR is durable when this returns.

    Args:
        now: Unix seconds.

    Returns:
        The answers to the first of them, to one at least; the others are left to the next time.

    Raises:
        StoreError: nothing was done that is not said here.
    """
    cases: list[Case] = []
    marks: set[bytes] = set()
    with core.store.read() as read:
        for arrived in waiting:
            case = Case(arrived)
            case.result = _admitted(read, case, now) or _known(core, case)
            one = b"" if case.signed is None else mark(case.signed)
            if one and one in marks:
                break  # it gets what the first one gets, which is not known yet
            marks.add(one)
            cases.append(case)
    claims = [_claim(core, case) for case in cases]
    for case, claim in zip(cases, claims, strict=True):
        if claim is None and case.result is None:
            case.result = case.otherwise
    first = next((at for at, claim in enumerate(claims) if claim is not None), len(cases))
    waits = [case for case in cases[:first] if case.result is None]
    if not waits and first < len(cases):
        cases[first].result = _by_claim(core, cases[first], claims[first], now)
        first += 1
    decided = carry_out(core, waits, now) if waits else 0
    if decided < len(waits):
        first = cases.index(waits[decided])
    for case in cases[:first]:
        if case.signed is not None and case.result is not None and case.result.rcode not in _OPEN:
            core.replays.note(case.signed, case.result)
    return [case.answer(now) for case in cases[:first]]


def failed(store: Store, waiting: Sequence[Arrived], error: Exception, now: int) -> list[Answer]:
    """The answers to UPDATEs of which nothing was done, as the store fails; signed where the
    questions are, as far as keys can be read.
    """
    found: list[Answer] = []
    with contextlib.ExitStack() as opened:
        keys: tsig.Keyring = _no_key
        with contextlib.suppress(CsidError):
            keys = access.keyring(opened.enter_context(store.read()), now)
        for arrived in waiting:
            case = Case(arrived)
            with contextlib.suppress(Exception):  # it may be the message that failed
                verified = tsig.verify(arrived.message, keys, now)
                message = arrived.message
                if isinstance(verified, tsig.Signed):
                    case.signed, message = verified, verified.message
                asked = effect.read(message)
                case.asked = None if isinstance(asked, int) else asked
            case.result = Result(SERVFAIL, str(error))
            found.append(case.answer(now)._replace(said=""))
    return found


def _no_key(_name: bytes) -> None:
    """Where keys cannot be read."""


def _known(core: Core, case: Case) -> Result | None:
    """What a message was answered that was here before; None if it was not."""
    if case.signed is None:
        return None
    found = core.replays.answer(case.signed)
    if found is None and core.replays.is_too_old(case.signed):
        return Result(REFUSED, "too much came since this was signed; sign it anew")
    return found


def _may_not(case: Case, origin: str) -> Result:
    return Result(REFUSED, f"{case.who} may not update {origin}: csid zone allow lets it")


def change(
    core: Core, asked: Asked, origin: bytes, work: Callable[[Zone], object], now: int
) -> int:
    """Have a zone of this node changed as somebody here asks for: under the rules, and with the
    leaf, of an UPDATE.

    Args:
        origin: of the zone, in wire form.
        work: makes the changes.
        now: Unix seconds.

    Returns:
        The serial; the old one if nothing differs.

    Raises:
        ZoneError: there is no such zone, or it follows another server.
        CsidError: the change may not be, or ``work`` raises it; nothing was done.
    """
    apex = names.key_of(origin)
    with core.store.write() as txn:
        zone = txn.update(origin)
        if follow_of(txn, apex) is not None:
            raise ZoneError(names.to_text(origin), "follows another server: change it there")
        tried = Tentative(zone)
        work(tried)
        wanted = tried.change()
        if not wanted.is_any:
            return zone.serial()
        batch = Batch(core, txn, now)
        serial = batch.change(Command(asked), origin, zone, wanted)
        batch.write()
    for observe in core.stages.observe:
        observe(Decision(Status.DONE, names.to_text(origin)))
    return serial


def _claim(core: Core, case: Case) -> Claim | None:
    """Who claims an UPDATE that is admitted; None if it goes the way of all."""
    if case.result is not None or case.asked is None:
        return None
    asked = case.asked
    return next((claim for claim in core.claims if claim.takes(core, asked)), None)


def _by_claim(core: Core, case: Case, claim: Claim | None, now: int) -> Result:
    assert claim is not None and case.asked is not None
    try:
        return claim.carry_out(core, case.asked, case.key, case.arrived.address, now)
    except StoreError:
        raise
    except Exception as error:  # of one, which concerns no other
        return failed_result(error)


def _admitted(read: ReadTransaction, case: Case, now: int) -> Result | None:
    """`_admit`, whatever is damaged in what it reads."""
    try:
        return _admit(read, case, now)
    except StoreError:
        raise
    except Exception as error:  # whatever damaged octets lead to
        return failed_result(error)


def _admit(read: ReadTransaction, case: Case, now: int) -> Result | None:
    """Who asks, and may he ask for that? None if so."""
    arrived = case.arrived
    message = arrived.message
    verified = tsig.verify(message, access.keyring(read, now), now)
    if isinstance(verified, tsig.Fault):
        case.fault = verified
        return Result(verified.rcode)
    if verified is not None:
        case.signed, message = verified, verified.message
    asked = effect.read(message)
    if isinstance(asked, int):
        return Result(asked)
    case.asked = asked
    fault = _fault(read, case, asked)
    row = key_row(read, case.key)
    if row is not None and row.node:  # what a node of the network may is first for claims to say
        case.otherwise = fault
        return None
    return fault


def _fault(read: ReadTransaction, case: Case, asked: effect.Asked) -> Result | None:
    """Why a zone is not changed by who asks; None if it may be."""
    origin = names.to_text(asked.origin)
    arrived = case.arrived
    if not access.may(read, asked.apex, "update", arrived.address, case.key, arrived.tls):
        return _may_not(case, origin)
    if follow_of(read, asked.apex) is not None:
        return Result(NOTAUTH, f"{origin} follows another server: update it there")
    try:
        read.zone(asked.origin)
    except ZoneError as error:
        return Result(NOTAUTH, str(error))
    return None
