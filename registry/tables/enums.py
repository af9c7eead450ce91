"""The enumerations that rows hold, with the words they have for people, EPP and RDAP."""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from typing import Final, NamedTuple

from csid.vocabulary import (
    CUT_STATES,
    FILING_STATES,
    HOLD_STATES,
    LOCKS,
    NODE_ROLES,
    NODE_STATES,
    OFFER_STATES,
    STANDINGS,
    STATES,
)


class State(IntEnum):
    """Where an identifier is in its life; the numbers are stored."""

    RESERVED = 0
    FILING = 1
    REFUSED = 6  # by the national node: it lives, and may be filed again
    ACTIVE = 2
    SUSPENDED = 3
    RETIRED = 4
    SUPERSEDED = 5


# Every identifier resolves, and says its state; these alone are found by others who look for
# resources: what the national node has taken, or, where there is none, the node itself.
LISTED: Final = frozenset({State.ACTIVE, State.SUSPENDED})


class Words(NamedTuple):
    """A state in records, in Chinese, in EPP (RFC 5731 section 2.3) and in RDAP (RFC 8056)."""

    record: str
    zh: str
    epp: tuple[str, ...]
    rdap: tuple[str, ...]


# Locked for ever: what EPP says of an object that nobody may change any more.
_LOCKED_EPP = ("serverDeleteProhibited", "serverTransferProhibited", "serverUpdateProhibited")
_LOCKED_RDAP = (
    "server delete prohibited",
    "server transfer prohibited",
    "server update prohibited",
)


def _words(state: State, epp: tuple[str, ...], rdap: tuple[str, ...]) -> Words:
    record = state.name.lower()
    return Words(record, STATES[record], epp, rdap)


WORDS: Final[Mapping[State, Words]] = {
    State.RESERVED: _words(State.RESERVED, ("inactive",), ("inactive",)),
    State.FILING: _words(State.FILING, ("pendingCreate",), ("pending create",)),
    State.REFUSED: _words(State.REFUSED, ("inactive", "serverHold"), ("inactive", "server hold")),
    State.ACTIVE: _words(State.ACTIVE, ("ok",), ("active",)),
    State.SUSPENDED: _words(State.SUSPENDED, ("serverHold",), ("server hold",)),
    State.RETIRED: _words(State.RETIRED, _LOCKED_EPP, _LOCKED_RDAP),
    State.SUPERSEDED: _words(State.SUPERSEDED, _LOCKED_EPP, _LOCKED_RDAP),
}
BY_WORD: Final[Mapping[str, State]] = {words.record: state for state, words in WORDS.items()}


class LockKind(IntEnum):
    """What a lock keeps from being done to an identifier; the numbers are stored, as bits."""

    UPDATE = 1  # of its record, and its being filed or withdrawn
    TRANSFER = 2  # its leading to another: transfer, alias, re-homing
    RETIRE = 4
    RENEW = 8


# In options and JSON, and in Chinese.
LOCK_WORDS: Final[Mapping[LockKind, tuple[str, str]]] = {
    kind: (word, LOCKS[word]) for kind, word in ((kind, kind.name.lower()) for kind in LockKind)
}
# What is deleted in EPP (RFC 5731 section 2.3) retires here; RDAP has the same words (RFC 8056).
_EPP_VERBS: Final = {
    LockKind.UPDATE: "update",
    LockKind.TRANSFER: "transfer",
    LockKind.RETIRE: "delete",
    LockKind.RENEW: "renew",
}


class OfferState(IntEnum):
    """Where the offer of an identifier to another owner is; the numbers are stored."""

    OPEN = 0
    ACCEPTED = 1
    CANCELLED = 2
    REJECTED = 3


OFFER_WORDS: Final = {one: (one.name.lower(), OFFER_STATES[one.name.lower()]) for one in OfferState}


def locked_words(server: int, owner: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The locks of a node and of an owner (bits of `LockKind`) in EPP and in RDAP."""
    found = [
        (side, verb)
        for side, bits in (("client", owner), ("server", server))
        for kind, verb in _EPP_VERBS.items()
        if bits & kind
    ]
    epp = tuple(f"{side}{verb.capitalize()}Prohibited" for side, verb in found)
    return epp, tuple(f"{side} {verb} prohibited" for side, verb in found)


class Kind(IntEnum):
    """The five kinds of participant; the numbers are stored. A party may be of several."""

    NODE_OPERATOR = 1
    RESOURCE_PROVIDER = 2
    RESALE_PROVIDER = 3
    APPLICATION_PROVIDER = 4
    LINE_PROVIDER = 5


class Standing(IntEnum):
    """Where a participant's accreditation is; the numbers are stored."""

    APPLIED = 0
    ACCREDITED = 1
    SUSPENDED = 2
    ENDED = 3


# In options and JSON, and in Chinese.
STANDING_WORDS: Final[Mapping[Standing, tuple[str, str]]] = {
    standing: (word, STANDINGS[word])
    for standing, word in ((standing, standing.name.lower()) for standing in Standing)
}


class NodeState(IntEnum):
    """Where a node of the network is in its life; the numbers are stored."""

    ACTIVE = 0
    SUSPENDED = 1
    REMOVED = 2  # its name may come again, its keys never


class NodeRole(IntEnum):
    """What a node is in the network; the numbers are stored."""

    NATIONAL = 0
    REGION = 1
    INDUSTRY = 2
    AGGREGATE = 3


class CutState(IntEnum):
    """Where the filing of a cut is; the numbers are stored."""

    WAITING = 0
    FILED = 1
    REJECTED = 2
    WITHDRAWN = 3


# In options, JSON and the root zone, and in Chinese.
NODE_STATE_WORDS: Final = {
    one: (one.name.lower(), NODE_STATES[one.name.lower()]) for one in NodeState
}
NODE_ROLE_WORDS: Final = {one: (one.name.lower(), NODE_ROLES[one.name.lower()]) for one in NodeRole}
CUT_STATE_WORDS: Final = {one: (one.name.lower(), CUT_STATES[one.name.lower()]) for one in CutState}
NODE_ROLE_BY_WORD: Final = {word: one for one, (word, _) in NODE_ROLE_WORDS.items()}


class FilingState(IntEnum):
    """Where the filing of a cut is, at the node that asks for it; the numbers are stored."""

    WANTED = 0  # to be sent to the national node
    WAITING = 1  # the national node has it, and decides later
    FILED = 2
    REFUSED = 3
    MOVING = 4  # to another node: nothing in it is changed any more
    LEAVING = 5  # it is the other node's; what was registered in it goes, its zone is a copy
    MOVED = 6  # it is another node's
    TAKING = 7  # it is to be this node's, or is so already, and what is in it is taken over


# A cut moves to this node or from it, and something is still to be done here.
UNDER_WAY: Final = (FilingState.MOVING, FilingState.LEAVING, FilingState.TAKING)


class HoldState(IntEnum):
    """Where a hold is, at the region node that asks for it; the numbers are stored."""

    WANTED = 0  # to be sent to the national node
    SENT = 1  # the national node has answered, and the copy of the root zone is to show it
    HELD = 2
    RELEASING = 3  # that it ends is to be sent
    RELEASED = 4  # by this node, by the national node, or with the cut, which was withdrawn
    REFUSED = 5


class FiledState(IntEnum):
    """What the national node has said of an identifier; the numbers are stored."""

    TAKEN = 0
    REFUSED = 1
    ENDED = 2  # was taken, and has ended: it is never taken again
    GONE = 3  # was taken, and is in its zone no more, though it has not ended


# In JSON, and in Chinese.
FILING_WORDS: Final[Mapping[FilingState, tuple[str, str]]] = {
    state: (word, FILING_STATES[word])
    for state, word in ((state, state.name.lower()) for state in FilingState)
}
HOLD_WORDS: Final[Mapping[HoldState, tuple[str, str]]] = {
    state: (word, HOLD_STATES[word])
    for state, word in ((state, state.name.lower()) for state in HoldState)
}
