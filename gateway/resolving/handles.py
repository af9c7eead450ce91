"""`GET /api/handles/{handle}`: Handles as the proxy of Handle.Net answers for them
(`gateway.handles`, schemas/handle.md).
"""

from __future__ import annotations

import time

from starlette.requests import Request
from starlette.responses import Response

from csid import names
from csid.client.answer import Answer, interpret
from csid.client.wire import MessageError
from csid.errors import CsidError, RefusedError, UnreachableError
from csid.protocol import CSID
from gateway.handles.answered import answered
from gateway.handles.asked import Asked, identifier_of, read
from gateway.language.choose import preferred
from gateway.resolving.calls import joined
from gateway.resolving.lookups import Lookups, Question
from gateway.resolving.meanings import HERE, Suffixes, message_of
from resolver.server.recursive.packets import GIVE_UP_SECONDS


class Handles:
    """Answers for Handles.

    Args:
        lookups: finds out.
        suffixes: of the DNS names of identifiers; a Handle is of one at the first.
    """

    def __init__(self, lookups: Lookups, suffixes: Suffixes) -> None:
        self._lookups = lookups
        self._suffix = suffixes.first
        self._suffix_text = names.to_text(suffixes.first)

    async def show(self, request: Request) -> Response:
        """Answer a call."""
        asked = read(request.path_params.get("handle", ""), request.query_params.multi_items())
        became = await self._became(asked)
        language = preferred(joined(request.scope["headers"], b"accept-language"))
        made = answered(asked, became, int(time.time()), self._suffix_text, language)
        return Response(made.octets, made.status, made.headers)

    async def _became(self, asked: Asked) -> Answer | CsidError:
        """What is found of a Handle, or why nothing can be said."""
        try:
            identifier = identifier_of(asked)
            name = identifier.to_wire(self._suffix)
            entry = await self._lookups.find(Question(name, CSID, asked.is_authoritative))
            if entry is None:
                raise UnreachableError(
                    f"{identifier}: nobody has answered within {GIVE_UP_SECONDS:.0f} s"
                )
            said = interpret(message_of(name, CSID, entry, int(time.time())), name, HERE)
        except MessageError as error:
            return RefusedError(f"{asked.handle[:80]}: {error}")
        except CsidError as error:
            return error
        return Answer(identifier, *said, "memory", 0.0, len(entry))
