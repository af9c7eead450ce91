"""What a command refuses or fails at, and what else it says beside its result: a line of stderr
each, as text for people or, with --json, as JSON (`schemas/commands/errors.json`).
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from gateway.language import shown

if TYPE_CHECKING:
    from registry.rules.decision import Decision

_JSON: Final = ("--j", "--js", "--jso", "--json")  # argparse takes the beginning of an option, too


class _Form:
    """Of what this process says on stderr."""

    is_json = False


def choose_form(words: Sequence[str]) -> None:
    """Say it as JSON from now on, if a command line asks for it: before it is known to be right, as
    what is wrong with it is said so as well.
    """
    _Form.is_json = asks_for_json(words)


def asks_for_json(words: Sequence[str]) -> bool:
    """Whether a command line has --json."""
    end = words.index("--") if "--" in words else len(words)
    return any(word in _JSON for word in words[:end])


def are_json() -> bool:
    """Whether it is said as JSON."""
    return _Form.is_json


def print_error(message: object, decision: Decision | None = None, hint: str = "") -> None:
    """Print one error as JSON.

    Args:
        message: in words; an exception may tell what it is about, and what is wrong with that.
        decision: the refusal that it is, if it is one.
        hint: what is to be done, or was meant.
    """
    error: dict[str, Any] = {
        "message": shown(str(message)),
        "status": None,
        "name": None,
        "subject": getattr(message, "where", None),
        "detail": getattr(message, "reason", None),
    }
    if decision is not None:
        error["status"], error["name"] = decision.status.number, decision.status.name
        error["subject"], error["detail"] = decision.subject or None, decision.detail or None
    _print({"error": error | ({"hint": shown(hint)} if hint else {})})


def print_note(message: str) -> None:
    """Print as JSON what is no error, and not what was asked for either."""
    _print({"note": {"message": shown(message).strip()}})


def _print(value: dict[str, Any]) -> None:
    from gateway.cli.plain import print_json  # which a right `csid serve` needs not

    print_json(value, sys.stderr)
