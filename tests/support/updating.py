"""UPDATEs of the tests: made by dnspython, signed with one key, carried out in a directory."""

from __future__ import annotations

import time
from ipaddress import ip_address
from pathlib import Path

import dns.message
import dns.rcode
import dns.tsig
import dns.tsigkeyring
import dns.update

from csid import names
from registry.core import Core
from registry.tables import transaction
from registry.verify import Report, verify
from registry.zones import updates
from resolver.store.environment import Store
from resolver.sync.settings import KEYS, RIGHTS, KeyRow, Rights, Subject, pack, where
from resolver.zonefile.writer import dump

KEY = "update-key."
SECRET = b"0123456789abcdef0123456789abcdef"
RING = dns.tsigkeyring.from_text(
    {KEY: ("hmac-sha256", "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=")}
)
HERE = ip_address("127.0.0.1").packed


def allow(store: Store, *origins: str, key: str = KEY) -> None:
    """Let a key update zones."""
    wire = names.from_text(key)
    with store.write() as txn:
        txn.table(KEYS).put(wire, pack(KeyRow("hmac-sha256", SECRET)))
        for origin in origins:
            apex = names.key_of(names.from_text(origin))
            rights = Rights(update=(Subject(key=wire),))
            txn.table(RIGHTS).put(where(apex), pack(rights))


def core(data: Path, sync: bool = False) -> Core:
    """What UPDATEs are carried out on."""
    store = Store.open(data, writable=True, sync=sync)
    transaction.open_tables(store)
    return Core(store)


def signed(message: dns.update.UpdateMessage, key: str = KEY) -> bytes:
    """A message as its asker sends it; it keeps what it takes to look at the answer."""
    message.use_tsig(RING, key)
    return message.to_wire(max_size=65_535)


def new(origin: str, edns: bool = True) -> dns.update.UpdateMessage:
    """An UPDATE of a zone that asks for nothing yet."""
    message = dns.update.UpdateMessage(origin)
    if edns:
        message.use_edns()
    return message


def read(message: dns.update.UpdateMessage, answer: bytes) -> dns.message.Message:
    """The answer, whose signature must be right."""
    return dns.message.from_wire(answer, keyring=RING, request_mac=message.mac)


def ask(core: Core, message: dns.update.UpdateMessage) -> str:
    """Carry one out; its response code, and behind it in words why, if that is told."""
    answer = updates.answer(core, signed(message), HERE, True, int(time.time()))
    return told(read(message, answer))


def told(answer: dns.message.Message) -> str:
    """A response code, and what an extended error says beside it."""
    texts = [option.text or "" for option in answer.options if option.otype == 15]
    return " ".join([dns.rcode.to_text(answer.rcode()), *texts])


def text(store: Store, origin: str) -> set[str]:
    """The records of a zone as text, one a line."""
    with store.read() as read:
        held = read.zone(names.from_text(origin))
        return set(dump(held.origin, read.rows(held)))


def verified(store: Store) -> Report:
    """What verification says."""
    with store.read() as read:
        return verify(read)
