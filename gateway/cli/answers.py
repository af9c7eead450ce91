"""What `csid resolve` prints of an answer, whether a server was asked or it was walked to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from csid.client.answer import Answer
from csid.identifier import Identifier
from gateway.cli import plain

if TYPE_CHECKING:
    from registry.zones.held import Seen

MANY: Final = "-"  # in place of an identifier: they come from standard input
EXIT_RESOLVED: Final = 0
EXIT_ABSENT: Final = 1  # the server says that there is no such identifier, or no record at it
EXIT_ERROR: Final = 2  # it could not be asked, or is no identifier
EXIT_NOT_ACTIVE: Final = 3  # with --require-active: it is there and not to be used


def exit_code(answer: Answer, require_active: bool) -> int:
    """What the exit code of one answer is."""
    if answer.record is None:
        return EXIT_ABSENT
    return EXIT_NOT_ACTIVE if require_active and not answer.is_active else EXIT_RESOLVED


def json_of(answer: Answer, suffix: str | None, held: Sequence[Seen] = ()) -> dict[str, Any]:
    """An answer as JSON."""
    value: dict[str, Any] = {
        "identifier": str(answer.identifier),
        "dns": answer.identifier.to_dns_name(suffix),
        "rcode": answer.rcode,
        "ttl": answer.ttl,
    }
    if answer.alias_of is not None:
        value["alias_of"] = answer.alias_of
    if answer.record is not None:
        value["record"] = answer.record.json()
    if held:
        value["held"] = [one.json() for one in held]
    return value | {
        "server": str(answer.authority.server),
        "authoritative": answer.authority.is_authoritative,
        "transport": answer.transport,
        "milliseconds": round(answer.seconds * 1000, 3),
        "octets": answer.octets,
    }


def print_table(answer: Answer, suffix: str | None, server: str, held: Sequence[Seen] = ()) -> None:
    """Print an answer for people."""
    identifier: Identifier = answer.identifier
    rows = [
        ("标识 Identifier", str(identifier)),
        ("域名 DNS name", identifier.to_dns_name(suffix)),
    ]
    if answer.alias_of is not None:
        rows.append(("别名指向 Alias of", answer.alias_of))
    if answer.record is not None:
        rows += plain.facts_of(answer.record)
        if held:
            from gateway.cli import supervising

            rows += [("监管暂停 Held", supervising.text_of(one)) for one in held]
    elif not answer.exists:
        rows.append(("结果 Result", "标识不存在 no such identifier (NXDOMAIN)"))
    else:
        rows.append(("结果 Result", "无记录 the name exists and holds no record"))
    rows.append(("缓存时间 TTL", f"{answer.ttl} s"))
    rows.append(
        (
            "应答 Answer",
            f"{answer.seconds * 1000:.1f} ms, {answer.octets} octets, {answer.transport} {server}",
        )
    )
    plain.print_facts(rows)
