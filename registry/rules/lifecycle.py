"""The life of an identifier: its states, what leads from one to the next, and the EPP words.

    reserved 预留 → filing 备案中 → active 有效 ⇄ suspended 暂停 → retired 终止
                      ↓ ↑
                  refused 备案未通过        any of the five → superseded 已替代 (an alias)

What is in use though the national node never took it becomes refused, too.

What is suspended because it has expired is renewed, or lapses (`registry.rules.validity`).

Retired and superseded are final: the code is never given again and goes on resolving, to its
tombstone or to the identifier that took its place. Only what goes back to the owner that it came
from lives again (`registry.rules.moves`).
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Final

from registry.tables.enums import State

LIVE: Final = frozenset(
    {State.RESERVED, State.FILING, State.REFUSED, State.ACTIVE, State.SUSPENDED}
)
BIRTH: Final = frozenset({State.RESERVED, State.FILING, State.ACTIVE})  # states to begin in


class Verb(Enum):
    """What can be done to an identifier that is assigned."""

    FILE = "file"  # hand in for filing (备案) at the national node
    ACTIVATE = "activate"  # the filing was accepted
    REFUSE = "refuse"  # the filing was not accepted
    WITHDRAW = "withdraw"  # the filing was taken back
    SUSPEND = "suspend"
    REINSTATE = "reinstate"
    UPDATE = "update"
    RETIRE = "retire"
    EXPIRE = "expire"  # the time for which it was valid is over
    RENEW = "renew"  # it is valid for longer, and in use again
    LAPSE = "lapse"  # it was not renewed in time
    SUPERSEDE = "supersede"  # becomes an alias: alias, transfer, re-homing


# What is not here is not allowed (EPP 2304).
TRANSITIONS: Final[Mapping[tuple[State, Verb], State]] = {
    (State.RESERVED, Verb.FILE): State.FILING,
    (State.FILING, Verb.ACTIVATE): State.ACTIVE,
    (State.FILING, Verb.WITHDRAW): State.RESERVED,
    (State.FILING, Verb.REFUSE): State.REFUSED,
    (State.ACTIVE, Verb.REFUSE): State.REFUSED,  # it was in use, and never taken
    (State.SUSPENDED, Verb.REFUSE): State.REFUSED,
    (State.REFUSED, Verb.FILE): State.FILING,
    (State.ACTIVE, Verb.SUSPEND): State.SUSPENDED,
    (State.SUSPENDED, Verb.REINSTATE): State.ACTIVE,
    **{(state, Verb.UPDATE): state for state in LIVE},
    (State.REFUSED, Verb.UPDATE): State.FILING,  # what is put right is filed again
    **{(state, Verb.RETIRE): State.RETIRED for state in LIVE},
    **{(state, Verb.SUPERSEDE): State.SUPERSEDED for state in LIVE},
    (State.ACTIVE, Verb.EXPIRE): State.SUSPENDED,
    (State.SUSPENDED, Verb.RENEW): State.ACTIVE,
    (State.SUSPENDED, Verb.LAPSE): State.RETIRED,
}


def verb_between(before: State, after: State) -> Verb | None:
    """The verb that leads from one state to another, None if no single one does."""
    for (state, verb), result in TRANSITIONS.items():
        if state == before and result == after:
            return verb
    return None
