"""Padding of messages (RFC 7830) to whole blocks (RFC 8467)."""

from __future__ import annotations

import dns.edns
import dns.message
from hypothesis import given
from hypothesis import strategies as st

from csid import names
from csid.limits import MAX_MESSAGE_OCTETS, PADDED_OCTETS, PADDED_QUERY_OCTETS
from resolver.answer.edns import padded
from resolver.sync import checks, expire, tsig
from resolver.sync.expire import QUERY_OPT

KEY = tsig.Key(names.from_text("key."), "hmac-sha256", bytes(32))
LEAST = len(QUERY_OPT)


@given(st.integers(LEAST, MAX_MESSAGE_OCTETS), st.sampled_from([PADDED_OCTETS, 128, 1]))
def test_a_message_fills_blocks_or_is_as_large_as_can_be(octets: int, block: int) -> None:
    size = octets + len(padded(QUERY_OPT, octets, block)) - len(QUERY_OPT)
    assert octets <= size <= MAX_MESSAGE_OCTETS
    if size % block and size < MAX_MESSAGE_OCTETS:
        assert size == octets > MAX_MESSAGE_OCTETS - 4  # there was no room for the option


@given(st.from_regex(r"[a-z]{1,60}(\.[a-z]{1,60}){0,2}\.", fullmatch=True), st.booleans())
def test_a_query_is_what_it_was_and_its_signature_is_counted(zone: str, is_signed: bool) -> None:
    query = checks.query(7, names.from_text(zone))
    made = expire.pad(query, tsig.room(KEY) if is_signed else 0)
    if is_signed:
        made, _ = tsig.sign(made, KEY, 1_800_000_000)
    assert len(made) % PADDED_QUERY_OCTETS == 0
    read, plain = dns.message.from_wire(made, keyring=False), dns.message.from_wire(query)
    assert read.question == plain.question
    *others, padding = read.options
    assert others == list(plain.options)
    assert padding.otype == dns.edns.OptionType.PADDING
