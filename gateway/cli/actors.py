"""Who is acting, and the options of every command that asks something of the registry."""

from __future__ import annotations

import argparse
import getpass
import os
from typing import TYPE_CHECKING, Final

from csid.errors import CsidError
from csid.vocabulary import ROLES
from gateway.cli import options

if TYPE_CHECKING:
    from registry.rules.requests import Actor, Body, Request

ACTOR_VARIABLE: Final = "CSID_ACTOR"
ROLE_VARIABLE: Final = "CSID_ROLE"
OWNER_VARIABLE: Final = "CSID_OWNER"
DEFAULT_ROLE: Final = "administrator"


class ActorError(CsidError):
    """It is not clear who is acting."""


def add_actor(parser: argparse.ArgumentParser) -> None:
    """Add --as, --role and --owner."""
    group = parser.add_argument_group("who is acting 操作人")
    group.add_argument(
        "--as", dest="actor", metavar="NAME", help=f"name 姓名 (${ACTOR_VARIABLE}, or the login)"
    )
    group.add_argument(
        "--role",
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


def add_request(
    parser: argparse.ArgumentParser, dry_run: bool = True, key: str = "of this request"
) -> None:
    """Add --data, --reason, --key, --json, --dry-run and who is acting."""
    options.add_data(parser)
    parser.add_argument("--reason", default="", metavar="TEXT", help="why; kept for ever 事由")
    parser.add_argument(
        "--key",
        default="",
        metavar="TEXT",
        help=f"idempotency key {key}: asked again under it, nothing is done twice 幂等键",
    )
    if dry_run:
        parser.add_argument("--dry-run", action="store_true", help="only try, keep nothing 试运行")
    parser.add_argument("--json", action="store_true", help="print JSON, one value a line")
    add_actor(parser)
    parser.set_defaults(dry_run=False)


def actor_of(args: argparse.Namespace) -> Actor:
    """Who is acting, as options and environment say.

    Raises:
        ActorError: it is nobody, in no role there is, or a registrar of no owner.
    """
    from csid.identifier import fold
    from registry.rules.requests import Actor, Role

    name = args.actor or os.environ.get(ACTOR_VARIABLE) or _login()
    word = args.role or os.environ.get(ROLE_VARIABLE) or DEFAULT_ROLE
    if word not in ROLES:
        raise ActorError(
            f"${ROLE_VARIABLE}: {word[:40]!r} is no role; use one of {', '.join(ROLES)}"
        )
    role = Role(word)
    owner = args.acting_for or os.environ.get(OWNER_VARIABLE) or ""
    if role is not Role.REGISTRAR:
        return Actor(name, role)
    if not owner:
        raise ActorError("a registrar acts for an owner: give its code with --owner")
    return Actor(name, role, fold(owner))


def request_of(args: argparse.Namespace, body: Body) -> Request:
    """The request that a command line makes."""
    from registry.rules.requests import Request

    return Request(actor_of(args), body, args.reason, args.key)


def require_auditor(args: argparse.Namespace) -> None:
    """Refuse who may not look into the audit log.

    Raises:
        ActorError: the role may not.
    """
    from registry.rules.policy import MAY_AUDIT

    actor = actor_of(args)
    if actor.role not in MAY_AUDIT:
        allowed = ", ".join(sorted(role.value for role in MAY_AUDIT))
        raise ActorError(f"{actor.name} is {actor.role.value}; the audit log is for: {allowed}")


def _login() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a user id without a name
        raise ActorError("nobody is logged in by name: say who is acting with --as NAME") from None
