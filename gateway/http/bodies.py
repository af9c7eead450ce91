"""What is asked for in JSON, as requests of the registry: one operation a row of OPERATIONS, alone
or as an item of a batch.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, NamedTuple

from csid.errors import IdentifierError, RecordError
from csid.identifier import Identifier, fold, parse
from csid.record import Record
from csid.vocabulary import LOCKS, Words
from gateway.http.problems import Fault, Problem
from registry.rules.lifecycle import Verb
from registry.rules.offers import SECONDS_MAX, digest_of
from registry.rules.participants import KIND_BY_WORD, Judgement
from registry.rules.requests import (
    AcceptTransfer,
    AddLocks,
    AddOwner,
    AddPool,
    Advance,
    Alias,
    Assign,
    Body,
    CancelTransfer,
    JudgeOwner,
    Mint,
    OfferTransfer,
    QualifyOwner,
    RejectTransfer,
    RemoveLocks,
    Renew,
    RequestFiling,
    Retire,
    Update,
    UpdateOwner,
    facts_of,
)
from registry.tables.enums import LockKind

OF_OWNER, OF_NODE = "owner", "node"  # whose a lock is
DAY: Final = 86_400
OFFER_DAYS: Final = 14  # that an offer holds, unless it says how many

Given = Mapping[str, Any]


class Member(NamedTuple):
    """A member of a JSON object: the schema of its value, and whether it has to be there."""

    schema: Mapping[str, Any]
    needed: bool = False


TEXT: Final = {"type": "string"}
NAME: Final = {"type": "string", "minLength": 1, "maxLength": 200}
FLAG: Final = {"type": "boolean"}
NUMBER: Final = {"type": "integer", "minimum": 0, "maximum": 2**53 - 1}
QUOTA: Final = {"type": ["integer", "null"], "minimum": 0, "maximum": 2**53 - 1}
RECORD: Final = {"$ref": "#/components/schemas/Record"}
IDENTIFIER: Final = {"type": "string", "minLength": 1, "maxLength": 300}
KINDS: Final = {
    "type": "array",
    "items": {"type": "string", "enum": list(KIND_BY_WORD)},
    "minItems": 1,
    "maxItems": len(KIND_BY_WORD),
}
FACTS: Final = {"type": "object", "description": "members of Record; null takes one away"}

# What JSON schemas call the types of Python values that JSON has.
_TYPES: Final[Mapping[str, tuple[type, ...]]] = {
    "string": (str,),
    "integer": (int,),
    "boolean": (bool,),
    "array": (list,),
    "object": (dict,),
    "null": (type(None),),
}


class Operation(NamedTuple):
    """Something that can be asked for.

    Attributes:
        words: what it is for.
        members: of the object that asks for it, besides those of every request.
        make: the request's body from that object, which has been held to the members.
        subject: the members that a path gives in place of the object.
    """

    words: Words
    members: Mapping[str, Member]
    make: Callable[[Given], Body]
    subject: tuple[str, ...] = ("identifier",)


def read(operation: Operation, given: Any, more: Iterable[str] = ()) -> Body:
    """The body of a request.

    Args:
        given: JSON, with what the path says.
        more: members that are looked at elsewhere.

    Raises:
        Problem: a member is missing, of another type, unknown, or no identifier or record.
    """
    if not isinstance(given, dict):
        raise Problem(Fault.VALUE, "expected a JSON object")
    for name in given:
        if name not in operation.members and name not in more:
            known = [*operation.members, *more]
            near = difflib.get_close_matches(name, known, n=1)
            meant = f"did you mean {near[0]}?" if near else f"known are {', '.join(known)}"
            raise Problem(Fault.VALUE, f"{name[:80]!r}: no such member; {meant}")
    for name, member in operation.members.items():
        if name in given:
            require(name, given[name], member.schema)
        elif member.needed:
            raise Problem(Fault.VALUE, f"{name}: is missing")
    try:
        return operation.make(given)
    except (IdentifierError, RecordError) as error:
        raise Problem(Fault.VALUE, str(error)) from None


def require(name: str, value: Any, schema: Mapping[str, Any]) -> None:
    """Hold a value to the parts of JSON schema that members use.

    Raises:
        Problem: it is not as the schema says.
    """
    wanted = schema.get("type", "object")
    kinds = [wanted] if isinstance(wanted, str) else wanted
    if not any(type(value) in _TYPES[kind] for kind in kinds):
        raise Problem(Fault.VALUE, f"{name}: expected {' or '.join(kinds)}")
    if "enum" in schema and value not in schema["enum"]:
        raise Problem(Fault.VALUE, f"{name}: expected one of {', '.join(schema['enum'])}")
    size = len(value) if isinstance(value, str | list) else value
    least = schema.get("minLength", schema.get("minItems", schema.get("minimum")))
    most = schema.get("maxLength", schema.get("maxItems", schema.get("maximum")))
    if isinstance(size, int) and not (size >= (least or 0) and (most is None or size <= most)):
        of = " characters" if isinstance(value, str) else " items" if value is not size else ""
        raise Problem(Fault.VALUE, f"{name}: expected {least or 0} to {most}{of}, given {size}")
    if isinstance(value, list) and "items" in schema:
        for item in value:
            require(name, item, schema["items"])


def _identifier(given: Given, name: str = "identifier") -> Identifier:
    return parse(given[name])


def _record(given: Given) -> Record:
    return Record({"state": "active", **given.get("record", {})})


def _advance(verb: Verb) -> Callable[[Given], Body]:
    return lambda given: Advance(_identifier(given), verb)


def _lock(kind: type[AddLocks] | type[RemoveLocks]) -> Callable[[Given], Body]:
    """The owner's locks, which he lifts himself, unless the node's are meant."""

    def make(given: Given) -> Body:
        locks = tuple(LockKind[word.upper()] for word in dict.fromkeys(given["locks"]))
        return kind(_identifier(given), locks, given.get("of", OF_OWNER) == OF_OWNER)

    return make


def _offer(given: Given) -> Body:
    identifier, code = _identifier(given), given.get("code", "")
    digest = digest_of(identifier, code) if code else b""
    seconds = given.get("days", OFFER_DAYS) * DAY
    return OfferTransfer(identifier, fold(given.get("owner", "")), digest, seconds)


def _update(given: Given) -> Body:
    facts = given["record"]
    if not facts and "ttl" not in given:
        raise Problem(Fault.VALUE, "record: nothing to change is given")
    if "state" in facts:
        raise Problem(Fault.VALUE, "record: a state is changed by its own operation, as suspend")
    return Update(
        _identifier(given),
        facts_of(facts),
        given.get("whole", False),
        given.get("ttl"),
        given.get("unless_changed_since"),
    )


def _add_pool(given: Given) -> Body:
    return AddPool(
        given["place"],
        given["class"],
        given["count"],
        given.get("quota"),
        given.get("first", ""),
        given.get("last", ""),
    )


def _kinds(given: Given) -> tuple[Any, ...]:
    return tuple(KIND_BY_WORD[word] for word in given["kinds"])


def _update_owner(given: Given) -> Body:
    facts = {name: given[name] for name in ("name", "contact", "quota") if name in given}
    if "kinds" in given:
        facts["kinds"] = [kind.value for kind in _kinds(given)]
    return UpdateOwner(fold(given["owner"]), facts_of(facts))


def _judge(judgement: Judgement) -> Operation:
    words = {
        Judgement.ACCREDIT: Words("准入", "accredit an applicant"),
        Judgement.SUSPEND: Words("暂停主体", "suspend an owner"),
        Judgement.REINSTATE: Words("恢复主体", "end the suspension of an owner"),
        Judgement.END: Words("终止主体", "end the accreditation of an owner"),
    }
    return Operation(
        words[judgement],
        {"owner": Member(IDENTIFIER, True)},
        lambda given: JudgeOwner(fold(given["owner"]), judgement),
        ("owner",),
    )


_ID: Final = {"identifier": Member(IDENTIFIER, True)}
_TO_OWNER: Final = {**_ID, "owner": Member(IDENTIFIER, True)}
_LOCK: Final = {
    **_ID,
    "locks": Member(
        {
            "type": "array",
            "items": {"type": "string", "enum": list(LOCKS)},
            "minItems": 1,
            "maxItems": len(LOCKS),
        },
        True,
    ),
    "of": Member({"type": "string", "enum": [OF_OWNER, OF_NODE]}),
}
_TTL: Final = Member({"type": "integer", "minimum": 0, "maximum": 2**31 - 1})
# On identifiers: those of a batch, too.
OPERATIONS: Final[Mapping[str, Operation]] = {
    "assign": Operation(
        Words("赋码", "assign an identifier that is chosen"),
        {**_ID, "record": Member(RECORD), "ttl": _TTL},
        lambda given: Assign(_identifier(given), _record(given), given.get("ttl")),
        (),
    ),
    "mint": Operation(
        Words("池内赋码", "assign the next free identifier of a pool"),
        {"pool": Member(IDENTIFIER, True), "record": Member(RECORD), "ttl": _TTL},
        lambda given: Mint(given["pool"], _record(given), given.get("ttl")),
        (),
    ),
    "update": Operation(
        Words("变更", "change facts of a record"),
        {
            **_ID,
            "record": Member(FACTS, True),
            "whole": Member(FLAG),
            "ttl": _TTL,
            "unless_changed_since": Member(NUMBER),
        },
        _update,
    ),
    "file": Operation(Words("提交备案", "hand in for filing"), _ID, _advance(Verb.FILE)),
    "activate": Operation(Words("备案通过", "a filing was accepted"), _ID, _advance(Verb.ACTIVATE)),
    "withdraw": Operation(Words("撤回备案", "take a filing back"), _ID, _advance(Verb.WITHDRAW)),
    "suspend": Operation(Words("暂停", "put on hold"), _ID, _advance(Verb.SUSPEND)),
    "reinstate": Operation(Words("恢复", "end a hold"), _ID, _advance(Verb.REINSTATE)),
    "retire": Operation(
        Words("终止", "end for ever"),
        {**_ID, "successor": Member(IDENTIFIER)},
        lambda given: Retire(_identifier(given), given.get("successor", "")),
    ),
    "alias": Operation(
        Words("别名", "let an identifier lead to another"),
        {**_ID, "to": Member(IDENTIFIER, True)},
        lambda given: Alias(_identifier(given), _identifier(given, "to")),
    ),
    "lock": Operation(Words("加锁", "keep things from being done"), _LOCK, _lock(AddLocks)),
    "unlock": Operation(Words("解锁", "lift locks"), _LOCK, _lock(RemoveLocks)),
    "offer": Operation(
        Words("提出转移", "offer to another owner, to whoever says a code, or both"),
        {
            **_ID,
            "owner": Member({"type": "string", "maxLength": 40}),
            "code": Member({"type": "string", "minLength": 16, "maxLength": 100}),
            "days": Member({"type": "integer", "minimum": 1, "maximum": SECONDS_MAX // DAY}),
        },
        _offer,
    ),
    "accept": Operation(
        Words("接受转移", "take what is offered to an owner"),
        {**_TO_OWNER, "code": Member({"type": "string", "maxLength": 100})},
        lambda given: AcceptTransfer(
            _identifier(given), fold(given["owner"]), given.get("code", "")
        ),
    ),
    "reject": Operation(
        Words("拒绝转移", "turn down what is offered to an owner"),
        _TO_OWNER,
        lambda given: RejectTransfer(_identifier(given), fold(given["owner"])),
    ),
    "cancel": Operation(
        Words("撤销转移", "take an offer back"),
        _ID,
        lambda given: CancelTransfer(_identifier(given)),
    ),
    "renew": Operation(
        Words("续期", "let it be valid until a later day"),
        {**_ID, "until": Member({"type": "string", "format": "date", "maxLength": 10}, True)},
        lambda given: Renew(_identifier(given), given["until"]),
    ),
}
STEPS: Final = tuple(name for name in OPERATIONS if name not in ("assign", "mint", "update"))
ADD_POOL: Final = Operation(
    Words("设立资源池", "set a block of codes aside"),
    {
        "place": Member(IDENTIFIER, True),
        "class": Member({"type": "string", "minLength": 1, "maxLength": 20}, True),
        "count": Member({"type": "integer", "minimum": 1, "maximum": 2**53 - 1}, True),
        "quota": Member(QUOTA),
        "first": Member({"type": "string", "maxLength": 20}),
        "last": Member({"type": "string", "maxLength": 20}),
    },
    _add_pool,
    (),
)
ADD_OWNER: Final = Operation(
    Words("登记主体", "register an applicant"),
    {
        "owner": Member(IDENTIFIER, True),
        "kinds": Member(KINDS, True),
        "name": Member(NAME, True),
        "contact": Member(NAME, True),
        "quota": Member(QUOTA),
    },
    lambda given: AddOwner(
        fold(given["owner"]), _kinds(given), given["name"], given["contact"], given.get("quota")
    ),
    (),
)
UPDATE_OWNER: Final = Operation(
    Words("变更主体登记", "change what is registered of an owner"),
    {
        "owner": Member(IDENTIFIER, True),
        "kinds": Member(KINDS),
        "name": Member(NAME),
        "contact": Member(NAME),
        "quota": Member(QUOTA),
    },
    _update_owner,
    ("owner",),
)
QUALIFY_OWNER: Final = Operation(
    Words("转售调度资格", "grant or withdraw the resale and scheduling qualification"),
    {"owner": Member(IDENTIFIER, True), "granted": Member(FLAG, True)},
    lambda given: QualifyOwner(fold(given["owner"]), given["granted"]),
    ("owner",),
)
REQUEST_FILING: Final = Operation(
    Words("申请切分点备案", "ask the national node to delegate a cut to this node"),
    {"cut": Member(IDENTIFIER, True)},
    lambda given: RequestFiling(given["cut"]),
    (),
)
JUDGEMENTS: Final = {one.value: _judge(one) for one in Judgement}
