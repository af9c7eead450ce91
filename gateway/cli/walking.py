"""`csid resolve --root`: from the root to the record of an identifier, step by step."""

from __future__ import annotations

import argparse
from typing import Any, Final

from csid import address, scheme
from csid.client.answer import Answer, Authority
from csid.errors import CsidError
from csid.identifier import Identifier, parse
from csid.names import to_text
from gateway.cli import answers, output, supervising
from gateway.configuration.load import load
from resolver.client.settings import DEFAULT_PORT
from resolver.client.walking import Found, walk
from resolver.recursion.steps import Step, json_of, server_name, type_of

_TRACE_HEADS: Final = ("步骤 Step", "服务器 Server", "毫秒 ms", "问 Asked", "答 Said")


class OptionsError(CsidError):
    """Options that do not go together."""


def run(arguments: argparse.Namespace) -> int:
    """Walk from the root and print; what was walked is shown even if it leads nowhere."""
    said = load(arguments.config).gateway
    roots = [address.parse(one, DEFAULT_PORT) for one in arguments.root or ()] or list(said.root)
    if not roots:
        raise OptionsError(
            "--trace and --referred-port go with --root HOST:PORT, or with root under [gateway] in "
            "the configuration"
        )
    if arguments.server or arguments.id == answers.MANY:
        raise OptionsError("--root goes with one identifier, and without --server")
    identifier = parse(arguments.id, suffix=arguments.suffix)
    suffix = arguments.suffix or scheme.load().dns_suffix
    name = identifier.to_dns_name(arguments.suffix)
    walked = walk(name, roots, suffix, arguments.referred_port, arguments.tcp)
    answer = None if walked.found is None else _answer(identifier, name, walked.found)
    held = []
    if answer is not None and answer.record is not None and answer.record.state == "suspended":
        held = supervising.held_by(answer, arguments.suffix, arguments.tcp, roots[0])
    if arguments.json:
        trace = {"trace": list(map(json_of, walked.steps))} if arguments.trace else {}
        if answer is None:
            value: dict[str, Any] = {
                "identifier": str(identifier),
                "dns": name,
                "error": str(walked.error),
            }
        else:
            assert walked.found is not None
            by_name = {"server_name": server_name(walked.found.step)}
            value = answers.json_of(answer, arguments.suffix, held) | by_name
        output.print_json(value | trace)
    elif arguments.trace:
        output.print_list(_TRACE_HEADS, map(_step_row, enumerate(walked.steps, start=1)))
    if answer is None:
        assert walked.error is not None
        raise walked.error
    assert walked.found is not None
    if not arguments.json:
        answers.print_table(answer, arguments.suffix, _server(walked.found.step), held)
    return answers.exit_code(answer, arguments.require_active)


def _answer(identifier: Identifier, name: str, found: Found) -> Answer:
    step = found.step
    return Answer(
        identifier,
        found.record,
        found.rcode == "NOERROR",
        found.ttl,
        None if found.canonical == name else found.canonical,
        Authority(step.server, True, None),
        "tcp" if step.over_tcp else "udp",
        step.seconds,
        step.octets,
    )


def _step_row(numbered: tuple[int, Step]) -> tuple[str, ...]:
    number, step = numbered
    return (
        f"{'  ' * step.depth}{number}",
        _server(step),
        f"{step.seconds * 1000:.1f}",
        f"{to_text(step.name)} {type_of(step)}",
        step.said,
    )


def _server(step: Step) -> str:
    return f"{to_text(step.host)} ({step.server})" if step.host else str(step.server)
