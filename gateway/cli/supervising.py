"""Who holds an identifier (监管暂停), as the root zone says it: asked of a server by DNS."""

from __future__ import annotations

import dns.rdatatype

from csid import names, scheme
from csid.address import Address
from csid.client.answer import Answer
from csid.errors import CsidError
from registry.rules.held import holders_text
from registry.zones.held import Seen, hold_of
from resolver.client.walking import ask


def held_by(
    answer: Answer, suffix: str | None, over_tcp: bool, server: Address | None = None
) -> list[Seen]:
    """Who holds an identifier or a prefix of it, the prefix first; nobody if that cannot be asked.

    Args:
        suffix: of the deployment; None: that of the scheme.
        server: whom to ask; None: who has answered.
    """
    of = names.to_text(names.from_text(suffix or scheme.load().dns_suffix))
    name = answer.alias_of or answer.identifier.to_dns_name(suffix)
    labels = name.removesuffix(of).rstrip(".").split(".")
    held: list[Seen] = []
    for depth in range(len(labels), 0, -1):
        above = labels[depth - 1 :]
        asked = f"{'.'.join(above)}.holds.{of}"
        try:
            reply = ask(asked, dns.rdatatype.TXT, server or answer.authority.server, over_tcp)
        except CsidError:
            return held
        found = [one for one in reply.message.answer if one.rdtype == dns.rdatatype.TXT]
        hold = hold_of([one.to_wire() or b"" for rrset in found for one in rrset])
        if hold is not None:
            held.append(Seen("/".join(reversed(above)).upper(), hold))
    return held


def text_of(seen: Seen) -> str:
    """Who holds something, in words."""
    return f"{seen.target} {holders_text(seen.hold)}"
