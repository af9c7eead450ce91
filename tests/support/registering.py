"""A registry in memory for the tests, with two accredited providers and the parts of requests."""

from __future__ import annotations

from csid.identifier import Identifier, make
from csid.record import Record
from registry.rules.decide import decide
from registry.rules.decision import Decision
from registry.rules.participants import Judgement
from registry.rules.requests import Actor, AddOwner, Body, JudgeOwner, Request, Role
from registry.rules.status import Status
from registry.tables.enums import Kind
from registry.tables.log_entry import LogEntry, decode
from registry.tables.overlay import Overlay
from registry.tables.view import EMPTY

NOW = 1_780_000_000  # 2026-05-29 in China
DAY = "2026-05-29"
OWNER = "91330106673959654P"
OTHER = "91350100M000100Y43"
FOREIGN = "X00000000000000015"
PLACE = f"{OWNER}/6450/330106/ACV"
CLASS = "H60M07A1"
POOL = f"{PLACE}/{CLASS}"

ADMINISTRATOR = Actor("li", Role.ADMINISTRATOR)
REGISTRAR = Actor("wang", Role.REGISTRAR, OWNER)
OTHERS_REGISTRAR = Actor("zhao", Role.REGISTRAR, OTHER)
AUDITOR = Actor("chen", Role.AUDITOR)
READER = Actor("guest", Role.READER)

RECORD = Record({"state": "active", "endpoints": ["https://a.example:8443"], "count": 8})


def identifier(
    serial: str | int = "0001", owner: str = OWNER, location: str = "330106"
) -> Identifier:
    """One of the identifiers the tests use."""
    return make(owner, "6450", location, "ACV", CLASS, str(serial))


class Book:
    """A registry that carries every decision out at once, and keeps the leaves."""

    def __init__(self) -> None:
        self.view = Overlay(EMPTY)
        self.log: list[LogEntry] = []
        self.leaves: list[bytes] = []  # the same as they are stored
        self.now = NOW

    def ask(
        self, body: Body, actor: Actor = ADMINISTRATOR, reason: str = "", key: str = ""
    ) -> Decision:
        """Decide and carry out."""
        decision = decide(self.view, Request(actor, body, reason, key), self.now)
        assert decision.status.success or decision.changes == ((), (), None)
        self.view.apply(decision.changes)
        if decision.changes.leaf is not None:
            self.log.append(decode(decision.changes.leaf))
            self.leaves.append(decision.changes.leaf)
        assert self.view.leaves() == len(self.log)
        return decision

    def status(self, body: Body, actor: Actor = ADMINISTRATOR) -> Status:
        """Decide and carry out; the status alone."""
        return self.ask(body, actor).status

    def must(self, body: Body) -> Decision:
        """Decide and carry out what has to succeed."""
        decision = self.ask(body)
        assert decision.status is Status.DONE, decision
        return decision

    def accredit(self, code: str, *kinds: Kind, quota: int | None = None) -> None:
        """Register and accredit a participant."""
        self.must(AddOwner(code, kinds, f"主体 {code}", "noc@example.cn", quota))
        self.must(JudgeOwner(code, Judgement.ACCREDIT))


def book() -> Book:
    """A registry with two accredited resource providers."""
    new = Book()
    new.accredit(OWNER, Kind.RESOURCE_PROVIDER)
    new.accredit(OTHER, Kind.RESOURCE_PROVIDER)
    return new
