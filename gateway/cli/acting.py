"""Who is acting: what this process is to the node, and what options and environment claim."""

from __future__ import annotations

import argparse
import contextlib
import os
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from csid.errors import CsidError
from csid.identifier import fold
from csid.vocabulary import ROLES
from gateway.acting import known_here
from registry.core import acting_here
from registry.rules.acting import ActingError, Identity, trusted
from registry.rules.policy import MAY_AUDIT
from registry.rules.requests import Actor, Role
from registry.service import Registry
from registry.units import WHOAMI
from registry.writer import client
from resolver.answer.source import Stages

ACTOR_VARIABLE: Final = "CSID_ACTOR"
ROLE_VARIABLE: Final = "CSID_ROLE"
OWNER_VARIABLE: Final = "CSID_OWNER"


class ActorError(CsidError):
    """It is not clear who is acting."""


def add_actor(parser: argparse.ArgumentParser, role_option: str = "--role") -> None:
    """Add --as, --role and --owner; the second under another name where a node has a role."""
    group = parser.add_argument_group(
        "who is acting 操作人",
        "Otherwise the user of this process, as csid whoami shows it; for those who may act for "
        "others. 代他人操作",
    )
    group.add_argument("--as", dest="actor", metavar="NAME", help=f"name 姓名 (${ACTOR_VARIABLE})")
    group.add_argument(
        role_option,
        dest="role",
        choices=tuple(ROLES),
        help=f"in what capacity 角色 (${ROLE_VARIABLE}): "
        + ", ".join(f"{word} {zh}" for word, zh in ROLES.items()),
    )
    group.add_argument(
        "--owner",
        dest="acting_for",
        metavar="CODE",
        help=f"the owner that a registrar acts for 所代表主体 (${OWNER_VARIABLE})",
    )


def actor_of(args: argparse.Namespace) -> Actor:
    """Who is acting: what this process is to the node, or whom it may act for, as options and
    environment claim. The writer of the running node says so, else what is configured here.

    Raises:
        ActingError: it is nobody here, or may not act for that one.
        ActorError: that is in no role there is, or a registrar of no owner.
    """
    if not hasattr(args, "acts_as"):
        is_tried = getattr(args, "dry_run", False)
        args.acts_as = _whole(_tried_as(args) if is_tried else identity_of(args).actor)
    actor: Actor = args.acts_as
    return actor


def _tried_as(args: argparse.Namespace) -> Actor:
    """Whom a dry run is as: what would come of it, for anybody to ask."""
    try:
        return _actor_here(args)
    except ActingError:
        return trusted().actor(*_claim(args))


def require_auditor(args: argparse.Namespace) -> None:
    """Refuse who may not look into the audit log.

    Raises:
        ActingError, ActorError: as `actor_of`, by what is configured here; or the role may not.
    """
    actor = _actor_here(args)
    if actor.role not in MAY_AUDIT:
        allowed = ", ".join(sorted(role.value for role in MAY_AUDIT))
        raise ActorError(f"{actor.name} is {actor.role.value}; the audit log is for: {allowed}")


def open_for_writing(args: argparse.Namespace, sync: bool = True) -> Registry:
    """The registry that --data names, for writing as whoever is configured."""
    return Registry.open(args.data, True, sync, known_here(args.config), _stages_of(args))


def open_for_a_trial(args: argparse.Namespace) -> Registry:
    """The registry that --data names, to see what would come of a request."""
    return Registry.open(args.data, stages=_stages_of(args))


def _stages_of(args: argparse.Namespace) -> Callable[[], Stages]:
    def stages() -> Stages:
        from gateway.systems.hooks import stages_here  # which no writer of a running node needs

        return stages_here(args.config)

    return stages


def identity_of(args: argparse.Namespace) -> Identity:
    """Who this process is, and whom it acts as, as the writer of the running node says, or, where
    none runs, what is configured here.

    Raises:
        ActingError, ActorError: as `actor_of`.
    """
    writer = client.connected(args.data)
    if writer is None:
        return acting_here(args.data, known_here(args.config)).identity(*_claim(args))
    with contextlib.closing(writer):
        return Identity.of(writer.perform(WHOAMI, _claim(args)))


def _actor_here(args: argparse.Namespace) -> Actor:
    by = acting_here(args.data, known_here(args.config))
    return _whole(by.actor(*_claim(args)))


def _claim(args: argparse.Namespace) -> tuple[str, str, str]:
    """Name, role and owner, as options and environment say; empty where they say nothing."""
    word = args.role or os.environ.get(ROLE_VARIABLE) or ""
    if word and word not in ROLES:
        raise ActorError(
            f"${ROLE_VARIABLE}: {word[:40]!r} is no role; use one of {', '.join(ROLES)}"
        )
    owner = args.acting_for or os.environ.get(OWNER_VARIABLE) or ""
    if word and word != Role.REGISTRAR.value:
        owner = ""
    return args.actor or os.environ.get(ACTOR_VARIABLE) or "", word, fold(owner)


def _whole(actor: Actor) -> Actor:
    if actor.role is Role.REGISTRAR and not actor.owner:
        raise ActorError("a registrar acts for an owner: give its code with --owner")
    if actor.role is not Role.REGISTRAR and actor.owner:
        return replace(actor, owner="")
    return actor
