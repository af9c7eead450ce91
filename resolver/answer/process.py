"""Answering: a query's bytes in, the answer's bytes out, or None where silence is right.

The route, forward only:

    parse (parse.py, edns.py) → admit → Source.resolve (resolve.py, lookup.py) → shape
          → encode (encode.py, fit.py) → sign → observe

No clock, no socket, no store: the time, the asker and what to answer from are arguments. Nothing a
stranger sends, and nothing that is damaged in the store, raises an exception.
"""

from __future__ import annotations

from collections.abc import Callable

from csid import names
from csid.protocol import EDE_INVALID_DATA, NOERROR, SERVFAIL
from resolver.answer.edns import OptWriter
from resolver.answer.encode import Encoder
from resolver.answer.parse import parse
from resolver.answer.reply import Reply
from resolver.answer.source import NO_STAGES, Source, Stages

Special = Callable[[Reply, Source, int], "bytes | None"]


def _tell_nobody(message: str) -> None:
    """Where no log is kept."""


class Answerer:
    """Answers queries.

    Args:
        opt: writes the OPT records of the answers.
        stages: what plugins add.
        tell: is told, at most once a second, that a name could not be answered for, and why.
        recursive: others are asked for who wants that, which all answers say.

    Attributes:
        special: looks after what is no plain query, if somebody does (`Reply.special`): given the
            reply, the source and the seconds since 1970, it gives the answer as `answer` does.

    Attributes:
        over_tls: what is answered came over TLS.
    """

    def __init__(
        self,
        opt: OptWriter,
        stages: Stages = NO_STAGES,
        tell: Callable[[str], None] = _tell_nobody,
        recursive: bool = False,
    ) -> None:
        self._encoder = Encoder(opt, recursive)
        self._admit = stages.admit
        self._shape = stages.shape
        self._observe = stages.observe
        self._tell = tell
        self.special: Special | None = None
        self._told = 0  # when last, in seconds since 1970

    @property
    def over_tls(self) -> bool:
        return self._encoder.over_tls

    @over_tls.setter
    def over_tls(self, is_so: bool) -> None:
        self._encoder.over_tls = is_so

    def answer(
        self, packet: bytes, source: Source, now: int, address: bytes, stream: bool
    ) -> bytes | None:
        """The answer to a packet; None if it deserves none, or none yet.

        Args:
            packet: the message as received, without TCP's length.
            source: what to answer from.
            now: seconds since 1970.
            address: the asker's IP address, 4 or 16 octets.
            stream: the message came over TCP.
        """
        reply = parse(packet, address, stream)
        if reply is None:
            return None
        if reply.special and self.special is not None:
            try:
                return self.special(reply, source, now)
            except Exception as error:
                self._fail(reply, now, error)
        elif reply.asks and not self.ask(reply, source, now):
            return None
        return self.finish(reply, now)

    def ask(self, reply: Reply, source: Source, now: int) -> bool:
        """Have a source fill a reply that `asks`; False if the answer is pending."""
        try:
            if self._admit:
                for admit in self._admit:
                    admit(reply)
            if reply.rcode != NOERROR:
                reply.asks = False  # refused: no source is asked, and there is nothing to shape
            elif not source.resolve(reply):
                return False
        except Exception as error:
            # Damage in the store costs the names it lies at, and nobody else.
            self._fail(reply, now, error)
        return True

    def finish(self, reply: Reply, now: int) -> bytes:
        """The message of a reply that a source has filled; `now` is in seconds since 1970."""
        try:
            if self._shape and reply.asks:
                for shape in self._shape:
                    shape(reply)
            message = self._encoder.encode(reply, now)
        except Exception as error:
            self._fail(reply, now, error)
            message = self._encoder.encode(reply, now)
        if reply.sign is not None:
            message = reply.sign(message, now)
        if self._observe:
            for observe in self._observe:
                observe(reply)
        return message

    def _fail(self, reply: Reply, now: int, error: Exception) -> None:
        reply.clear()
        reply.asks = False
        reply.rcode, reply.ede = SERVFAIL, EDE_INVALID_DATA
        if now != self._told:
            self._told = now
            name = names.to_text(names.wire_of_key(reply.key))
            self._tell(f"{name} cannot be answered for: {error!r}; SERVFAIL is given")
