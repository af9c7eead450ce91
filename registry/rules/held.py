"""What is refused because somebody holds it (监管暂停), and how that is said."""

from __future__ import annotations

from typing import Final

from registry.rules.case import day_of
from registry.rules.decision import Refusal
from registry.rules.lifecycle import Verb
from registry.rules.requests import Actor, Role
from registry.rules.status import Status
from registry.tables.rows import Hold
from registry.tables.view import View, get_root, hold_over

# What nobody here does to what is held. It may end.
_NOT_HELD: Final = frozenset({Verb.SUSPEND, Verb.REINSTATE, Verb.UPDATE})
_RELEASES: Final = "who holds it releases it, or the national node does"


def place_free(view: View, place: str) -> Refusal | None:
    """Whether nobody holds a place, where there is a national node: nothing new is given in it."""
    found = hold_over(view, place) if get_root(view) is not None else None
    return None if found is None else held_by(*found)


def not_held(view: View, actor: Actor, name: str, verb: Verb) -> Refusal | None:
    """Whether nobody holds an identifier that somebody here would change so."""
    if verb not in _NOT_HELD or actor.role is Role.NODE or get_root(view) is None:
        return None
    found = hold_over(view, name)
    return None if found is None else held_by(*found)


def held_by(target: str, hold: Hold) -> Refusal:
    """What is said of something that is held."""
    return Refusal(Status.HELD, f"{target} is held {holders_text(hold)}; {_RELEASES}")


def holders_text(hold: Hold) -> str:
    """Who holds something, since when and why."""
    return ", and ".join(
        f"by {f'region node {one.node}' if one.node else 'the national node'} since "
        f"{day_of(one.since).isoformat()}: {one.reason}"
        for one in hold.by
    )
