"""The actors of the configuration as the rules have them."""

from __future__ import annotations

from gateway.configuration.sections import Configuration
from registry.rules.acting import Known
from registry.rules.requests import Role


def known(found: Configuration) -> tuple[Known, ...]:
    """Whom a node knows, in order."""
    return tuple(
        Known(one.name, Role(one.role), one.owner, one.uid, one.gid, one.acts_for_others)
        for one in found.actor
    )
