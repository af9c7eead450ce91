"""Texts for people in the language of who reads them: Chinese, English, or both side by side.

`speak` says once which it is; `shown` puts a text into it, where it is shown. Catalogues are loaded
when the first text is.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from gateway.language.speaker import Speaker

BOTH: Final = "both"
LANGUAGES: Final = ("zh", "en", BOTH)

_spoken = BOTH


def speak(language: str) -> None:
    """Show texts in this one of LANGUAGES from now on."""
    global _spoken
    _spoken = language


def spoken() -> str:
    """The one of LANGUAGES that is spoken."""
    return _spoken


def shown(text: str) -> str:
    """A text of ours as it is shown; what is none of ours stays as it is."""
    return text if _spoken == BOTH else speaker_of(_spoken).say(text)


def known(text: str) -> str:
    """The same of a text with nothing filled in; another one is not looked into."""
    return text if _spoken == BOTH else speaker_of(_spoken).known(text)


@cache
def speaker_of(language: str) -> Speaker:
    """Who says texts in a language."""
    from gateway.language.speaker import Speaker  # which nobody loads who reads both

    return Speaker(language)


def term(zh: str, en: str) -> str:
    """The same where English is what is shown to who reads both."""
    return zh if _spoken == "zh" else en


def words(zh: str, en: str) -> str:
    """What is known in both languages, as it is shown."""
    return {"zh": zh, "en": en}.get(_spoken, f"{zh} {en}")
