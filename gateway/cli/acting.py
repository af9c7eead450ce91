"""Who is acting: the options of the commands, the environment, and the login."""

from __future__ import annotations

import argparse
import getpass
import os
from typing import Final

from csid.errors import CsidError
from csid.identifier import fold
from csid.vocabulary import ROLES
from gateway.configuration.places import file_here
from registry.core import own_peer
from registry.rules.acting import Asker, Known
from registry.rules.policy import MAY_AUDIT
from registry.rules.requests import Actor, Role
from registry.writer.admission import Admission

ACTOR_VARIABLE: Final = "CSID_ACTOR"
ROLE_VARIABLE: Final = "CSID_ROLE"
OWNER_VARIABLE: Final = "CSID_OWNER"
DEFAULT_ROLE: Final = Role.ADMINISTRATOR.value


class ActorError(CsidError):
    """It is not clear who is acting."""


def add_actor(parser: argparse.ArgumentParser, role_option: str = "--role") -> None:
    """Add --as, --role and --owner; the second under another name where a node has a role."""
    group = parser.add_argument_group("who is acting 操作人")
    group.add_argument(
        "--as", dest="actor", metavar="NAME", help=f"name 姓名 (${ACTOR_VARIABLE}, or the login)"
    )
    group.add_argument(
        role_option,
        dest="role",
        choices=tuple(ROLES),
        help=f"in what capacity 角色 (${ROLE_VARIABLE}, or {DEFAULT_ROLE}): "
        + ", ".join(f"{word} {zh}" for word, zh in ROLES.items()),
    )
    group.add_argument(
        "--owner",
        dest="acting_for",
        metavar="CODE",
        help=f"the owner that a registrar acts for 所代表主体 (${OWNER_VARIABLE})",
    )


def actor_of(args: argparse.Namespace) -> Actor:
    """Who is acting: whom the configuration knows this process as, or as options and environment
    say, where it is one that may say so (`registry.rules.acting`).

    Raises:
        ActorError: it is nobody, in no role there is, or a registrar of no owner.
        ActingError: it is not to act so.
    """
    if getattr(args, "dry_run", False):
        asker = Asker(own_peer())  # what would come of it if somebody did it, for anybody to ask
    else:
        asker = Admission(args.data, _configured(args)).own()
    known = asker.known
    name = args.actor or os.environ.get(ACTOR_VARIABLE) or (known.name if known else _login())
    own_role = known.role.value if known else DEFAULT_ROLE
    word = args.role or os.environ.get(ROLE_VARIABLE) or own_role
    if word not in ROLES:
        raise ActorError(
            f"${ROLE_VARIABLE}: {word[:40]!r} is no role; use one of {', '.join(ROLES)}"
        )
    role = Role(word)
    owner = args.acting_for or os.environ.get(OWNER_VARIABLE) or (known.owner if known else "")
    if role is not Role.REGISTRAR:
        owner = ""
    elif not owner:
        raise ActorError("a registrar acts for an owner: give its code with --owner")
    # The writer of a running node looks at it once more, by what the kernel says.
    return asker.actor(name, role.value, fold(owner))


def _configured(args: argparse.Namespace) -> tuple[Known, ...]:
    """The actors of the configuration; where there is none, nothing is loaded for it."""
    file = file_here(getattr(args, "config", None), os.environ)
    if file is None:
        return ()
    from gateway.configuration.actors import known
    from gateway.configuration.load import load

    return known(load(file))


def require_auditor(args: argparse.Namespace) -> None:
    """Refuse who may not look into the audit log.

    Raises:
        ActorError: the role may not.
    """
    actor = actor_of(args)
    if actor.role not in MAY_AUDIT:
        allowed = ", ".join(sorted(role.value for role in MAY_AUDIT))
        raise ActorError(f"{actor.name} is {actor.role.value}; the audit log is for: {allowed}")


def _login() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a user id without a name
        raise ActorError("nobody is logged in by name: say who is acting with --as NAME") from None
