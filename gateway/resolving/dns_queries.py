"""`/dns-query`: DNS over HTTPS (RFC 8484)."""

from __future__ import annotations

import base64
import binascii
import time
from collections.abc import Sequence
from ipaddress import ip_address
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from csid import names
from csid.client import wire
from csid.client.wire import MessageError
from csid.limits import MAX_MESSAGE_OCTETS
from csid.protocol import EDE_NO_AUTHORITY, NOERROR, NXDOMAIN, SERVFAIL, SOA
from gateway.http.problems import Problem
from gateway.resolving.calls import Bodies, media_of
from gateway.resolving.lookups import Lookups, Question
from gateway.resolving.problems import Fault
from resolver.answer.process import Answerer
from resolver.answer.reply import Reply
from resolver.cache import entry as entries
from resolver.cache.source import CacheSource
from resolver.server.recursive.missed import is_refused

DNS: Final = "application/dns-message"
_GET_MAX: Final = 4 * (MAX_MESSAGE_OCTETS + 2) // 3


class DnsQueries:
    """Answers queries.

    Args:
        lookups: finds out.
        answerer: reads queries and makes messages.
        served: keys of the names at and below which others are asked.
    """

    def __init__(
        self, lookups: Lookups, answerer: Answerer, served: Sequence[bytes], bodies: Bodies
    ) -> None:
        self._lookups = lookups
        self._answerer = answerer
        self._served = tuple(served)
        self._bodies = bodies

    async def get(self, request: Request) -> Response:
        """Answer `GET /dns-query?dns=...`.

        Raises:
            Problem: there is no query.
        """
        text = request.query_params.get("dns", "")
        try:
            if not text or len(text) > _GET_MAX:
                raise ValueError("it is missing or too long")
            octets = text.encode("ascii")
            packet = base64.b64decode(octets + b"=" * (-len(octets) % 4), b"-_", validate=True)
        except (ValueError, binascii.Error) as error:
            detail = f"dns: expected a DNS message in base64url (RFC 8484 section 4.1): {error}"
            raise Problem(Fault.MALFORMED, detail) from None
        return await self._answer(request, packet)

    async def post(self, request: Request) -> Response:
        """Answer `POST /dns-query`.

        Raises:
            Problem: there is no query.
        """
        media = media_of(request.headers.get("content-type", ""))
        if media != DNS:
            raise Problem(Fault.MEDIA, f"expected Content-Type {DNS}, given {media[:80]!r}")
        return await self._answer(request, await self._bodies.read(request, MAX_MESSAGE_OCTETS))

    async def _answer(self, request: Request, packet: bytes) -> Response:
        left: list[Reply] = []

        def missed(reply: Reply) -> bool:
            if is_refused(reply, self._served):
                return True
            left.append(reply)
            return False

        now = int(time.time())
        client = ip_address(request.client.host).packed if request.client else b"\0\0\0\0"
        self._answerer.over_tls = request.url.scheme == "https"
        with self._lookups.moment() as txn:
            # What is popular is renewed by those that ask over UDP.
            source = CacheSource(txn.get, self._lookups.marks, now, missed, lambda _: None)
            message = self._answerer.answer(packet, source, now, client, True)
        if message is None and left:
            message = await self._asked(left[0], request.url.scheme == "https")
        if message is None:
            raise Problem(Fault.MALFORMED, "expected a DNS query (RFC 1035 section 4.1)")
        fresh = freshness(message)
        said = "no-store" if fresh is None else f"max-age={fresh}"
        return Response(message, headers={"Cache-Control": said}, media_type=DNS)

    async def _asked(self, reply: Reply, over_tls: bool) -> bytes:
        question = Question(names.wire_of_key(reply.key), reply.qtype)
        entry = await self._lookups.find(question)
        now = int(time.time())
        if entry is None:
            reply.rcode, reply.ede = SERVFAIL, EDE_NO_AUTHORITY
        else:
            entries.fill(reply, entry, now)
        self._answerer.over_tls = over_tls
        return self._answerer.finish(reply, now)


def freshness(message: bytes) -> int | None:
    """For how many seconds a message may be kept (RFC 8484 section 5.1); None: not at all."""
    try:
        name, end = wire.read_name(message, 12)
        asked = wire.question(name, int.from_bytes(message[end : end + 2], "big"))
        read = wire.read(message, asked)
        if read.rcode not in (NOERROR, NXDOMAIN):
            return None
        if read.answers:
            return min([row.ttl for row in read.answers])
        return min([wire.negative_ttl(read, one) for one in read.authorities if one.type == SOA])
    except (MessageError, IndexError, ValueError):
        return None
