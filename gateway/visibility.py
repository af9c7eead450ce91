"""What of the registration data is shown to whom: a property of each field, in one table, which
RDAP and the HTTPS interface go by.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from typing import Any, Final


class Audience(IntEnum):
    """Who looks; each sees what those before it see, and more."""

    EVERYBODY = 0
    CALLER = 1  # whoever has a token
    KNOWING = 2  # the registrar of the owner, auditors, administrators


_EVERYBODY, _CALLER, _KNOWING = Audience

FIELDS: Final[Mapping[str, Mapping[str, Audience]]] = {
    "identifier": {
        "identifier": _EVERYBODY,
        "dns": _EVERYBODY,
        "handle": _EVERYBODY,
        "state": _EVERYBODY,
        "since": _EVERYBODY,
        "changed": _EVERYBODY,
        "ttl": _EVERYBODY,
        "target": _EVERYBODY,
        "record": _EVERYBODY,  # it resolves, for everybody
        "leaf": _CALLER,
    },
    "owner": {
        "owner": _EVERYBODY,
        "name": _EVERYBODY,
        "kinds": _EVERYBODY,
        "standing": _EVERYBODY,
        "qualified": _EVERYBODY,
        "since": _EVERYBODY,
        "leaf": _CALLER,
        "contact": _KNOWING,
        "quota": _KNOWING,
    },
    "change": {
        "leaf": _CALLER,
        "kind": _CALLER,
        "subject": _CALLER,
        "to": _CALLER,
        "time": _CALLER,
        "record": _CALLER,
        "ttl": _CALLER,
        "by": _KNOWING,
        "role": _KNOWING,
        "for": _KNOWING,
        "peer": _KNOWING,
        "why": _KNOWING,
        "previous": _KNOWING,
    },
}


def visible(kind: str, whole: Mapping[str, Any], audience: Audience) -> dict[str, Any]:
    """What an audience sees of something.

    Raises:
        KeyError: it has a field of which the table does not say who may see it.
    """
    fields = FIELDS[kind]
    return {name: value for name, value in whole.items() if fields[name] <= audience}


def hidden(kind: str, audience: Audience) -> list[str]:
    """The fields that an audience does not see."""
    return [name for name, least in FIELDS[kind].items() if least > audience]
