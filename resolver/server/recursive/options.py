"""The options that every process of a recursive resolver is started with, besides those of all
processes: whom it serves, and where the names begin that it knows of.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Final

from csid import address, names
from csid.protocol import EDE_PROHIBITED, REFUSED
from resolver.answer.edns import OptWriter
from resolver.answer.process import Answerer
from resolver.answer.reply import Reply
from resolver.answer.source import Stages
from resolver.recursion.cuts import Cut, top
from resolver.server import child_options
from resolver.server.notices import tell
from resolver.server.recursive.folder import cookie_secret

Network = IPv4Network | IPv6Network
_EVERYBODY: Final = frozenset((ip_network("0.0.0.0/0"), ip_network("::/0")))
_LOOPBACK: Final = frozenset((ip_network("127.0.0.0/8"), ip_network("::1/128")))
_ADDRESSES: Final = 4_096  # about which it is remembered whether they are allowed


def parser(module: str, purpose: str | None) -> argparse.ArgumentParser:
    """A parser with them, for further ones of one kind of process; as `child_options.parser`."""
    made = child_options.parser(module, purpose)
    for option, whose in (("--top", "its root's servers"), ("--forward", "resolvers to be asked")):
        made.add_argument(
            option, action="append", default=[], help=f'"NAME ADDRESS ...": a zone and {whose}'
        )
    made.add_argument("--allow", action="append", default=[], help="a network that is answered")
    return made


def words(tops: Iterable[Cut], allowed: Iterable[Network]) -> list[str]:
    """The options."""
    found: list[str] = []
    for cut in tops:
        where = " ".join(map(str, cut.addresses))
        found += ["--forward" if cut.forwards else "--top", f"{names.to_text(cut.name)} {where}"]
    for network in allowed:
        found += ["--allow", str(network)]
    return found


def tops_of(arguments: argparse.Namespace) -> list[Cut]:
    """The zones whose servers are configured."""
    return [
        _cut(words, forwards)
        for forwards, given in ((False, arguments.top), (True, arguments.forward))
        for words in given
    ]


def _cut(words: str, forwards: bool) -> Cut:
    name, *servers = words.split()
    return top(names.from_text(name), [address.parse(one) for one in servers], forwards)


def served_keys(arguments: argparse.Namespace) -> list[bytes]:
    """The keys of these zones."""
    return [names.key_of(one.name) for one in tops_of(arguments)]


def access_of(arguments: argparse.Namespace, host: str = "") -> tuple[Callable[[Reply], None], ...]:
    """What refuses questions from elsewhere (`resolver.answer.source.Stages.admit`); nothing where
    everybody is answered who can reach the address of a socket, if one is given.
    """
    allowed = [ip_network(one) for one in arguments.allow]
    reaching = _LOOPBACK if host and ip_address(host).is_loopback else _EVERYBODY
    if reaching <= set(allowed):
        return ()
    is_allowed = _looking_in(allowed)

    def admit(reply: Reply) -> None:
        if not is_allowed(reply.address):
            reply.rcode, reply.ede = REFUSED, EDE_PROHIBITED

    return (admit,)


def answerer_of(arguments: argparse.Namespace, host: str = "") -> Answerer:
    """What makes the messages of a process; `host` as of `access_of`.

    Raises:
        StoreError: the folder has no secret for cookies.
    """
    opt = OptWriter(cookie_secret(arguments.data), arguments.nsid.encode())
    return Answerer(opt, Stages(admit=access_of(arguments, host)), tell, recursive=True)


def allowing(allowed: Iterable[str]) -> Callable[[str], bool]:
    """Whether an address lies in one of some networks."""
    return _looking_in([ip_network(one) for one in allowed])


def _looking_in(allowed: list[Network]) -> Callable[[str | bytes], bool]:
    @lru_cache(_ADDRESSES)
    def is_allowed(address: str | bytes) -> bool:
        one = ip_address(address)
        return any(one in network for network in allowed)

    return is_allowed
