"""Conditions as people write them: `memory_gib >= 512 and not fabric in (IB, "RoCE v2")`.

    condition  = term *( "or" term )            或
    term       = factor *( "and" factor )       且, 与
    factor     = "not" factor / "(" condition ")" / comparison          非
    comparison = field [ "not" ] operator value
    operator   = "=" "!=" "<" "<=" ">" ">=" / "in" / "contains" / "like" / "is"
    value      = word / text in quotes / "(" value *( "," value ) ")" / value ".." value

A `..` is a range with both its ends, of which one may be left out.
"""

from __future__ import annotations

import difflib
import re
from typing import Final, NamedTuple, NoReturn

from gateway.systems.selection.conditions import (
    CONTAINS,
    DEPTH_MAX,
    IN,
    IS,
    LIKE,
    RANGE,
    VALUES_MAX,
    All,
    Condition,
    ConditionError,
    Either,
    Not,
    bounded,
    leaf,
)
from gateway.systems.selection.fields import NUMBER, FieldError, field

LENGTH_MAX: Final = 4_000  # characters
_WORDS: Final = {"and": "and", "且": "and", "与": "and", "or": "or", "或": "or"} | {
    "not": "not",
    "非": "not",
}
_OPERATORS: Final = {"==": "=", "≥": ">=", "≤": "<=", "≠": "!=", "包含": CONTAINS, "属于": IN}
_COMPARED: Final = ("=", "!=", "<", "<=", ">", ">=", IN, CONTAINS, LIKE, IS)
_TOKEN: Final = re.compile(
    r"\s*(?:(?P<text>\"[^\"]*\"|'[^']*')|(?P<sign><=|>=|!=|==|=>|=<|\.\.|[=<>(),≥≤≠])"
    r"|(?P<word>(?:[^\s\"'()<>=!,，（）≥≤≠.]|\.(?!\.))+))"
)
_WIDE: Final = str.maketrans("（），＝＞＜", "(),=><")


class _Token(NamedTuple):
    at: int  # 1-based position
    kind: str  # text, sign, word, end
    text: str


def parse(text: str) -> Condition:
    """The condition that a text says.

    Raises:
        ConditionError: it says none; the message has the position and what was expected.
    """
    if len(text) > LENGTH_MAX:
        raise ConditionError(f"{len(text)} characters long; at most {LENGTH_MAX} are taken")
    reader = _Reader(_tokens(text.translate(_WIDE)))
    found = reader.condition(1)
    if reader.now.kind != "end":
        reader.fail("and, or, or the end")
    return bounded(found)


def _tokens(text: str) -> list[_Token]:
    found, at = [], 0
    while text[at:].strip():
        match = _TOKEN.match(text, at)
        if match is None:
            at += len(text[at:]) - len(text[at:].lstrip())
            quoted = text[at] in "\"'"
            what = "the quote is not closed" if quoted else f"{text[at]!r} is not understood"
            raise ConditionError(f"position {at + 1}: {what}")
        kind = str(match.lastgroup)
        found.append(_Token(match.start(kind) + 1, kind, match[kind]))
        at = match.end()
    return [*found, _Token(len(text) + 1, "end", "")]


class _Reader:
    """The tokens that are left, and how each part of the grammar is read off them."""

    def __init__(self, tokens: list[_Token]) -> None:
        self.tokens = tokens
        self.at = 0

    @property
    def now(self) -> _Token:
        return self.tokens[self.at]

    def fail(self, expected: str, token: _Token | None = None) -> NoReturn:
        token = token or self.now
        given = "the text ends" if token.kind == "end" else f"given {token.text[:40]!r}"
        raise ConditionError(f"position {token.at}: expected {expected}; {given}")

    def joined(self, word: str) -> bool:
        """Take the next token if it is that word."""
        token = self.now
        if token.kind == "word" and _WORDS.get(token.text.lower()) == word:
            self.at += 1
            return True
        return False

    def sign(self, sign: str) -> bool:
        if self.now.kind == "sign" and self.now.text == sign:
            self.at += 1
            return True
        return False

    def condition(self, depth: int) -> Condition:
        parts = [self.term(depth)]
        while self.joined("or"):
            parts.append(self.term(depth))
        return parts[0] if len(parts) == 1 else Either(tuple(parts))

    def term(self, depth: int) -> Condition:
        parts = [self.factor(depth)]
        while self.joined("and"):
            parts.append(self.factor(depth))
        return parts[0] if len(parts) == 1 else All(tuple(parts))

    def factor(self, depth: int) -> Condition:
        if depth > DEPTH_MAX:
            self.fail(f"at most {DEPTH_MAX} levels of brackets and not")
        if self.joined("not"):
            return Not(self.factor(depth + 1))
        if self.sign("("):
            found = self.condition(depth + 1)
            if not self.sign(")"):
                self.fail("and, or, or )")
            return found
        return self.comparison()

    def comparison(self) -> Condition:
        name = self.now
        if name.kind != "word":
            self.fail("a field, not, or (")
        try:
            kind = field(name.text).kind
        except FieldError as error:
            raise ConditionError(f"position {name.at}: {error}") from None
        self.at += 1
        turned = self.joined("not")
        operator = self.operator()
        at = self.now
        value = self.value(operator, kind == NUMBER)
        if operator == IN and isinstance(value, tuple):  # a range
            operator = RANGE
        try:
            found: Condition = leaf(name.text, "=" if operator == "!=" else operator, value)
        except ConditionError as error:
            raise ConditionError(f"position {at.at}: {error}") from None
        return Not(found) if turned != (operator == "!=") else found

    def operator(self) -> str:
        token = self.now
        word = token.text.lower()
        word = _OPERATORS.get(word, word)
        if word not in _COMPARED:
            near = difflib.get_close_matches(word, _COMPARED, n=1) if word.isalpha() else []
            hint = f" (did you mean {near[0]}?)" if near else ""
            self.fail(f"one of {' '.join(_COMPARED)}{hint}")
        self.at += 1
        return word

    def value(self, operator: str, number: bool) -> object:
        """A value; a list of several; a tuple for a range."""
        if operator in (IN, IS) and self.sign("("):
            values = [self.one(number)]
            while self.sign(","):
                if len(values) > VALUES_MAX:
                    self.fail(f"at most {VALUES_MAX} values")
                values.append(self.one(number))
            if not self.sign(")"):
                self.fail(", or )")
            return values
        if operator == IN and self.sign(".."):
            return (None, self.one(number))
        first = self.one(number)
        if operator == IN and self.sign(".."):
            closed = self.now.kind == "text" or (
                self.now.kind == "word" and self.now.text.lower() not in _WORDS
            )
            return (first, self.one(number) if closed else None)
        return [first] if operator in (IN, IS) else first

    def one(self, number: bool) -> object:
        token = self.now
        if token.kind not in ("word", "text"):
            self.fail("a number" if number else "a value")
        self.at += 1
        text = token.text[1:-1] if token.kind == "text" else token.text
        if not number:
            return text
        try:
            return float(text)
        except ValueError:
            return self.fail("a number", token)
