"""Identifiers and owners as RDAP objects (RFC 9083). Pure: what may be seen of them goes in, an
object comes out. What RDAP has no member for begins with `csid_` (RFC 7480 section 6).

An identifier is a domain (section 5.3), as it is a name of the DNS; its owner an entity (section
5.1), the registrant. What an asker does not see is told by RFC 9537.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from gateway.visibility import Audience, hidden
from registry.tables.enums import BY_WORD, WORDS

Object = dict[str, Any]
Seen = Mapping[str, Any]  # as gateway.http.shown gives it

MEDIA_TYPE: Final = "application/rdap+json"
_CONFORMANCE: Final = ("rdap_level_0", "redacted", "csid")
# Where an accreditation is, in the words of RFC 9083 section 10.2.2.
_STANDINGS: Final[Mapping[str, str]] = {
    "applied": "pending create",
    "accredited": "active",
    "suspended": "inactive",
    "ended": "removed",
}


def answered(found: Object, audience: Audience, kinds: tuple[str, ...]) -> Object:
    """An object as an answer: what it conforms to, and what of it is not shown.

    Args:
        kinds: of what its fields are.
    """
    fields = [f"{kind} {name}" for kind in kinds for name in hidden(kind, audience)]
    redacted = [
        {
            "name": {"description": field},
            "reason": {"description": "for those alone who act for the owner, or audit"},
            "method": "removal",
        }
        for field in fields
    ]
    return {"rdapConformance": list(_CONFORMANCE), **found, "redacted": redacted}


def domain(identifier: Seen, owner: Seen | None, base: str) -> Object:
    """An identifier.

    Args:
        owner: None where it is not registered here.
        base: of the links, without a slash at its end.
    """
    record = identifier["record"]
    events = [
        {"eventAction": "registration", "eventDate": identifier["since"]},
        {"eventAction": "last changed", "eventDate": identifier["changed"]},
    ]
    if "valid_until" in record:
        # The last day of it, in China, whose calendar the codes follow.
        date = f"{record['valid_until']}T23:59:59+08:00"
        events.append({"eventAction": "expiration", "eventDate": date})
    here = f"{base}/rdap/domain/{identifier['dns']}"
    links = [_link(here, here, "self")]
    if identifier["target"]:
        links.append(_link(here, f"{base}/rdap/domain/{identifier['target']}", "related"))
    made: Object = {
        "objectClassName": "domain",
        "handle": identifier["identifier"],
        "ldhName": identifier["dns"].rstrip("."),
        "status": list(WORDS[BY_WORD[identifier["state"]]].rdap),
        "events": events,
        "links": links,
        "csid_handle": identifier["handle"],
        "csid_record": record,
        "csid_ttl": identifier["ttl"],
    }
    if identifier["target"]:
        made["csid_target"] = identifier["target"]
    if owner is not None:
        made["entities"] = [entity(owner, base) | {"roles": ["registrant"]}]
    return made


def entity(owner: Seen, base: str) -> Object:
    """An owner."""
    here = f"{base}/rdap/entity/{owner['owner']}"
    card: list[list[Any]] = [
        ["version", {}, "text", "4.0"],
        ["fn", {}, "text", owner["name"]],
        ["kind", {}, "text", "org"],
    ]
    if contact := owner.get("contact"):
        card.append(["email" if _is_mail(contact) else "note", {}, "text", contact])
    return {
        "objectClassName": "entity",
        "handle": owner["owner"],
        "vcardArray": ["vcard", card],  # RFC 7095
        "status": [_STANDINGS[owner["standing"]]],
        "events": [{"eventAction": "registration", "eventDate": owner["since"]}],
        "links": [_link(here, here, "self")],
        "csid_kinds": owner["kinds"],
        "csid_qualified": owner["qualified"],
    }


def about() -> Object:
    """What is said for help (section 7)."""
    return {
        "rdapConformance": list(_CONFORMANCE),
        "notices": [
            {
                "title": "csid 算力标识登记数据查询",
                "description": [
                    "domain/NAME: an identifier, as DNS name, code or Handle 标识",
                    "entity/CODE: an owner, by its 18 characters 所属主体",
                ],
            }
        ],
    }


def error(status: int, title: str, detail: str) -> Object:
    """What is said where there is nothing to show (section 6)."""
    return {
        "rdapConformance": list(_CONFORMANCE),
        "errorCode": status,
        "title": title,
        "description": [detail],
    }


def _link(value: str, href: str, rel: str) -> Object:
    return {"value": value, "rel": rel, "href": href, "type": MEDIA_TYPE}


def _is_mail(text: str) -> bool:
    name, at, host = text.partition("@")
    return bool(at and name and "." in host and " " not in text and "@" not in host)
