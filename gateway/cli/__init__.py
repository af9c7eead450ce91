"""The `csid` command.

COMMANDS (`gateway.cli.listed`) names the module of each in `gateway.cli.commands`, which offers
`register(subparsers)`, which adds the command's parser with `set_defaults(run=function)`; the
function takes the parsed arguments and gives the exit code. Only the module of the command given
is imported, so that `csid serve` starts fast. A first word that is none of them may be a command of
a system elsewhere (`gateway.cli.added`).
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
from functools import partial
from typing import TYPE_CHECKING, Final, NoReturn

from csid.errors import CsidError
from gateway.cli import errors
from gateway.cli.listed import COMMANDS as COMMANDS
from gateway.cli.parser import Parser, in_order
from gateway.language import shown, speak
from gateway.language.choose import language_of

if TYPE_CHECKING:
    from gateway.cli.added import Added

EXIT_ERROR: Final = 2  # the command could not be carried out at all
EXIT_INTERRUPTED: Final = 130  # by Ctrl-C: 128 + SIGINT, as shells count
EXIT_PIPE: Final = 141  # whoever read our output went away: 128 + SIGPIPE
_STANDARD_STREAMS: Final = (  # in the order of their numbers: how each is opened if it was closed
    ("stdin", "r", os.O_WRONLY),
    ("stdout", "w", os.O_RDONLY),
    ("stderr", "w", os.O_WRONLY),
)


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
        arguments = _parser(words).parse_args(words)
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


def _parser(words: Sequence[str]) -> Parser:
    """The parser of the command that words begin with, or, where there is none, one that tells of
    all there are.
    """
    parser = _bare()
    first = words[0] if words else ""
    if first == "--version":
        from gateway.cli.version import ShowVersion

        parser.add_argument("--version", action=ShowVersion)
    if first in COMMANDS:
        _add(parser, [COMMANDS[first].module])
        return parser
    found = None
    if first and not first.startswith("-"):
        from gateway.cli import added  # which no command of ours needs

        found = added.look(words)
        if first in found.commands:
            added.register(_add(parser, ()), first, found.commands[first])
            return parser
    refuse = partial(_refuse, found)
    parser.add_argument("command", metavar="COMMAND", type=refuse, help=argparse.SUPPRESS)
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


def _refuse(added: Added | None, word: str) -> NoReturn:
    """Say what is wrong with a first word that is no command.

    Args:
        added: what systems elsewhere have, where that was looked at.

    Raises:
        argparse.ArgumentTypeError: always.
    """
    if word in COMMANDS:
        raise argparse.ArgumentTypeError(f"{word} comes first: csid {word} ...")
    import difflib  # which no right command needs

    near = difflib.get_close_matches(word, [*COMMANDS, *(added.commands if added else ())], n=1)
    hint = f"did you mean {near[0]}?" if near else "csid --help lists them"
    if added is not None and added.why:
        hint += f"; not all systems could be asked for theirs: {added.why[0]}"
    raise argparse.ArgumentTypeError(f"there is no command {word[:40]!r}; {hint}")
