"""The `csid` command.

Each command lives in the module that COMMANDS names. The module offers `register(subparsers)`,
which adds its parser with `set_defaults(run=function)`; the function takes the parsed arguments and
gives the exit code. Only the module of the command given is imported, so that `csid serve` starts
fast.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Sequence
from typing import Final

from csid.errors import CsidError

EXIT_ERROR: Final = 2  # the command could not be carried out at all
EXIT_INTERRUPTED: Final = 130  # by Ctrl-C: 128 + SIGINT, as shells count
EXIT_PIPE: Final = 141  # whoever read our output went away: 128 + SIGPIPE

# Command -> its module in this package, and what it is for.
COMMANDS: Final = {
    "id": ("id", "explain, check and make identifiers 标识的解释、校验与生成"),
    "init": ("init", "make a data directory 建立数据目录"),
    "import": ("import_", "take in identifiers with their records from a table 批量导入"),
    "list": ("show", "list identifiers by prefix 列出标识"),
    "show": ("show", "show one identifier with its record 查看标识"),
    "owner": ("owner", "participants and their accreditation 参与主体与准入"),
    "pool": ("pool", "pools: blocks of codes, and codes minted in them 资源池"),
    "scope": ("scope", "what the node assigns for 管辖范围"),
    "assign": ("assign", "assign an identifier 赋码"),
    "update": ("assign", "change the record of an identifier 变更记录"),
    "file": ("advance", "hand an identifier in for filing 提交备案"),
    "activate": ("advance", "a filing was accepted 备案通过"),
    "withdraw": ("advance", "a filing was refused or taken back 撤回备案"),
    "suspend": ("advance", "put an identifier on hold 暂停"),
    "reinstate": ("advance", "end a hold 恢复"),
    "retire": ("advance", "end an identifier for ever 终止"),
    "alias": ("transfer", "let an identifier or a subtree lead to another 别名"),
    "transfer": ("transfer", "give identifiers to another owner 转移"),
    "location": ("transfer", "retire a location code and re-home what is there 位置代码停用"),
    "search": ("list", "find identifiers by prefix and attributes 检索"),
    "export": ("export", "write identifiers with their records to a table 导出"),
    "restore": ("restore", "take in what was exported as JSON Lines 恢复"),
    "history": ("history", "each change, when, by whom and why 变更历史"),
    "audit": ("audit", "sign, verify and prove the log of all changes 审计"),
    "zone": ("zone", "load, dump, list and drop zones 区数据管理"),
    "serve": ("serve", "answer over UDP and TCP 启动解析服务"),
    "resolve": ("resolve", "ask a server for an identifier 解析标识"),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code."""
    words = list(sys.argv[1:] if argv is None else argv)
    try:
        arguments = _parser(words[:1]).parse_args(words)
        code: int = arguments.run(arguments)
        sys.stdout.flush()
    except CsidError as error:
        from gateway.cli.output import complain

        complain(error)
        return EXIT_ERROR
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        # So that the interpreter's own flush at exit finds somewhere to write to.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_PIPE
    return code


def _parser(first: Sequence[str]) -> argparse.ArgumentParser:
    """The parser that knows the command given, or, where none was, of all that there are."""
    parser = argparse.ArgumentParser(
        prog="csid", description="Compute identifiers: assign, store, resolve. 算力标识"
    )
    subparsers = parser.add_subparsers(metavar="COMMAND", required=True)
    if first and first[0] in COMMANDS:
        module, _ = COMMANDS[first[0]]
        importlib.import_module(f"gateway.cli.commands.{module}").register(subparsers)
    else:
        for name, (_, purpose) in COMMANDS.items():
            subparsers.add_parser(name, help=purpose)
    return parser
