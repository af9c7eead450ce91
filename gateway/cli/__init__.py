"""The `csid` command.

COMMANDS names the module of each command in `gateway.cli.commands`. The module offers
`register(subparsers)`, which adds the command's parser with `set_defaults(run=function)`; the
function takes the parsed arguments and gives the exit code. Only the module of the command given
is imported, so that `csid serve` starts fast.
"""

from __future__ import annotations

import argparse
import gc
import importlib
import io
import itertools
import os
import sys
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Final, NamedTuple, NoReturn

from csid.errors import CsidError
from gateway.cli import errors
from gateway.cli.parser import Parser, in_order
from gateway.language import shown, speak
from gateway.language.choose import language_of

EXIT_ERROR: Final = 2  # the command could not be carried out at all
EXIT_INTERRUPTED: Final = 130  # by Ctrl-C: 128 + SIGINT, as shells count
EXIT_PIPE: Final = 141  # whoever read our output went away: 128 + SIGPIPE
_STANDARD_STREAMS: Final = (  # in the order of their numbers: how each is opened if it was closed
    ("stdin", "r", os.O_WRONLY),
    ("stdout", "w", os.O_RDONLY),
    ("stderr", "w", os.O_WRONLY),
)


class Command(NamedTuple):
    """A command: its module, what it is for, and with which others it is listed.

    One that lasts goes on until it is told to end, so that no other signal ends it.
    """

    module: str
    purpose: str
    group: str
    lasts: bool = False


_NODE = "the node and its server 节点与解析服务"
_HOLDERS = "who and what is assigned to 主体、资源池与范围"
_LIFE = "an identifier's life 赋码与变更"
_READ = "finding and resolving 查询与解析"
_SUPPLY = "supply 供给"
_BULK = "many at once 批量"
COMMANDS: Final = {
    "init": Command("init", "make a data directory 建立数据目录", _NODE),
    "serve": Command("serve", "answer over UDP and TCP 启动解析服务", _NODE, lasts=True),
    "gateway": Command(
        "gateway.command", "resolve from the root, and remember 算力标识网关", _NODE, lasts=True
    ),
    "cache": Command("cache", "what a gateway remembers 网关缓存", _NODE),
    "status": Command("status", "what the node is doing, what is not well 节点状态", _NODE),
    "metrics": Command("metrics", "its state for Prometheus 监控指标", _NODE),
    "config": Command("config", "the configuration file 配置文件", _NODE),
    "whoami": Command("whoami", "as whom one acts here 当前操作人", _NODE),
    "completion": Command("completion", "completions for a shell 命令行补全", _NODE),
    "backup": Command("backup", "copy all of a node while it runs 备份", _NODE),
    "restore-node": Command("restore_node", "make a node anew from a backup 由备份重建", _NODE),
    "migrate": Command("migrate", "bring older data up to date 升级数据目录", _NODE),
    "zone": Command("zone.command", "load, dump, list and drop zones 区数据管理", _NODE),
    "sync": Command("sync", "zones between servers 区同步状态", _NODE),
    "key": Command("key", "keys that messages are signed with (TSIG) 签名密钥", _NODE),
    "system": Command(
        "system.command", "systems of a node, run in a process 节点系统", _NODE, lasts=True
    ),
    "node": Command(
        "node.command", "the nodes of the network, at the national node 节点登记", _NODE
    ),
    "scope": Command("scope", "what the node assigns for 管辖范围", _HOLDERS),
    "filing": Command("filing.command", "what is filed with the national node 备案", _HOLDERS),
    "validity": Command(
        "validity", "what becomes of what is not valid any longer 有效期管理", _HOLDERS
    ),
    "owner": Command("owner", "participants and their accreditation 参与主体与准入", _HOLDERS),
    "token": Command("token", "tokens for the HTTPS interface 令牌", _HOLDERS),
    "pool": Command("pool", "blocks of codes, and codes minted in them 资源池", _HOLDERS),
    "assign": Command("assign", "assign an identifier 赋码", _LIFE),
    "update": Command("update", "change the record of an identifier 变更记录", _LIFE),
    "file": Command("advance", "hand an identifier in for filing 提交备案", _LIFE),
    "activate": Command("advance", "a filing was accepted 备案通过", _LIFE),
    "withdraw": Command("advance", "a filing was refused or taken back 撤回备案", _LIFE),
    "suspend": Command("advance", "put an identifier on hold 暂停", _LIFE),
    "reinstate": Command("advance", "end a hold 恢复", _LIFE),
    "retire": Command("advance", "end an identifier for ever 终止", _LIFE),
    "alias": Command("alias", "let an identifier or a subtree lead to another 别名", _LIFE),
    "transfer": Command("transfer", "give identifiers to another owner 转移", _LIFE),
    "lock": Command("lock", "keep things from being done to identifiers 加锁", _LIFE),
    "renew": Command("validity", "let an identifier be valid for longer 续期", _LIFE),
    "location": Command(
        "location", "retire a location code and re-home what is there 位置代码停用", _LIFE
    ),
    "id": Command("id", "explain, check and make identifiers 标识的解释、校验与生成", _READ),
    "list": Command("list", "find identifiers by prefix and attributes 检索与列出", _READ),
    "show": Command("show", "show one identifier with its record 查看标识", _READ),
    "resolve": Command("resolve", "ask a server for an identifier 解析标识", _READ),
    "history": Command("history", "each change, when, by whom and why 变更历史", _READ),
    "audit": Command("audit.command", "sign, verify and prove the log of all changes 审计", _READ),
    "escrow": Command("escrow", "deposit with a third party, and verify 注册数据托管", _READ),
    "aggregate": Command(
        "aggregate.command",
        "compute of providers, read where it is managed 算力资源汇聚",
        _SUPPLY,
        lasts=True,
    ),
    "select": Command(
        "select", "the compute that a demand needs, the best first 选择算力", _SUPPLY, lasts=True
    ),
    "line": Command("line.command", "dedicated lines, and ways over them 专线与算网路径", _SUPPLY),
    "template": Command("template", "an empty sheet for registrations 登记表模板", _BULK),
    "import": Command("import_", "take in identifiers from a table 批量导入", _BULK),
    "export": Command("export", "write identifiers to a table or JSON Lines 导出", _BULK),
    "restore": Command("restore", "take in what was exported as JSON Lines 恢复", _BULK),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command, by default that of this process, which is to end then; returns its exit
    code.
    """
    try:
        return _outcome(in_order(sys.argv[1:] if argv is None else argv))
    finally:
        if argv is None:
            gc.freeze()  # or the interpreter would, as it ends, look through all there is


def _outcome(words: list[str]) -> int:
    _stand_in_for_closed()
    if words and words[0] in COMMANDS and COMMANDS[words[0]].lasts:
        from resolver.server.signals import ignore_meaningless  # of no use to what ends soon

        ignore_meaningless()
    _let_all_texts_out()
    errors.choose_form(words)
    try:
        speak(language_of(words, os.environ))
        code = _run(words)
        sys.stdout.flush()
    except CsidError as error:
        return _failed(error)
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        _close_output()
        return EXIT_PIPE
    except OSError as error:
        # Where a file was named, the command has told of it; what is left writes to stdout.
        where = error.filename if error.filename is not None else "the output"
        return _failed(f"{where}: {error.strerror or error}")
    except UnicodeError as error:
        return _failed(f"given is text in another encoding than was expected: {error}")
    except MemoryError:
        return _failed("there is not enough memory for this")
    return code


def _run(words: Sequence[str]) -> int:
    try:
        arguments = _parser(words[:1]).parse_args(words)
    except SystemExit:
        sys.stdout.flush()  # the help, which argparse has printed
        raise
    if getattr(arguments, "needs_data", False) and arguments.data is None:
        from gateway.cli import configured

        arguments.data = configured.data(arguments)
    code: int = arguments.run(arguments)
    return code


def _stand_in_for_closed() -> None:
    """Have something in the place of each of stdin, stdout and stderr that was closed, so that no
    file of ours takes its number. To read the one or write the other fails; on stderr nobody can be
    told of it.
    """
    for name, mode, flags in _STANDARD_STREAMS:
        if getattr(sys, name) is None:
            stand_in = os.open(os.devnull, flags)
            setattr(sys, name, os.fdopen(stand_in, mode, encoding="utf-8"))


def _let_all_texts_out() -> None:
    """Have what the terminal's encoding cannot show written as escapes, on stdout as on stderr."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


def _failed(message: object) -> int:
    from gateway.cli.output import complain  # imports rich, which `csid serve` does without

    with suppress(OSError):  # nobody can be told
        complain(message)
    _close_output()
    return EXIT_ERROR


def _close_output() -> None:
    """Let go what could not be written, so that the interpreter does not try again at its end."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def whole_parser() -> Parser:
    """The parser with every command, for what is made of it: completions, manual pages."""
    parser = _bare()
    subparsers = _add(parser, dict.fromkeys(command.module for command in COMMANDS.values()))
    listed = {one.dest for one in subparsers._choices_actions}  # for what there is no public name
    for name, command in COMMANDS.items():
        if name not in listed:
            told = subparsers._ChoicesPseudoAction(name, (), command.purpose)
            subparsers._choices_actions.append(told)
    return parser


def _parser(first: Sequence[str]) -> Parser:
    """The parser of the command given, or, where none was, one that tells of all there are."""
    parser = _bare()
    if "--version" in first:
        from gateway.cli.version import ShowVersion

        parser.add_argument("--version", action=ShowVersion)
    if first and first[0] in COMMANDS:
        _add(parser, [COMMANDS[first[0]].module])
    else:
        parser.add_argument("command", metavar="COMMAND", type=_refuse, help=argparse.SUPPRESS)
    return parser


def _bare() -> Parser:
    return Parser(
        prog="csid",
        usage="csid [--config FILE] [--data DIR] [--lang LANG] COMMAND ... | csid --version "
        "(csid COMMAND --help says more)",
        description="Compute identifiers: assign, store, resolve. 算力标识",
        epilog=_listing(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def _add(parser: Parser, modules: Iterable[str]) -> argparse._SubParsersAction[Parser]:
    subparsers = parser.add_subparsers(metavar="COMMAND", required=True, prog="csid")
    for name in modules:
        module = importlib.import_module(f"gateway.cli.commands.{name}")
        module.register(subparsers)
    return subparsers


def _listing() -> str:
    """All commands with their purposes, group by group."""
    width = max(map(len, COMMANDS))
    lines = []
    for group, commands in itertools.groupby(COMMANDS.items(), lambda one: one[1].group):
        lines.append(f"{shown(group)}:")
        lines += [f"  {name:{width}}  {shown(command.purpose)}" for name, command in commands]
        lines.append("")
    return "\n".join(lines)


def _refuse(word: str) -> NoReturn:
    """Say what is wrong with a first word that is no command.

    Raises:
        argparse.ArgumentTypeError: always.
    """
    if word in COMMANDS:
        raise argparse.ArgumentTypeError(f"{word} comes first: csid {word} ...")
    import difflib  # which no right command needs

    near = difflib.get_close_matches(word, COMMANDS, n=1)
    hint = f"did you mean {near[0]}?" if near else "csid --help lists them"
    raise argparse.ArgumentTypeError(f"there is no command {word[:40]!r}; {hint}")
