"""Texts that people give with a request: they are shown on terminals and kept for ever."""

from __future__ import annotations

from csid.fields import hidden_in
from registry.rules.decision import Refusal
from registry.rules.requests import ACTOR_MAX, KEY_MAX, TEXT_MAX, Request
from registry.rules.status import Status


def text_fault(what: str, text: str, most: int = TEXT_MAX, least: int = 1) -> Refusal | None:
    """Whether a text has ``least`` to ``most`` characters, all of which can be seen."""
    if not least <= len(text) <= most:
        return Refusal(
            Status.BAD_VALUE,
            f"{what} has {len(text)} characters, expected {least} to {most}",
        )
    if least and not text.strip():
        return Refusal(Status.BAD_VALUE, f"{what} is nothing but spaces")
    if hidden := hidden_in(text):
        return Refusal(
            Status.BAD_VALUE, f"{what} has control characters or such as nobody sees: {hidden}"
        )
    return None


def request_fault(request: Request) -> Refusal | None:
    """Whether the texts around a request's body may be kept."""
    return (
        text_fault("the actor's name", request.actor.name, ACTOR_MAX)
        or text_fault("the actor's owner", request.actor.owner, ACTOR_MAX, 0)
        or text_fault("the reason", request.reason, TEXT_MAX, 0)
        or text_fault("the idempotency key", request.key, KEY_MAX, 0)
    )
