"""$GENERATE: one line of a master file that stands for many (BIND 9's extension of RFC 1035)."""

from __future__ import annotations

import re
from typing import Final

import dns.tokenizer

from csid.limits import MAX_GENERATED_CHARACTERS
from resolver.zonefile.tokens import TextError

MAX_GENERATED: Final = 65_536  # records of one line
MAX_COUNTER: Final = 2**31 - 1
MAX_WIDTH: Final = 127  # characters of one number, as in BIND

_RANGE = re.compile(r"(\d{1,10})-(\d{1,10})(?:/(\d{1,10}))?", re.ASCII)
_PLACE = re.compile(r"\\.|\$\$|\$(\{[^}]*\}?)?", re.DOTALL)
_ESCAPED = re.compile(r"\\.", re.DOTALL)
_MODIFIER = re.compile(r"\{([+-]?\d{1,10})(?:,(\d{1,3})(?:,([doxXnN]))?)?\}", re.ASCII)


def template_of(tokens: dns.tokenizer.Tokenizer) -> str:
    """The data template, the last argument: one word, or one quoted text whose \\" are quotes.

    Raises:
        TextError: nothing, or more.
    """
    token, behind = tokens.get(), tokens.get()
    if not (token.is_identifier() or token.is_quoted_string()) or not behind.is_eol_or_eof():
        raise TextError(
            "the directive ends before its argument; give it data as one word or in quotes"
            if token.is_eol_or_eof()
            else f"{behind.value!r} is too much; the directive takes data as one word or in quotes"
        )
    value: str = token.value
    if token.is_identifier():
        return value
    return _ESCAPED.sub(lambda pair: '"' if pair[0] == '\\"' else pair[0], value)


def counters(text: str) -> range:
    """The numbers of a range "start-stop" or "start-stop/step", both ends included.

    Raises:
        TextError: not a range, an empty one, or one of more than `MAX_GENERATED` numbers.
    """
    found = _RANGE.fullmatch(text)
    if found is None:
        raise TextError(f"{text!r} is no range; write start-stop or start-stop/step")
    start, stop, step = int(found[1]), int(found[2]), int(found[3] or 1)
    if not start <= stop <= MAX_COUNTER or step == 0:
        raise TextError(
            f"range {text}: start must not be above stop, stop not above {MAX_COUNTER}, "
            "and the step is at least 1"
        )
    numbers = range(start, stop + 1, step)
    if len(numbers) > MAX_GENERATED:
        raise TextError(
            f"range {text} makes {len(numbers)} records; one line makes at most {MAX_GENERATED}"
        )
    return numbers


def fill(template: str, counter: int) -> str:
    """The template with the counter in each place "$" or "${offset,width,base}".

    "$$" is a dollar sign and an escape such as "\\$" stays as it is.

    Raises:
        TextError: a modifier that is not of the form above, or too long a text.
    """
    if len(template) <= MAX_GENERATED_CHARACTERS:
        text = _PLACE.sub(lambda place: _filled(place, counter), template)
        if len(text) <= MAX_GENERATED_CHARACTERS:
            return text
    raise TextError(
        f"$GENERATE makes owners and data of at most {MAX_GENERATED_CHARACTERS} characters; "
        "write such records one by one"
    )


def _filled(place: re.Match[str], counter: int) -> str:
    text, modifier = place[0], place[1]
    if text[0] == "\\":
        return text
    if text == "$$":
        return "$"
    if modifier is None:
        return str(counter)
    found = _MODIFIER.fullmatch(modifier)
    if found is None or int(found[2] or 0) > MAX_WIDTH:
        raise TextError(
            f"${modifier} is no modifier; write ${{offset,width,base}} with a width of at most "
            f"{MAX_WIDTH} and a base of d, o, x, X, n or N"
        )
    value, width, base = counter + int(found[1]), int(found[2] or 0), found[3] or "d"
    if value < 0 and base != "d":
        raise TextError(f"${modifier} makes {value}, which is negative; only base d writes that")
    if base in "nN":
        return _nibbles(value, width, "x" if base == "n" else "X")
    return format(value, base).zfill(width)


def _nibbles(value: int, width: int, base: str) -> str:
    """Hexadecimal digits, the lowest first, with dots between; the width counts the dots too."""
    digits = format(value, base)[::-1]
    padded = digits.ljust((width + 1) // 2, "0")
    text = ".".join(padded)
    return text + "." if len(text) < width else text
