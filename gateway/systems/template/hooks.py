"""What the system adds to the node's own processes: identifiers of some owners are not changed."""

from __future__ import annotations

from typing import Any

from resolver.answer.source import Stages


def stages(settings: Any) -> Stages:
    """The hooks; there are four: admit, shape, check, observe (`resolver.answer.source.Stages`)."""
    frozen = frozenset(settings.frozen)

    def check(_seen: Any, change: Any) -> str:
        owner = change.name.partition("/")[0] if hasattr(change, "name") else ""
        return f"{owner} is frozen by the system template" if owner in frozen else ""

    return Stages(check=(check,))
