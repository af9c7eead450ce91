"""The `csid` command.

Each command lives in the module that COMMANDS names. The module offers `register(subparsers)`,
which adds its parser with `set_defaults(run=function)`; the function takes the parsed arguments and
gives the exit code. Only the module of the command given is imported, so that `csid serve` starts
fast.
"""

from __future__ import annotations

import argparse
import importlib
import io
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from csid.errors import CsidError

if TYPE_CHECKING:
    from _typeshed import SupportsWrite

EXIT_ERROR: Final = 2  # the command could not be carried out at all
EXIT_INTERRUPTED: Final = 130  # by Ctrl-C: 128 + SIGINT, as shells count
EXIT_PIPE: Final = 141  # whoever read our output went away: 128 + SIGPIPE

# Command -> its module in this package, and what it is for.
COMMANDS: Final = {
    "id": ("ids", "explain, check and make identifiers 标识的解释、校验与生成"),
    "init": ("data", "make a data directory 建立数据目录"),
    "import": ("data", "take in identifiers with their records from a table 批量导入"),
    "list": ("data", "list identifiers by prefix 列出标识"),
    "show": ("data", "show one identifier with its record 查看标识"),
    "owner": ("owners", "participants and their accreditation 参与主体与准入"),
    "pool": ("pools", "pools: blocks of codes, and codes minted in them 资源池"),
    "scope": ("scoping", "what the node assigns for 管辖范围"),
    "assign": ("assigning", "assign an identifier 赋码"),
    "update": ("assigning", "change the record of an identifier 变更记录"),
    "file": ("advancing", "hand an identifier in for filing 提交备案"),
    "activate": ("advancing", "a filing was accepted 备案通过"),
    "withdraw": ("advancing", "a filing was refused or taken back 撤回备案"),
    "suspend": ("advancing", "put an identifier on hold 暂停"),
    "reinstate": ("advancing", "end a hold 恢复"),
    "retire": ("advancing", "end an identifier for ever 终止"),
    "alias": ("moving", "let an identifier or a subtree lead to another 别名"),
    "transfer": ("moving", "give identifiers to another owner 转移"),
    "location": ("moving", "retire a location code and re-home what is there 位置代码停用"),
    "search": ("searching", "find identifiers by prefix and attributes 检索"),
    "export": ("exporting", "write identifiers with their records to a table 导出"),
    "restore": ("restoring", "take in what was exported as JSON Lines 恢复"),
    "history": ("histories", "each change, when, by whom and why 变更历史"),
    "audit": ("auditing", "sign, verify and prove the log of all changes 审计"),
    "zone": ("zones", "load, dump, list and drop zones 区数据管理"),
    "serve": ("serve", "answer over UDP and TCP 启动解析服务"),
    "resolve": ("resolve", "ask a server for an identifier 解析标识"),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code."""
    words = list(sys.argv[1:] if argv is None else argv)
    _let_all_texts_out()
    try:
        code = _run(words)
        sys.stdout.flush()
    except CsidError as error:
        return _failed(str(error))
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
    code: int = arguments.run(arguments)
    return code


def _let_all_texts_out() -> None:
    """Have what the terminal's encoding cannot show written as escapes, on stdout as on stderr."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


def _failed(message: str) -> int:
    from gateway.cli.console import complain

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


class _Parser(argparse.ArgumentParser):
    """A parser that says when its help could not be printed."""

    def print_help(self, file: SupportsWrite[str] | None = None) -> None:
        """Print it; argparse's own passes over errors."""
        (file or sys.stdout).write(self.format_help())


def _parser(first: Sequence[str]) -> argparse.ArgumentParser:
    """The parser that knows the command given, or, where none was, of all that there are."""
    parser = _Parser(
        prog="csid", description="Compute identifiers: assign, store, resolve. 算力标识"
    )
    subparsers = parser.add_subparsers(metavar="COMMAND", required=True)
    if first and first[0] in COMMANDS:
        module, _ = COMMANDS[first[0]]
        importlib.import_module(f"gateway.cli.{module}").register(subparsers)
    else:
        for name, (_, purpose) in COMMANDS.items():
            subparsers.add_parser(name, help=purpose)
    return parser
