"""The documents say the words of the code."""

from __future__ import annotations

import re

from csid import fields, vocabulary
from registry.rules.participants import KINDS
from registry.rules.requests import Role
from registry.rules.tokens import ROLES as TOKENS_OF
from registry.tables.enums import FILING_WORDS, STANDING_WORDS, WORDS
from tests.support.servers import CHECKOUT

REGISTRY = (CHECKOUT / "schemas" / "registry.md").read_text("utf-8")
GUIDE = (CHECKOUT / "docs" / "registry.md").read_text("utf-8")


def test_every_state_standing_kind_and_role_has_its_words() -> None:
    assert [words.record for words in WORDS.values()] == list(vocabulary.STATES)
    assert list(STANDING_WORDS.values()) == list(vocabulary.STANDINGS.items())
    assert [words.word for words in KINDS.values()] == list(vocabulary.KINDS)
    # Nobody acts as a node or a gateway at a terminal.
    away = (Role.NODE, Role.GATEWAY)
    assert [role.value for role in Role if role not in away] == list(vocabulary.ROLES)
    assert {role.value for role in TOKENS_OF} == set(vocabulary.TOKEN_ROLES)
    assert list(FILING_WORDS.values()) == list(vocabulary.FILING_STATES.items())


def test_every_field_of_a_record_has_its_words() -> None:
    named = {field.name for field in fields.FIELDS} | set(fields.PRECISIONS.values())
    assert named == set(vocabulary.FIELDS)


def test_the_schema_of_the_registry_has_the_states_standings_and_kinds() -> None:
    states = re.findall(r"^\| `(\w+)` \| (\S+) \| \w+ ?\w* ?\w* \| ", REGISTRY, re.M)
    assert dict(states) == dict(vocabulary.STATES)
    kinds = re.findall(r"^\| \d \| `(\w+)` \| (\S+) \| ([^|]+) \| ([^|]+) \|", REGISTRY, re.M)
    assert [tuple(kind[:3]) for kind in kinds] == [
        (word, *words) for word, words in vocabulary.KINDS.items()
    ]
    assert [kind[3] for kind in kinds] == [
        right.value for words in KINDS.values() for right in words.rights
    ]
    assert all(f"{word} {zh}" in REGISTRY for word, zh in vocabulary.STANDINGS.items())
    assert all(f"`{word}` | {zh} |" in REGISTRY for word, zh in vocabulary.FILING_STATES.items())


def test_the_guide_draws_the_life_of_an_identifier_in_the_same_words() -> None:
    assert all(f"{word} {vocabulary.STATES[word]}" in GUIDE for word in fields.STATES)
    assert "在用" not in GUIDE + REGISTRY
