"""Finding identifiers in the registry: by a prefix of any segment, by state, chip or owner's name.

There is no index row for each identifier. A query walks ranges of the assignments one after the
other: those of the owner, of the owners with a name, or of the places that an order of PLACES
finds; within a range it leaps over whole segments that do not match. So a first page costs some
seeks, however many identifiers there are.

The cursor of a page is the last identifier given. It names its range, so that the next page
begins there, whatever has been assigned in between.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any, Final, NamedTuple

from csid import codes
from csid import prefix as prefixes
from csid.errors import IdentifierError
from csid.identifier import fold
from csid.prefix import ANY, SEGMENTS
from registry.tables import codec, index, view
from registry.tables.enums import BY_WORD, LISTED, WORDS, State
from registry.tables.rows import Assignment
from registry.tables.view import View

OWNER_WIDTH: Final = 18  # characters of a whole owner code

_END: Final = "~"  # behind every key
_AFTER_SLASH: Final = "0"
_AFTER_DASH: Final = "."
# (a key) -> empty if it matches, else the first key behind it that might.
Beyond = Callable[[str], str]


class Query(NamedTuple):
    """What is looked for; an empty text is no condition. Made by `read_query`."""

    owner: str = ""  # this and the next four: what the segment begins with
    industry: str = ""
    location: str = ""
    type: str = ""
    spec: str = ""
    family: str = ""  # of the chip: two characters of the capability class
    state: State | None = None
    owner_name: str = ""  # a part of it, case-folded
    listed: bool = False  # what others may find, alone


class Found(NamedTuple):
    """An identifier that matches."""

    identifier: str
    row: Assignment


class Page(NamedTuple):
    """Some of what matches, and the cursor for the next page, empty if this is the last."""

    items: tuple[Found, ...]
    after: str


def read_query(
    prefix: str = "",
    industry: str = "",
    location: str = "",
    type: str = "",
    chip: str = "",
    state: str = "",
    owner_name: str = "",
    suffix: str | None = None,
    authority: str = "",
) -> Query:
    """A query from what people type.

    Args:
        prefix: what identifiers begin with, as `csid.prefix.parts`.
        industry: the beginning of that segment, as location and type.
        chip: the code of a chip family, or a part of its name that no other has.
        state: a word of the life cycle.
        owner_name: a part of a participant's name.
        suffix: of the deployment's DNS names, as authority of its Handles: see ``prefix``.

    Raises:
        IdentifierError: a part cannot begin a segment, or is given twice with different values.
    """
    given = prefixes.parts(prefix, suffix, authority)
    parts: dict[str, Any] = {
        name: "" if part == ANY else part for name, part in zip(SEGMENTS, given, strict=False)
    }
    for name, text in (("industry", industry), ("location", location), ("type", type)):
        wanted, begun = fold(text), parts.get(name, "")
        if not (wanted.startswith(begun) or begun.startswith(wanted)):
            raise IdentifierError(
                name, 0, f"{wanted!r} and the prefix {begun!r} exclude each other"
            )
        parts[name] = max(wanted, begun, key=len)
    for name, part in parts.items():
        bare = part.replace("-", "" if name == "spec" else "-")
        if part and not (bare.isascii() and bare.isalnum()):
            raise IdentifierError(name, 0, f"{part!r} begins no {name}; expected 0-9 A-Z")
    return Query(
        **parts,
        family=_family(chip) if chip else "",
        state=_state(state) if state else None,
        owner_name=owner_name.casefold(),
    )


def _family(text: str) -> str:
    families = codes.chip_families()
    code = fold(text)
    if code in families:
        return code
    wanted = text.casefold()
    found = [
        code
        for code, entry in families.items()
        if wanted in entry.zh.casefold() or wanted in entry.en.casefold()
    ]
    if len(found) != 1:
        some = f"several: {' '.join(found)}" if found else "none"
        raise IdentifierError(
            "spec", 7, f"chip {text[:40]!r} is {some}; expected a family code such as A1"
        )
    return found[0]


def _state(word: str) -> State:
    state = BY_WORD.get(word.casefold())
    if state is None:
        raise IdentifierError("state", 0, f"{word[:40]!r} is none of {', '.join(BY_WORD)}")
    return state


def page(seen: View, query: Query, most: int, after: str = "") -> Page:
    """At most ``most`` (1 or more) identifiers behind ``after``, the first page without it."""
    items = tuple(islice(find(seen, query, after), most + 1))
    return Page(items[:most], items[most - 1].identifier if len(items) > most else "")


def find(seen: View, query: Query, after: str = "") -> Iterator[Found]:
    """All that matches behind the identifier ``after``, in an order that the query fixes.

    Raises:
        IdentifierError: ``after`` is nothing that this query finds.
    """
    cursor = fold(after)
    beyond = _matching(query)
    is_whole = cursor.isascii() and cursor.count("/") == len(SEGMENTS) - 1
    if cursor and (not is_whole or beyond(cursor)):
        raise IdentifierError(
            "identifier", 0, f"{after[:80]!r} is not what this search finds; nothing comes after it"
        )
    for prefix in _ranges(seen, query, cursor):
        start = f"{cursor}\0" if cursor.startswith(prefix) else ""
        for found in _walk(seen, query.state, prefix, start, beyond):
            if not query.listed or found.row.state in LISTED:
                yield found


def _ranges(seen: View, query: Query, cursor: str) -> Iterator[str]:
    """The prefixes of identifiers to walk, from the one that holds the cursor on."""
    if query.owner_name:
        yield from _owners(seen, query, cursor.partition("/")[0])
    elif len(query.owner) < OWNER_WIDTH and (order := _order_for(query)):
        yield from _places(seen, query, order, cursor)
    else:
        yield query.owner


def _owners(seen: View, query: Query, start: str) -> Iterator[str]:
    scan = seen.scan(codec.OWNERS, query.owner.encode("ascii"), start.encode("ascii"))
    for key, value in scan:
        if query.owner_name in codec.decode_owner(value).name.casefold():
            yield f"{key.decode('ascii')}/"


# The orders of PLACES, by the segment that each finds by; the most telling first.
_ORDERS: Final = {
    "l": ("location", "industry", "type", "owner"),
    "i": ("industry", "location", "type", "owner"),
    "t": ("type", "location", "industry", "owner"),
    "c": ("family", "owner", "industry", "location", "type"),
}


def _order_for(query: Query) -> str:
    return next((order for order, names in _ORDERS.items() if getattr(query, names[0])), "")


def _places(seen: View, query: Query, order: str, cursor: str) -> Iterator[str]:
    names = _ORDERS[order]
    wanted = [getattr(query, name) for name in names]
    start = _place_key(order, cursor) if cursor else ""
    for key, _ in _leaping(seen, codec.PLACES, order, wanted[0], start, _matcher(wanted)):
        place = dict(zip(names, key.split("/"), strict=True))
        yield "".join(f"{place[name]}/" for name in SEGMENTS[:-1])


def _place_key(order: str, identifier: str) -> str:
    """Where an order of PLACES has the place of an identifier, without the letter of the order."""
    place, _, spec = identifier.rpartition("/")
    keys = [index.family_key(index.family_of(spec), place)]
    keys += [key for _, key, _ in index.place_rows(place)]
    return next(key[1:].decode("ascii") for key in keys if key.startswith(order.encode("ascii")))


def _walk(
    seen: View, state: State | None, prefix: str, start: str, beyond: Beyond
) -> Iterator[Found]:
    """The identifiers below a prefix that match and are in a state, None for any."""
    if state is None or state is State.ACTIVE:
        for name, value in _leaping(seen, codec.ASSIGNMENTS, "", prefix, start, beyond):
            row = codec.decode_assignment(value)
            if state is None or row.state is state:
                yield Found(name, row)
        return
    # Only active ones have no row in BY_STATE.
    head = f"{WORDS[state].record}/"
    for name, _ in _leaping(seen, codec.BY_STATE, head, prefix, start, beyond):
        found = view.get_assignment(seen, name)
        if found is not None:
            yield Found(name, found)


def _leaping(
    seen: View, table: str, head: str, prefix: str, start: str, beyond: Beyond
) -> Iterator[tuple[str, bytes]]:
    """The rows under ``head`` whose further key matches, begins with ``prefix`` and is not below
    ``start``. Keys that cannot match are leapt over.
    """
    below = f"{head}{prefix}".encode("ascii")
    while True:
        for key, value in seen.scan(table, below, f"{head}{start}".encode("ascii")):
            name = key[len(head) :].decode("ascii")
            start = beyond(name)
            if start:
                break
            yield name, value
        else:
            return


def _matcher(wanted: Sequence[str]) -> Beyond:
    """What matches keys whose parts begin with these texts."""

    def beyond(name: str) -> str:
        parts = name.split("/")
        for depth, (part, want) in enumerate(zip(parts, wanted, strict=True)):
            if not part.startswith(want):
                if part < want:
                    return "/".join((*parts[:depth], want))
                return "/".join(parts[:depth]) + _AFTER_SLASH if depth else _END
        return ""

    return beyond


def _matching(query: Query) -> Beyond:
    """What matches identifiers by their segments and chip family."""
    segments = _matcher((query.owner, query.industry, query.location, query.type, query.spec))
    if not query.family:
        return segments

    def beyond(name: str) -> str:
        place, _, spec = name.rpartition("/")
        if leap := segments(name):
            return leap
        if index.family_of(spec) == query.family:
            return ""
        return f"{place}/{spec.partition('-')[0]}{_AFTER_DASH}"

    return beyond
