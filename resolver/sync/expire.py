"""How long a zone may be served without hearing of its primary, told along (RFC 7314).

A secondary that asks another secondary must not hold the zone for longer than that one may: so who
is asked says how much is left, and who asks takes that in place of what the SOA says.
"""

from __future__ import annotations

from typing import Final

from csid.limits import EDNS_UDP_OCTETS, HEADER_OCTETS, PADDED_QUERY_OCTETS
from csid.protocol import OPT, OPTION_EXPIRE
from resolver.answer.edns import padded
from resolver.sync import states, timers
from resolver.sync.settings import Moment, follow_of
from resolver.sync.wire import behind_name

_OPTION: Final = OPTION_EXPIRE.to_bytes(2, "big")
_OPT: Final = OPT.to_bytes(2, "big")
# The OPT record of a query that asks for it (section 3.1): the option without data.
QUERY_OPT: Final = (
    b"\0" + _OPT + EDNS_UDP_OCTETS.to_bytes(2, "big") + bytes(4) + b"\0\4" + (_OPTION + b"\0\0")
)


def pad(query: bytes, reserved: int) -> bytes:
    """A query that ends with QUERY_OPT, padded for TLS (RFC 7830, RFC 8467 section 4.1).

    Args:
        reserved: octets of the signature that it gets.
    """
    opt = padded(QUERY_OPT, len(query) + reserved, PADDED_QUERY_OCTETS)
    return query[: -len(QUERY_OPT)] + opt


def left(moment: Moment, apex: bytes, now: int) -> int | None:
    """Seconds for which whoever has a zone (canonical key) from here may serve it from now on: of
    our own, what its SOA says; of one that follows another server, what is left of that.

    Returns:
        None if there is no zone with this apex, or nothing of it is here yet.
    """
    soa = timers.soa_of(moment, apex)
    if soa is None:
        return None
    if follow_of(moment, apex) is None:
        return soa.expire
    state = states.state_of(moment, apex)
    if state is None or not state.expires:
        return None
    return max(0, min(state.expires - now, soa.expire))


def told(message: bytes) -> int | None:
    """The seconds that the EXPIRE option of an answer tells; None if it tells none.

    Args:
        message: without its TSIG record.
    """
    additional = int.from_bytes(message[10:12], "big")
    if not additional:
        return None
    try:
        at = HEADER_OCTETS
        for _ in range(int.from_bytes(message[4:6], "big")):
            at = behind_name(message, at) + 4
        others = sum(int.from_bytes(message[one : one + 2], "big") for one in (6, 8))
        for number in range(others + additional):
            at = behind_name(message, at)
            end = at + 10 + int.from_bytes(message[at + 8 : at + 10], "big")
            if number >= others and message[at : at + 2] == _OPT:
                return _option(message[at + 10 : end])
            at = end
    except (IndexError, ValueError):
        pass
    return None


def _option(options: bytes) -> int | None:
    at = 0
    while at + 4 <= len(options):
        size = int.from_bytes(options[at + 2 : at + 4], "big")
        data = options[at + 4 : at + 4 + size]
        if options[at : at + 2] == _OPTION:
            return int.from_bytes(data, "big") if size == len(data) == 4 else None
        at += 4 + size
    return None


def until(now: int, soa: int, said: int | None, before: int, is_new: bool) -> int:
    """When a zone expires that its primary has just confirmed, in Unix seconds (section 4).

    Args:
        now: Unix seconds.
        soa: seconds that the zone's SOA gives it, which is the most.
        said: by the primary's EXPIRE option; None if it had none.
        before: when the zone was to expire until now, in Unix seconds.
        is_new: it was transferred, so what was left of the one before says nothing.
    """
    if said is None:
        return now + soa
    confirmed = now + min(said, soa)
    return confirmed if is_new else min(max(confirmed, before), now + soa)
