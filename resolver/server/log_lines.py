"""The lines of the log: a notice as text, as JSON, and as processes hand it to their supervisor.

    plain  csid: MESSAGE                                       where nobody says how
    text   TIME LEVEL PROCESS EVENT: MESSAGE KEY=VALUE ...
    json   {"time", "level", "process", "event", "message", KEY: VALUE ...}

Times are ISO 8601 in UTC. Keys are those of the event; no value of one is ever a secret.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from csid.moments import iso

LEVELS: Final = ("debug", "info", "warning", "error")
MAX_LINE_OCTETS: Final = 4_096  # PIPE_BUF: what a pipe that is writable takes whole (pipe(7))
OUTPUT: Final = "output"  # the event of a line that is no notice of ours
_END: Final = 1 << 36  # seconds since 1970, behind which there is no date
_MARK: Final = b"\x1e"  # as a JSON text sequence has it (RFC 7464); no line of others begins so
_CONTROLS: Final = {code: f"\\x{code:02x}" for code in (*range(32), 127)} | {10: " "}
_DELETE: Final = {0x7F: "\\u007f"}  # the one control that JSON leaves as it is

Render = Callable[["Notice"], str]


class Notice(NamedTuple):
    """One thing to be said.

    Attributes:
        time: seconds since 1970.
        level: one of LEVELS.
        process: that says it.
        event: what it is about, one word, always the same.
        message: the same for people.
        values: what scripts want of it: texts and numbers by name.
    """

    time: float
    level: str
    process: str
    event: str
    message: str
    values: Mapping[str, Any]


def plain(notice: Notice) -> str:
    message = notice.message.replace("\n", " ")
    return message if notice.event == OUTPUT else f"csid: {message}"


def text(notice: Notice) -> str:
    said = notice.message.translate(_CONTROLS)
    values = "".join(f" {key}={_value(value)}" for key, value in notice.values.items())
    when, process = iso(notice.time, "milliseconds"), notice.process.replace(" ", "-")
    return f"{when} {notice.level} {process} {notice.event}: {said}{values}"


def as_json(notice: Notice) -> str:
    fields = notice._asdict() | {"time": iso(notice.time, "milliseconds")} | dict(notice.values)
    del fields["values"]
    return json.dumps(fields, ensure_ascii=False)


RENDERS: Final[Mapping[str, Render]] = {"text": text, "json": as_json}


def handed_over(notice: Notice) -> str:
    """As `read` understands it."""
    return _MARK.decode() + json.dumps(notice)


def read(line: bytes, process: str, now: float) -> Notice:
    """What a line of a process says; a line that is no notice of ours is one by itself.

    Args:
        process: whose it is.
        now: seconds since 1970.
    """
    if line.startswith(_MARK):
        try:
            when, level, _, event, message, values = json.loads(line[len(_MARK) :])
            if level in LEVELS and isinstance(values, dict) and 0 <= when < _END:
                return Notice(when, level, process, str(event), str(message), values)
        except (ValueError, TypeError, RecursionError):
            pass  # it was cut off, or is of something that only looks like one of ours
    said = line.decode("utf-8", "backslashreplace")
    return Notice(now, "error", process, OUTPUT, said, {})


def line_of(render: Render, notice: Notice) -> bytes:
    """A notice as a line of at most MAX_LINE_OCTETS, shortened where it would be longer."""
    line = _encoded(render(notice))
    if len(line) > MAX_LINE_OCTETS:
        notice = notice._replace(values={})
        # Each character takes an octet at least.
        over = max(0, len(_encoded(render(notice))) - MAX_LINE_OCTETS)
        kept = notice.message[: max(0, len(notice.message) - over)]
        line = _encoded(render(notice._replace(message=kept)))
    return line[: MAX_LINE_OCTETS - 1] + b"\n" if len(line) > MAX_LINE_OCTETS else line


def _encoded(said: str) -> bytes:
    return said.encode("utf-8", "backslashreplace") + b"\n"


def _value(value: object) -> str:
    said = str(value)
    is_word = bool(said) and said.isprintable() and not set(said) & set(' ="\\')
    return said if is_word else json.dumps(said, ensure_ascii=False).translate(_DELETE)
