"""The system `template`, as a whole; `csid system new` gives it another name."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Final

import msgspec

from csid.errors import IdentifierError
from csid.identifier import parse
from csid.vocabulary import Words
from gateway.configuration import values
from gateway.configuration.options import option
from gateway.http.problems import Fault, Problem
from gateway.systems.contract import ASK, Answer, Call, Place, Route, System, Task

DAY: Final = 86_400_000  # milliseconds
_TABLE: Final = "notes"


@dataclass(frozen=True, slots=True)
class Settings:
    """`[template]`: notes about identifiers."""

    days: int = option(values.number(1, 36_500), 365, "that a note is kept", "保留天数")
    frozen: tuple[str, ...] = option(
        values.several(values.text), (), "owners whose identifiers are not changed", "冻结的主体"
    )


class Note(msgspec.Struct):
    """A note."""

    text: str
    by: str = ""
    at: int = 0  # Unix milliseconds


class Notes:
    """What runs: the notes of a place."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._table = place.tables[_TABLE]

    async def leave(self, call: Call) -> Answer:
        """Leave a note about an identifier; the next one takes its place."""
        note = Note(call.given.text, call.caller.name, self._place.now())
        with self._place.tables.writing() as txn:
            txn.put(_key(call.path), msgspec.msgpack.encode(note), db=self._table)
        return Answer(note, 201)

    async def show(self, call: Call) -> Answer:
        """The note about an identifier."""
        with self._place.tables.reading() as txn:
            row = txn.get(_key(call.path), db=self._table)
        if row is None:
            raise Problem(Fault.NO_SUCH_PATH, f"{call.path[:120]}: nobody has left a note")
        return Answer(msgspec.msgpack.decode(row, type=Note))

    async def forget(self) -> None:
        """Once an hour, forget what is too old."""
        while True:
            self.forget_now()
            await asyncio.sleep(3_600)

    def forget_now(self) -> int:
        """Forget what is too old; how many notes that were."""
        oldest = self._place.now() - self._place.settings.days * DAY
        with self._place.tables.writing() as txn:
            old = [
                key
                for key, row in txn.cursor(db=self._table)
                if msgspec.msgpack.decode(row, type=Note).at < oldest
            ]
            for key in old:
                txn.delete(key, db=self._table)
        return len(old)


def _key(text: str) -> bytes:
    try:
        return str(parse(text)).encode()
    except IdentifierError as error:
        raise Problem(Fault.VALUE, str(error)) from None


SYSTEM: Final = System(
    name="template",
    words=Words("标识备注", "notes about identifiers"),
    settings=Settings,
    tables=(_TABLE,),
    begin=Notes,
    hooks="gateway.systems.template.hooks:stages",
    routes=(
        Route(
            "GET",
            "/v1/template/{identifier}",
            "showNote",
            Words("查看备注", "the note about an identifier"),
            Notes.show,
            said=Note,
        ),
        Route(
            "POST",
            "/v1/template/{identifier}",
            "leaveNote",
            Words("添加备注", "leave a note about an identifier"),
            Notes.leave,
            given=Note,
            said=Note,
            role=ASK,
        ),
    ),
    tasks=(Task("forgetting", Notes.forget),),
)
