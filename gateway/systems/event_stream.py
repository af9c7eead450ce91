"""Server-sent events as they come (HTML Living Standard, 9.2.6), bounded: no octets are kept
without an end. No socket.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from csid.errors import CsidError

EVENT_OCTETS: Final = 1 << 20  # of one event


class StreamError(CsidError):
    """What comes is no stream of events that can be kept."""


class Event(NamedTuple):
    """An event: its name (`message` without one), its data, the number to go on behind."""

    name: str
    data: str
    number: str


class Events:
    """Makes events of octets.

    Attributes:
        last: the number of the last event that had one; what `Last-Event-ID` says.
    """

    def __init__(self) -> None:
        self.last = ""
        self._rest = b""
        self._name = ""
        self._data: list[str] = []
        self._octets = 0
        self._after_return = False

    def feed(self, octets: bytes) -> list[Event]:
        """The events that end in these octets.

        Raises:
            StreamError: one has no end.
        """
        if self._after_return and octets[:1] == b"\n":
            octets = octets[1:]
        self._after_return = octets[-1:] == b"\r" if octets else self._after_return
        text = self._rest + octets
        *lines, self._rest = text.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
        found = []
        for line in lines:
            self._octets += len(line)
            event = self._line(line.decode("utf-8", "replace"))
            if event is not None:
                found.append(event)
        if self._octets + len(self._rest) > EVENT_OCTETS:
            raise StreamError(f"an event of more than {EVENT_OCTETS:,} octets")
        return found

    def _line(self, line: str) -> Event | None:
        if not line:
            name, data = self._name or "message", "\n".join(self._data)
            had = bool(self._data)
            self._name, self._data, self._octets = "", [], 0
            return Event(name, data, self.last) if had else None
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if field == "data":
            self._data.append(value)
        elif field == "event":
            self._name = value
        elif field == "id" and "\0" not in value:
            self.last = value
        return None
