"""Whether the text of one segment is what the scheme asks for and, if not, where it goes wrong."""

from __future__ import annotations

from csid import check, codes
from csid.errors import IdentifierError
from csid.scheme import Form, Part, Segment, run_end


def require(segment: Segment, text: str, year: int = 0) -> None:
    """Raise IdentifierError unless ``text`` is a valid value of the segment.

    Form, tables and the segment's own check are looked at, in this order. ``year`` is the year
    of registration, in which a division must be in force; with 0 it is enough that the code is
    or was in the table.
    """
    form = segment.form_of(text)
    if form is None:
        raise _malformed(segment, text)
    for start, reason in form.refused.items():
        if text.startswith(start):
            raise IdentifierError(segment.name, 1, f"{start!r} is not used: {reason}")
    for part, offset, code in form.split(text):
        if part.table:
            _require_known(segment, part, offset, code, year)
    if form.check and not check.HOLDS[form.check](text):
        raise IdentifierError(
            segment.name,
            len(text),
            f"the check character does not hold; some character of {text!r} is wrong: "
            "compare it with its source",
        )


def _require_known(segment: Segment, part: Part, offset: int, code: str, year: int) -> None:
    table = codes.by_name(part.table)
    if code not in table:
        known = _known_length(table, code)
        raise IdentifierError(
            segment.name,
            offset + known + 1,
            f"{code!r} is not in the table of {part.title.en} codes ({part.title.zh})",
        )
    if year and isinstance(table, codes.Divisions) and table.at(code, year) is None:
        raise IdentifierError(segment.name, 0, _not_in_force(table, code, year))


def _known_length(table: codes.Table, code: str) -> int:
    """How many characters of ``code`` begin some code of the table."""
    for length in range(len(code) - 1, 0, -1):
        if any(known.startswith(code[:length]) for known in table):
            return length
    return 0


def _not_in_force(table: codes.Divisions, code: str, year: int) -> str:
    earlier = [division for division in table.history(code) if division.end <= year]
    if not earlier:
        first = table.history(code)[0]
        return f"{code} {first.name} was not in force in {year}: it was given in {first.start}"
    division = earlier[-1]
    reason = f"{code} {division.name} was not in force in {year}: it was retired in {division.end}"
    if successor := table.standing_successor(division.successor):
        return f"{reason}; its successor is {successor.code} {successor.name}"
    return f"{reason}; no successor is known"


def _malformed(segment: Segment, text: str) -> IdentifierError:
    """The error of the form that ``text`` follows furthest."""
    faults = [_first_fault(form, text) for form in segment.forms]
    offset, reason = max(faults, key=lambda fault: fault[0])
    if not text:
        return IdentifierError(segment.name, 0, "is empty")
    return IdentifierError(segment.name, offset + 1, reason)


def _first_fault(form: Form, text: str) -> tuple[int, str]:
    """Return the 0-based offset of the first wrong character and what is wrong with it."""
    offset = 0
    for part in form.parts:
        end = run_end(text, offset, part)
        if end - offset < part.shortest:
            return end, _fault_at(form, part, text, end)
        offset = end
    return offset, _fault_at(form, None, text, offset)


def _fault_at(form: Form, part: Part | None, text: str, offset: int) -> str:
    if offset < len(text) and text[offset].isspace():
        return "there is a space; an identifier has none inside"
    if part is None:
        return f"found {shown(text[offset])} after the end of the {form.title.en}"
    wanted = f"{part.characters!r} is expected"
    if part.title.en:
        wanted = f"the {part.title.en} is expected ({ranges(part.characters)})"
    if offset == len(text):
        return f"ends after {len(text)} characters, where {wanted}, as in a {form.title.en}"
    return f"found {shown(text[offset])} where {wanted}, as in a {form.title.en}"


def shown(character: str) -> str:
    """Return the character as a message shows it, with its code point unless it is ASCII."""
    return repr(character) if character.isascii() else f"{character!r} (U+{ord(character):04X})"


def ranges(characters: str) -> str:
    """Write a set of characters shortly: ``0123456789ABCDEFGHJ`` as ``0-9 A-H J``."""
    runs: list[list[str]] = []
    for character in sorted(characters):
        if runs and ord(character) == ord(runs[-1][-1]) + 1:
            runs[-1].append(character)
        else:
            runs.append([character])
    return " ".join(f"{run[0]}-{run[-1]}" if len(run) > 2 else " ".join(run) for run in runs)
