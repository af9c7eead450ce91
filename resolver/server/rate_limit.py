"""Response rate limiting over UDP: a network that is sent too many answers of one kind is sent
fewer, as its addresses may be forged and the answers an attack on it.

As in BIND, Knot and NSD: each network (a prefix of the asker's address) has an account for each
outcome. An answer takes 1 from it, each second adds `per_second`, up to that. Below 0 nothing is
answered but every `slip`-th time, with an empty answer that is marked as cut down: who really asks,
asks again over TCP. The debt grows to `window` seconds' worth at most, so that who stops is
forgiven then. Whoever shows a server cookie of ours (RFC 9018) has not forged the address, and is
never limited.

The accounts are a table of fixed size in each worker, found by a hash that strangers do not know;
where a place is taken, the account that owes least makes room.
"""

from __future__ import annotations

import json
import os
from array import array
from collections.abc import Sequence
from hashlib import blake2b
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Final, NamedTuple

from csid.limits import HEADER_OCTETS
from csid.protocol import NOERROR, NXDOMAIN, OPTION_COOKIE
from resolver.server.counters import LIMITED, SLIPPED, Counters

try:
    from csid.coctets import cookie_option
except ImportError:  # not compiled on this machine
    from csid.octets import cookie_option

ACCOUNTS: Final = 1 << 16
WAYS: Final = 4  # places in which an account may be
KNOWN_MOST: Final = 4_096  # addresses whose network is remembered; accounts whose key is
# RFC 9018 section 4.3: seconds that a server cookie may be old, or from a clock ahead of ours.
COOKIE_SECONDS: Final = 3_600
COOKIE_AHEAD_SECONDS: Final = 300

_COOKIE_HEAD: Final = OPTION_COOKIE.to_bytes(2, "big") + (24).to_bytes(2, "big")
_OPCODE, _AA, _TC = 0x78, 0x04, 0x02
# Outcomes: what an attacker can choose between by what is asked.
_ANSWER, _NODATA, _REFERRAL, _NXDOMAIN, _ERROR = b"adrxe"


class Limits(NamedTuple):
    """What is allowed.

    Attributes:
        per_second: answers of one outcome to one network.
        slip: of so many that are held back, one is sent as a cut-down answer; 0: none is.
        window: seconds until a debt is forgiven, at most.
        prefix_v4, prefix_v6: bits of an address that tell its network.
        exempt: networks that are never limited.
    """

    per_second: int
    slip: int = 2
    window: int = 15
    prefix_v4: int = 24
    prefix_v6: int = 56
    exempt: tuple[IPv4Network | IPv6Network, ...] = ()


def packed(limits: Limits) -> str:
    """As an option of a process has it, for `unpacked`."""
    return json.dumps(limits._asdict() | {"exempt": [str(one) for one in limits.exempt]})


def unpacked(text: str) -> Limits:
    """What `packed` has made."""
    fields = json.loads(text)
    return Limits(**fields | {"exempt": tuple(map(ip_network, fields["exempt"]))})


class RateLimiter:
    """The accounts of one worker.

    Args:
        limits: what is allowed.
        secret: by which server cookies are made.
        counters: answers held back are counted there.
    """

    def __init__(self, limits: Limits, secret: bytes, counters: Counters) -> None:
        self._limits = limits
        self._secret = secret
        self._counters = counters
        self._floor = -limits.per_second * limits.window
        self._salt = os.urandom(16)
        self._keys = array("Q", bytes(8 * ACCOUNTS))  # 0: free
        self._balances = array("q", bytes(8 * ACCOUNTS))
        self._times = array("Q", bytes(8 * ACCOUNTS))  # seconds, of the balance
        self._slips = array("I", bytes(4 * ACCOUNTS))  # answers held back
        self._networks: dict[bytes, bytes] = {}  # of addresses; empty: exempt
        self._known_keys: dict[bytes, int] = {}  # of networks and outcomes

    def limit(
        self,
        packets: Sequence[bytes],
        addresses: Sequence[bytes],
        replies: list[bytes | None],
        now: int,
    ) -> None:
        """Hold back answers of a batch, or put cut-down ones in their place.

        Args:
            packets: what was asked; `addresses`, by whom (4 or 16 octets); `replies`, what is to be
                answered: all by the same positions.
            now: seconds since 1970.
        """
        for slot, reply in enumerate(replies):
            if reply is None or reply[2] & _OPCODE:
                continue  # an answer to NOTIFY or UPDATE is no larger than what was asked
            address = addresses[slot]
            network = self._networks.get(address)
            if network is None:
                network = self._network(address)
            if not network:
                continue
            place = self._place(network, outcome(reply), now)
            if self._balances[place] >= 0 or self._knows_us(packets[slot], address, now):
                continue
            replies[slot] = self._held_back(place, reply)

    def _held_back(self, place: int, reply: bytes) -> bytes | None:
        self._slips[place] = held = (self._slips[place] + 1) & 0xFFFFFFFF
        if self._limits.slip and held % self._limits.slip == 0:
            self._counters[SLIPPED] += 1
            return cut_down(reply)
        self._counters[LIMITED] += 1
        return None

    def _place(self, network: bytes, kind: int, now: int) -> int:
        """Take an answer from an account, and give its place."""
        key = self._key(network + bytes((kind,)))
        rate = self._limits.per_second
        first = key % (ACCOUNTS // WAYS) * WAYS
        poorest = first
        for place in range(first, first + WAYS):
            if self._keys[place] == key:
                elapsed = max(0, now - self._times[place])
                balance = min(rate, self._balances[place] + elapsed * rate)
                self._times[place] = now
                self._balances[place] = max(self._floor, balance - 1)
                return place
            if self._worth(place, now) > self._worth(poorest, now):
                poorest = place
        self._keys[poorest], self._times[poorest] = key, now
        self._balances[poorest], self._slips[poorest] = rate - 1, 0
        return poorest

    def _key(self, account: bytes) -> int:
        """What an account is known by in the table."""
        key = self._known_keys.get(account)
        if key is None:
            if len(self._known_keys) >= KNOWN_MOST:
                self._known_keys.clear()
            digest = blake2b(account, digest_size=8, key=self._salt).digest()
            self._known_keys[account] = key = int.from_bytes(digest, "big") or 1
        return key

    def _worth(self, place: int, now: int) -> int:
        """What an account has by now; more than any if it is free."""
        if not self._keys[place]:
            return self._limits.per_second + 1
        elapsed = max(0, now - self._times[place])
        owns = self._balances[place] + elapsed * self._limits.per_second
        return min(self._limits.per_second, owns)

    def _network(self, address: bytes) -> bytes:
        """What an address counts for; nothing if it is exempt."""
        if len(self._networks) >= KNOWN_MOST:
            self._networks.clear()
        bits = 8 * len(address)
        number = int.from_bytes(address, "big")
        is_v4 = len(address) == 4
        prefix = self._limits.prefix_v4 if is_v4 else self._limits.prefix_v6
        exempt = any(
            one.max_prefixlen == bits
            and number >> bits - one.prefixlen == int(one.network_address) >> bits - one.prefixlen
            for one in self._limits.exempt
        )
        shortened = number >> bits - prefix << bits - prefix
        network = b"" if exempt else shortened.to_bytes(len(address), "big")
        self._networks[address] = network
        return network

    def _knows_us(self, packet: bytes, address: bytes, now: int) -> bool:
        """Whether a packet shows a server cookie that was given to this address lately."""
        at = packet.find(_COOKIE_HEAD, HEADER_OCTETS)
        if at < 0 or at + len(_COOKIE_HEAD) + 24 > len(packet):
            return False
        cookie = packet[at + len(_COOKIE_HEAD) : at + len(_COOKIE_HEAD) + 24]
        made = int.from_bytes(cookie[12:16], "big")
        age = (now - made + (1 << 31)) % (1 << 32) - (1 << 31)  # RFC 1982
        if not -COOKIE_AHEAD_SECONDS <= age <= COOKIE_SECONDS:
            return False
        option: bytes = cookie_option(self._secret, cookie[:8], made, address)
        return option[len(_COOKIE_HEAD) :] == cookie


def outcome(reply: bytes) -> int:
    """What kind of answer a message is."""
    rcode = reply[3] & 15
    if rcode == NXDOMAIN:
        return _NXDOMAIN
    if rcode != NOERROR:
        return _ERROR
    if reply[6] or reply[7]:
        return _ANSWER
    return _NODATA if reply[2] & _AA else _REFERRAL


def cut_down(reply: bytes) -> bytes:
    """An answer without records, marked as truncated (RFC 2181 section 9), so that it is asked for
    over TCP; it says nothing else, a response code least of all.
    """
    end = HEADER_OCTETS
    if reply[5]:
        while 0 < reply[end] < 64:
            end += 1 + reply[end]
        end += 5
    flags = bytes((reply[2] & ~_AA | _TC, reply[3] & 0xF0))
    return reply[:2] + flags + reply[4:6] + bytes(6) + reply[HEADER_OCTETS:end]
