"""A configuration as a file has it: to look at, and to begin one with."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import Field, fields
from types import MappingProxyType
from typing import Any, get_args

from gateway import language
from gateway.configuration.sections import KINDS, Configuration


def shown(found: Configuration) -> str:
    """All that holds, with the defaults, in TOML; an option that has no value is left out."""
    parts = []
    for name, kind in KINDS.items():
        value = getattr(found, name)
        if get_args(kind):
            parts += ["\n".join(_section(f"[[{name}]]", one)) for one in value]
        else:
            parts.append("\n".join(_section(f"[{_hyphens(name)}]", value)))
    for name, said in found.elsewhere.items():
        lines = [f"{option} = {_toml(value)}" for option, value in said.items()]
        parts.append("\n".join([f"[{name}]", *lines]))
    return "\n\n".join(parts) + "\n"


def example(said: Mapping[tuple[str, str], Any] = MappingProxyType({})) -> str:
    """A file with every option as a comment, its default or an example, and what it is for.

    Args:
        said: by section and option, as `Configuration` names them, those that are no comment.
    """
    heads = [
        "# Configuration of a node 节点配置: /etc/csid/csid.toml, $CSID_CONFIG or --config FILE.",
        "# What stands here as a comment is the default, or an example where there is none.",
        "# csid config check tells whether a file can be used, csid config show what holds.",
    ]
    lines = [language.shown(head) for head in heads]
    for name, kind in KINDS.items():
        of_many = get_args(kind)
        section = of_many[0] if of_many else kind
        head = f"[[{name}]]" if of_many else f"[{_hyphens(name)}]"
        lines += [
            "",
            f"{'# ' if of_many else ''}{head}  # {_purpose(section)}",
        ]
        for option in fields(section):
            words = option.metadata["words"]
            line = f"# {_line(option, _exemplary(option))}"
            if (name, option.name) in said:
                line = _line(option, said[name, option.name])
            lines += [f"# {language.shown(f'{words.en} {words.zh}')}", line]
    return "\n".join(lines) + "\n"


def _purpose(section: type) -> str:
    """What a section is for: its docstring behind the head."""
    return language.shown((section.__doc__ or "").partition(": ")[2])


def _exemplary(option: Field[Any]) -> Any:
    example = option.metadata.get("example")
    return option.default if example is None else example


def _section(head: str, section: Any) -> Iterator[str]:
    yield head
    for option in fields(section):
        value = getattr(section, option.name)
        if value is not None:
            yield _line(option, value)


def _line(option: Field[Any], value: Any) -> str:
    return f"{_hyphens(option.name)} = {_toml(value)}"


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if type(value) in (tuple, list):
        return f"[{', '.join(map(_toml, value))}]"
    # A basic string of TOML may hold what one of JSON does, but DEL.
    return json.dumps(str(value), ensure_ascii=False).replace("\x7f", "\\u007F")


def _hyphens(name: str) -> str:
    return name.replace("_", "-")
