"""What a message says of a name as far as the servers of a zone may say it, by dnspython: what
`resolver.recursion.reading` is held to.
"""

from __future__ import annotations

from typing import NamedTuple

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rrset

from csid.limits import MAX_CHAIN
from csid.protocol import CNAME, DNAME, NS, SOA

REFERRAL, ANSWER, ALIAS, NO_NAME, NO_DATA, LAME = (
    "referral",
    "answer",
    "alias",
    "NXDOMAIN",
    "no data",
    "lame",
)


class Said(NamedTuple):
    """A message as read."""

    outcome: str
    text: str
    name: dns.name.Name  # of an alias its target, of a referral the cut
    rrset: dns.rrset.RRset | None = None
    ttl: int = 0
    hosts: tuple[dns.name.Name, ...] = ()


def read(
    message: dns.message.Message, name: dns.name.Name, rrtype: int, cut: dns.name.Name
) -> Said:
    """What a message says of a name, as far as a server of the zone at `cut` may say it."""
    rcode = message.rcode()
    if rcode not in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN):
        return Said(LAME, _refusal(message), name)
    is_authoritative = bool(message.flags & dns.flags.AA)
    found = _answer(message, name, rrtype, cut) if is_authoritative else None
    if found is not None:
        return found
    soa = _soa_above(message, name, cut)
    if is_authoritative and (soa is not None or not _delegations(message)):
        ttl = 0 if soa is None else min(soa.ttl, soa[0].minimum)
        if rcode == dns.rcode.NXDOMAIN:
            return Said(NO_NAME, "NXDOMAIN: no such name", name, None, ttl)
        return Said(NO_DATA, "the name has no such record", name, None, ttl)
    return _referral(message, name, cut)


def _refusal(message: dns.message.Message) -> str:
    texts = [
        f"{option.text or ''} (EDE {int(option.code)})".strip()
        for option in message.options
        if int(option.otype) == dns.edns.OptionType.EDE
    ]
    return " ".join([dns.rcode.to_text(message.rcode()), *texts])


def _answer(
    message: dns.message.Message, name: dns.name.Name, rrtype: int, cut: dns.name.Name
) -> Said | None:
    """The records asked for, or where the aliases lead that stand before them; None if there is
    neither. Records of names outside the cut are not looked at.
    """
    ttl = 2**31 - 1
    first = name
    for _ in range(MAX_CHAIN):
        if not name.is_subdomain(cut):
            break
        rrset = _find(message, name, rrtype)
        if rrset is not None:
            ttl = min(ttl, rrset.ttl)
            return Said(ANSWER, _through(first, name) + "answer", name, rrset, ttl)
        target, seconds = _target(message, name, cut)
        if target is None:
            break
        ttl = min(ttl, seconds)
        name = target
    if name == first:
        return None
    if message.rcode() == dns.rcode.NXDOMAIN and _soa_above(message, name, cut) is not None:
        return Said(NO_NAME, f"alias of {name}: NXDOMAIN, no such name", name, None, ttl)
    return Said(ALIAS, f"alias of {name}", name, None, ttl)


def _through(first: dns.name.Name, last: dns.name.Name) -> str:
    return "" if first == last else f"alias of {last}: "


def _find(message: dns.message.Message, name: dns.name.Name, rrtype: int) -> dns.rrset.RRset | None:
    for rrset in message.answer:
        if rrset.name == name and rrset.rdtype == rrtype:
            return rrset
    return None


def _target(
    message: dns.message.Message, name: dns.name.Name, cut: dns.name.Name
) -> tuple[dns.name.Name | None, int]:
    """What a name is an alias of, and for how many seconds."""
    for rrset in message.answer:
        if (
            rrset.rdtype == DNAME
            and name.is_subdomain(rrset.name)
            and name != rrset.name
            and rrset.name.is_subdomain(cut)
        ):
            kept = name.relativize(rrset.name)
            try:
                return kept.concatenate(rrset[0].target), rrset.ttl
            except dns.name.NameTooLong:
                return None, 0
    alias = _find(message, name, CNAME)
    return (None, 0) if alias is None else (alias[0].target, alias.ttl)


def _delegations(message: dns.message.Message) -> list[dns.rrset.RRset]:
    return [rrset for rrset in message.authority if rrset.rdtype == NS]


def _soa_above(
    message: dns.message.Message, name: dns.name.Name, cut: dns.name.Name
) -> dns.rrset.RRset | None:
    for rrset in message.authority:
        if rrset.rdtype == SOA and name.is_subdomain(rrset.name) and rrset.name.is_subdomain(cut):
            return rrset
    return None


def _referral(message: dns.message.Message, name: dns.name.Name, cut: dns.name.Name) -> Said:
    for rrset in _delegations(message):
        if not name.is_subdomain(rrset.name):
            continue
        if not rrset.name.is_subdomain(cut) or rrset.name == cut:
            return Said(LAME, f"lame: refers to {rrset.name}, which is not below {cut}", name)
        hosts = tuple(sorted(rdata.target for rdata in rrset))
        shown = ", ".join(str(host) for host in hosts)
        return Said(REFERRAL, f"referral to {rrset.name}: {shown}", rrset.name, None, 0, hosts)
    return Said(LAME, "lame: it says neither what is there nor who knows", name)
