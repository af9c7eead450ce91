"""The desk where requests are decided and written: what it has looked up, it knows for the next.

A code that its asker chose, or a row of an import, is mostly the plain case: new, begun in a usual
state, in no pool, under no idempotency key. For that there is a short way: what the codes of a
place share (who may write there, its owner's accreditation and quota, location and scope, where its
names lie in the tree) was looked at with the first of them; a code is then one new row, one new
node, one leaf. Whatever is not plain takes the full way, `registry.rules.decide`, with the same
outcome, octet for octet, which a test holds both to.

A desk lives across commits. What it knows holds as long as every commit since was its own: it is
forgotten when a transaction was undone, and when another writer has committed in between.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final, NamedTuple

from csid.errors import RecordError, StoreError, ZoneError
from csid.identifier import Identifier
from csid.limits import MAX_TTL
from csid.record import Record, decode, encode
from registry.rules import policy, texts
from registry.rules.case import day_of, entry_writer
from registry.rules.decide import decide
from registry.rules.decision import Decision, Refusal
from registry.rules.filed import as_filing, asked
from registry.rules.lifecycle import BIRTH
from registry.rules.records import RECORD_ROOM
from registry.rules.requests import Actor, Assign, Import, Request
from registry.rules.status import Status
from registry.tables import codec, index, view
from registry.tables.changes import Changes, TreeChange, TreeKind
from registry.tables.enums import WORDS, State
from registry.tables.naming import Names
from registry.tables.record_node import node_of
from registry.tables.rows import DEFAULT_TTL
from registry.tables.view import View
from registry.tables.volume import Site, Volume, WrittenVolume, write_all
from registry.zones import founding, others
from resolver.answer.source import Check
from resolver.store.environment import Store


class Verdict(NamedTuple):
    """What became of a row; for a refusal, why. ``known``: the identifier was assigned before."""

    status: Status
    detail: str
    known: bool


WINDOWS_KEPT: Final = 50_000  # of parties on places; beyond, all is looked up again
PARTIES_KEPT: Final = 1_000
_BIRTHS: Final = {WORDS[state].record: int(state) for state in BIRTH}
_ACTIVE: Final = int(State.ACTIVE)
_NEW: Final = Verdict(Status.DONE, "", False)
_SAME: Final = Verdict(Status.UNCHANGED, "", True)
_NO_RECORD: Final = Record.of_values({})
# Rows of these tables are of one code each, or are only added to: nothing that is known of a place
# depends on them.
_OF_ONE_CODE: Final = frozenset(
    {
        codec.ASSIGNMENTS,
        codec.BY_STATE,
        codec.PLACES,
        codec.REPLAYS,
        codec.LOCKS,
        codec.OFFERS,
        codec.EXPIRED,
        codec.CAME,
    }
)


class _Owner:
    """How many identifiers an owner has, what is written of that, and how many it may have."""

    __slots__ = ("code", "live", "quota", "written")

    def __init__(self, code: str, live: int, quota: int | None) -> None:
        self.code = code
        self.live = self.written = live
        self.quota = quota


class _Place:
    """What the codes of one place share.

    Attributes:
        owner: whose they are.
        refusal: why none may be given, if so.
        site: where their names lie; None if each takes the full way: no zone is held around them,
            or zones below, or there are pools.
        families: chip families known to be entered.
    """

    __slots__ = ("families", "owner", "refusal", "site")

    def __init__(self, owner: _Owner, refusal: Refusal | None, site: Site | None) -> None:
        self.owner = owner
        self.refusal = refusal
        self.site = site
        self.families: set[str] = set()


class _Window:
    """What one party's requests at one place share.

    Attributes:
        place: the place.
        forbidden: why this party may not ask about it, if so.
        entry: what makes the leaves of a batch, of names with a TTL; `batch` says of which. That
            is no reference to it: what was decided in it, all its leaves, would be kept.
        open: the short way may be tried.
    """

    __slots__ = ("batch", "entry", "forbidden", "open", "place", "ttl")

    def __init__(self, place: _Place, forbidden: Refusal | None) -> None:
        self.place = place
        self.forbidden = forbidden
        self.open = forbidden is None and place.refusal is None and place.site is not None
        self.batch: object = None
        self.ttl = 0
        self.entry: Callable[[str, bytes], bytes] = _no_entry


def _no_entry(_subject: str, _after: bytes) -> bytes:
    raise AssertionError("no batch has made one")


class _Party:
    """Who asks for what kind of thing, and why: what the leaves of its requests share."""

    __slots__ = ("actor", "fault", "kind", "reason", "said", "ttl", "windows")

    def __init__(
        self, actor: Actor, kind: type[Assign | Import], reason: str, said: int, ttl: int | None
    ) -> None:
        self.actor = actor
        self.kind = kind
        self.reason = reason
        self.said = said
        self.ttl = ttl
        self.windows: dict[str, _Window] = {}  # by place
        nowhere = Identifier("", "", "", "", "")
        self.fault = texts.request_fault(self.request(nowhere, _NO_RECORD))  # of the texts

    def request(self, identifier: Identifier, record: Record) -> Request:
        """A request of this party."""
        if self.kind is Assign:
            return Request(self.actor, Assign(identifier, record), self.reason)
        body = Import(identifier, record, self.said, self.ttl)
        return Request(self.actor, body, self.reason)


class Desk:
    """What is known across commits. One for each open store; used by whoever holds its one write
    transaction.
    """

    def __init__(self, suffix: str, check: Sequence[Check] = ()) -> None:
        """Over a store with this suffix; ``check`` are the functions of that stage."""
        self.suffix = suffix
        self.check = check
        self.named = Names(suffix)
        self._holds: tuple[int, int, int] | None = None  # the transaction, its first leaf, the year
        self._sitting: Batch | None = None
        self.owners: dict[str, _Owner] = {}
        self.places: dict[tuple[str, int], _Place] = {}  # by place and year
        self.parties: dict[tuple[Actor, str, type, int, int | None], _Party] = {}
        self.windows = 0  # of all parties

    def forget(self) -> None:
        """Know nothing that was looked up."""
        self.owners.clear()
        self.places.clear()
        for party in self.parties.values():
            party.windows.clear()
        self.windows = 0

    @contextmanager
    def batch(self, store: Store, now: int) -> Iterator[Batch]:
        """A transaction of the store to decide requests in; what was decided is committed when the
        context ends well, and gone, here too, when not.

        Raises:
            AuditError: the audit log is damaged: nothing was committed.
            StoreError: the store is full or fails: nothing was committed.
        """
        with store.write() as txn:
            batch = self.begin(WrittenVolume(txn, self.suffix), now, txn.number)
            yield batch
            batch.write()
        self._settle(batch)

    def begin(self, volume: Volume, now: int, number: int = 0) -> Batch:
        """Decisions at ``now`` (Unix seconds) over what a transaction of this number sees."""
        batch = Batch(self, volume, now, number)
        # One's own last commit must be the one directly before. The number alone does not say so:
        # that of a transaction that was undone, or changed nothing, is given again to the next
        # writer. So whoever did not come to `_settle` has left nothing that holds.
        if self._holds != (number, batch.first, batch.year) or self.windows > WINDOWS_KEPT:
            self.forget()
        if len(self.parties) > PARTIES_KEPT:
            self.forget()
            self.parties.clear()
        self._holds = None
        self._sitting = batch
        return batch

    def _settle(self, batch: Batch) -> None:
        """A batch was committed."""
        if self._sitting is batch:  # else another one has begun already, and forgotten all
            count = len(batch.leaves)
            number = batch.number + (count > 0)  # one that changes nothing uses up no number
            self._holds = (number, batch.first + count, batch.year)


class Batch:
    """Requests decided one after the other inside a transaction, and written into it.

    Attributes:
        view: the registry with what was decided so far.
        volume: the same, written into.
        checks: what plugins ask of each change.
        leaves: their audit leaves.
        first: the index of the first of these.
        number: of the transaction.
    """

    def __init__(self, desk: Desk, volume: Volume, now: int, number: int) -> None:
        self._desk = desk
        self.volume = volume
        self._now = now
        self._root = view.get_root(volume)  # the national node that this one files with
        self.checks = desk.check
        self._mark = object()  # of this batch
        self._entries: dict[tuple[_Party, bytes, int], Callable[[str, bytes], bytes]] = {}
        self.view: View = volume
        self.leaves: list[bytes] = volume.fresh
        self.first = volume.first
        self.number = number
        self.year = day_of(now).year
        self._was_new = True  # the row before
        self._add = volume.adder(codec.ASSIGNMENTS)
        self._counted: set[_Owner] = set()  # who may have more identifiers than is written

    def decide(self, request: Request) -> Decision:
        """The decision on one request; its changes are written into the transaction, or kept for
        `write`. One that raises has changed nothing, unless that is a StoreError.

        What was given by the short way comes with its tree change and leaf, without its rows.
        """
        body = request.body
        if type(body) is Assign and not request.key:
            decision = self._assign(request, body)
            if decision is not None:
                return decision
        return self._decide_fully(request)

    def _assign(self, request: Request, body: Assign) -> Decision | None:
        """The short way for a code that the asker has chosen; None where it does not lead on."""
        record = asked(body.record, self._root)
        word: Any = record.values.get("st")
        ttl = DEFAULT_TTL if body.ttl is None else body.ttl
        if word not in _BIRTHS or not 0 <= ttl <= MAX_TTL:
            return None
        try:
            packed = encode(record)
            blob = node_of(record, packed, ttl)
        except RecordError:
            return None
        code = body.identifier
        at = f"{code.owner}/{code.industry}/{code.location}/{code.type}"
        name = f"{at}/{code.spec}"
        party = self.party(request.actor, Assign, request.reason)
        window = party.windows.get(at) or self._open(party, at)
        if window.open and self._give(party, window, at, name, code.spec, word, packed, blob, ttl):
            tree = TreeChange(TreeKind.RECORD, name, packed, "", ttl)
            return Decision(Status.DONE, name, "", Changes((), (tree,), self.leaves[-1]))
        return None

    def party(
        self,
        actor: Actor,
        kind: type[Assign | Import],
        reason: str,
        said: int = 0,
        ttl: int | None = None,
    ) -> _Party:
        """Who asks, for `row`; ``said`` and ``ttl`` are the year and the TTL of `Import`."""
        key = (actor, reason, kind, said, ttl)
        party = self._desk.parties.get(key)
        if party is None:
            party = self._desk.parties[key] = _Party(actor, kind, reason, said, ttl)
        return party

    def row(
        self, party: _Party, at: str, spec: str, word: str, packed: bytes, blob: bytes
    ) -> Verdict:
        """What becomes of one row of an import.

        Args:
            party: who imports.
            at: the place of the identifier.
            spec: its last segment.
            word: the state that the record says.
            packed: the record as `csid.record.encode` gives it.
            blob: its node, with the TTL of a new row.
        """
        name = f"{at}/{spec}"
        given = packed
        if self._root is not None and word == WORDS[State.ACTIVE].record:
            word, packed, blob = as_filing(packed, blob)
        window = party.windows.get(at) or self._open(party, at)
        born = DEFAULT_TTL if party.ttl is None else party.ttl
        # New rows and known ones mostly come in long stretches: so one of two look-ups is saved.
        is_tried = self._was_new and window.open and word in _BIRTHS
        if is_tried and self._give(party, window, at, name, spec, word, packed, blob, born):
            return _NEW
        value = self.volume.get(codec.ASSIGNMENTS, name.encode("ascii"))
        self._was_new = value is None
        if value is not None:
            held = codec.decode_assignment(value)
            if (
                held.record in (given, packed)
                and party.ttl in (None, held.ttl)
                and held.state is not State.SUPERSEDED
                and not window.forbidden
            ):
                return _SAME
        elif word in _BIRTHS and 0 <= born <= MAX_TTL:
            if window.open:
                if not is_tried and self._give(
                    party, window, at, name, spec, word, packed, blob, born
                ):
                    return _NEW
            elif len(packed) <= RECORD_ROOM:
                refusal = window.forbidden or window.place.refusal
                if refusal is not None:
                    return Verdict(refusal.status, refusal.detail, False)
        request = party.request(Identifier(*name.split("/")), decode(given))
        decision = self._decide_fully(request)
        return Verdict(decision.status, decision.detail, value is not None)

    # -- the short way

    def _give(
        self,
        party: _Party,
        window: _Window,
        at: str,
        name: str,
        spec: str,
        word: str,
        packed: bytes,
        blob: bytes,
        ttl: int,
    ) -> bool:
        """Give a code if it is the plain case; else nothing has changed, and the full way says
        what follows.
        """
        place = window.place
        owner = place.owner
        site = place.site
        assert site is not None
        if (
            len(packed) > RECORD_ROOM
            or not 0 <= ttl <= MAX_TTL
            or (owner.quota is not None and owner.live >= owner.quota)
        ):
            return False
        if self.checks:
            change = TreeChange(TreeKind.RECORD, name, packed, "", ttl)
            if any(check(self.view, change) for check in self.checks):
                return False
        state = _BIRTHS[word]
        now = self._now
        volume = self.volume
        key = name.encode("ascii")
        leaf = self.first + len(self.leaves)
        row = codec.encode((state, leaf, now, now, 0, packed, "", ttl))
        if not self._add(key, row):
            return False
        try:
            volume.plant(site, spec, blob)
        except ZoneError:
            volume.put(codec.ASSIGNMENTS, key, None)
            return False
        if state != _ACTIVE:
            volume.put(codec.BY_STATE, codec.state_key(word, name), b"")
        family = index.family_of(spec)
        if family not in place.families:
            self._enter(at, place, family)
        if window.batch is not self._mark or window.ttl != ttl:
            self._attend(party, window, site, ttl)
        self.leaves.append(window.entry(name, packed))
        owner.live += 1
        self._counted.add(owner)
        return True

    def _open(self, party: _Party, at: str) -> _Window:
        """Look at what the codes of a place share."""
        desk = self._desk
        code, industry, location, kind = at.split("/")
        request = party.request(Identifier(code, industry, location, kind, ""), _NO_RECORD)
        forbidden = party.fault or policy.permit(party.actor, request.body)
        year = policy.registration_year(party.actor, party.said, self.year)
        place = desk.places.get((at, year))
        if place is None:
            owner = desk.owners.get(code)
            if owner is None:
                facts = view.get_owner(self.view, code)
                live = view.count_live(self.view, code)
                owner = desk.owners[code] = _Owner(code, live, facts.quota if facts else None)
            refusal = policy.year_holds(year, self.year) or policy.place_open(self.view, at, year)
            if refusal is not None and self._root is not None and not self._root.registers:
                instead = others.region_text(self.volume.txn, desk.named, location)
                refusal = refusal._replace(detail=refusal.detail + instead)
            pools = self.view.scan(codec.POOLS, f"{at}/".encode("ascii"))
            site = None if next(pools, None) is not None else self.volume.site(at)
            place = desk.places[at, year] = _Place(owner, refusal, site)
        window = party.windows[at] = _Window(place, forbidden)
        desk.windows += 1
        return window

    def _enter(self, at: str, place: _Place, family: str) -> None:
        """Enter a place with its first identifier, and a chip family with its first there."""
        if self.volume.get(codec.PLACES, index.location_key(at)) is None:
            write_all(self.volume, index.place_rows(at))
        self.volume.put(codec.PLACES, index.family_key(family, at), b"")
        place.families.add(family)

    def _attend(self, party: _Party, window: _Window, site: Site, ttl: int) -> None:
        """Make ready what makes the leaves of a window in this batch."""
        key = (party, site.apex, ttl)
        entry = self._entries.get(key)
        if entry is None:
            writer = entry_writer(party.actor, party.kind.kind, self._now, party.reason, party.said)
            serial = self.volume.next_serial(site.apex)
            entry = self._entries[key] = writer.first(Status.DONE.number, serial, ttl)
        window.entry, window.batch, window.ttl = entry, self._mark, ttl

    # -- the full way

    def _decide_fully(self, request: Request) -> Decision:
        """The decision by the rules, and all that it changes."""
        self._count()
        decision = decide(self.view, request, self._now)
        cuts: list[str] = []
        if self._root is not None:
            decision = others.referred(decision, self.volume.txn, self._desk.named)
            cuts = founding.needed(self.volume, self._desk.named, request, decision)
            for cut in cuts:
                refusal = founding.refusal(self.volume, self._desk.named, request, cut, self._now)
                if refusal is not None:
                    return refusal.about(decision.subject)
        decision = judged(
            decision,
            lambda one: "" if founding.cut_of(one.name) in cuts else self.volume.fault(one),
        )
        for change in decision.changes.tree if self.checks else ():
            for check in self.checks:
                if reason := check(self.view, change):
                    return Decision(Status.POLICY_PROHIBITS, decision.subject, reason)
        if cuts and decision.status.success:
            for cut in cuts:
                founding.found(self.volume, self._desk.named, request, cut, self._now)
            self._desk.forget()
            decision = decide(self.view, request, self._now)  # its leaf is another one now
        self.carry_out(decision.changes)
        return decision

    def carry_out(self, changes: Changes) -> None:
        """Write what follows from a decision."""
        volume, desk = self.volume, self._desk
        write_all(volume, changes.rows)
        volume.keep(changes.tree)
        if changes.leaf is not None:
            self.leaves.append(changes.leaf)
        for table, key, value in changes.rows:
            if table == codec.COUNTS:
                owner = desk.owners.get(codec.counted_owner(key))
                if owner is not None:
                    owner.live = owner.written = codec.decode_count(value)
            elif table not in _OF_ONE_CODE:
                desk.forget()
                return

    def _count(self) -> None:
        """Write how many identifiers owners have, which the short way only counts."""
        for owner in self._counted:
            if owner.live != owner.written:
                row = codec.encode(owner.live)
                self.volume.put(codec.COUNTS, codec.owner_count_key(owner.code), row)
                owner.written = owner.live
        self._counted.clear()

    def write(self) -> None:
        """Write all that was kept: counts, leaves, and the names with journal and serial.

        Raises:
            AuditError: the audit log is damaged: nothing may be committed.
            ZoneError: a name cannot be held; `Reach.fault` would have said so.
        """
        self._count()
        self.volume.finish()


def judged(decision: Decision, fault: Callable[[TreeChange], str]) -> Decision:
    """The decision, unless a name it needs cannot be held here: then a refusal that says why."""
    for change in decision.changes.tree:
        if reason := fault(change):
            return Decision(Status.OUT_OF_SCOPE, decision.subject, reason)
    return decision


def decided(batch: Batch, request: Request) -> Decision | Exception:
    """A decision, or what went wrong with this request: no reason to fail its neighbours."""
    try:
        return batch.decide(request)
    except StoreError:
        raise
    except Exception as error:
        return error
