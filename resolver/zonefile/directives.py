"""The arguments of a directive of a master file (RFC 1035 section 5.1, RFC 2308 section 4)."""

from __future__ import annotations

import dns.tokenizer

from resolver.zonefile.tokens import TextError


def bare(tokens: dns.tokenizer.Tokenizer, what: str) -> str:
    """A word of a directive that takes no quotes."""
    token = tokens.get()
    if not token.is_identifier():
        raise TextError(f"the directive ends before its argument; give it {what}, without quotes")
    text: str = token.value
    return text


def _taken(tokens: dns.tokenizer.Tokenizer, count: int, what: str) -> list[str]:
    """Words or quoted texts of a directive, as written."""
    taken = [tokens.get() for _ in range(count)]
    if not all(token.is_identifier() or token.is_quoted_string() for token in taken):
        raise TextError(f"the directive ends before its argument; give it {what}")
    return [token.value for token in taken]


def arguments(
    tokens: dns.tokenizer.Tokenizer, what: str, least: int, most: int | None = None
) -> list[str]:
    """The last arguments of a directive: at least `least`, at most `most`, then the line's end."""
    taken = _taken(tokens, least, what)
    token = tokens.get()
    while not token.is_eol_or_eof():
        if len(taken) >= (most or least):
            raise TextError(f"{token.value!r} is too much; the directive takes {what}")
        taken.append(token.value)
        token = tokens.get()
    return taken
