"""In which language somebody reads: what is asked for, else what the environment says."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final

from csid.errors import CsidError
from gateway.language import BOTH, LANGUAGES

OPTION: Final = "--lang"
VARIABLE: Final = "CSID_LANG"
_HEADER_MAX: Final = 1_000  # characters
_WEIGHT: Final = r"[01](\.[0-9]{0,3})?"
_LOCALE_VARIABLES: Final = ("LC_ALL", "LC_MESSAGES", "LANG")  # POSIX 8.2: the first that is set


class LanguageError(CsidError):
    """A language that there are no texts in."""


def language_of(words: Sequence[str], environ: Mapping[str, str]) -> str:
    """The one of LANGUAGES that a command line and the environment ask for.

    A word behind --lang that is none of them is left to the parser, which says so.

    Raises:
        LanguageError: the environment asks for another.
    """
    asked = _option(words)
    if asked in LANGUAGES:
        return asked
    named = environ.get(VARIABLE, "")
    if named:
        if named not in LANGUAGES:
            raise LanguageError(
                f"${VARIABLE}: {named[:40]!r} is no language; use one of {', '.join(LANGUAGES)}"
            )
        return named
    locale = next((environ[one] for one in _LOCALE_VARIABLES if environ.get(one)), "")
    spoken = locale[:2].lower()
    return spoken if spoken in LANGUAGES and not locale[2:3].isalpha() else BOTH


def preferred(accepted: str) -> str:
    """The language of `zh` and `en` that a header field Accept-Language prefers (RFC 9110 12.5.4);
    English where it prefers neither.
    """
    found = {"en": 0.0, "zh": 0.0}
    for part in accepted[:_HEADER_MAX].split(","):
        tag, _, weight = part.replace(" ", "").partition(";q=")
        language = tag[:2].lower()
        if language in found and (weight == "" or re.fullmatch(_WEIGHT, weight)):
            found[language] = max(found[language], float(weight or 1))
    return "zh" if found["zh"] > found["en"] else "en"


def _option(words: Sequence[str]) -> str:
    """What is given last as --lang WORD or --lang=WORD, before `--`."""
    asked = ""
    end = words.index("--") if "--" in words else len(words)
    for at, word in enumerate(words[:end]):
        name, sign, value = word.partition("=")
        if name == OPTION:
            asked = value if sign else " ".join(words[at + 1 : at + 2])
    return asked
