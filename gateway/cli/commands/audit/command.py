"""`csid audit`: the log of all changes signed, verified, and proved to others 审计."""

from __future__ import annotations

import argparse
from pathlib import Path

from gateway.cli import acting, options, output
from gateway.cli.commands.audit import prove, publish, resume, verify
from gateway.cli.commands.audit.files import (
    KEY_FILE,
    VERIFIER_SUFFIX,
    add_output,
    give,
    verifiers_of,
)
from gateway.cli.commands.audit.keys import KeyFiles


def register(subparsers: options.Subparsers[argparse.ArgumentParser]) -> None:
    """Add `csid audit` with its actions."""
    parser = subparsers.add_parser(
        "audit",
        description="The log of all changes 审计日志: signed, verified, and proved to others.",
    )
    actions = parser.add_subparsers(metavar="ACTION", required=True)
    _register_key(actions)
    _register_checkpoint(actions)
    verify.register(actions)
    prove.register(actions)
    publish.register(actions)
    resume.register(actions)


def _register_key(actions: options.Subparsers[argparse.ArgumentParser]) -> None:
    key = actions.add_parser(
        "key",
        help="make, succeed or show the key of the log 日志密钥",
        description="Show the verifier keys of the log, the newest first, to be handed to "
        "everybody 显示公钥; with --new make the first key, with --rotate the next one, which the "
        "key before vouches for. Private keys stay in their files, readable to their user alone. "
        "An interrupted command goes on when it is given again.",
    )
    what = key.add_mutually_exclusive_group()
    what.add_argument(
        "--new", metavar="NAME", help="make the first key, named as example.cn/csid-log 新建"
    )
    what.add_argument(
        "--rotate",
        metavar="NAME",
        nargs="?",
        const="",
        help="make the next key, of the same name unless another is given 轮换",
    )
    _add_signing(key)
    key.set_defaults(run=run_key)


def _register_checkpoint(actions: options.Subparsers[argparse.ArgumentParser]) -> None:
    checkpoint = actions.add_parser(
        "checkpoint",
        help="sign the log as it stands 签署检查点",
        description="Sign the log as it stands, keep the checkpoint and print it 签署检查点. "
        "Nothing is signed unless the last checkpoint holds.",
    )
    add_output(checkpoint)
    _add_signing(checkpoint)
    checkpoint.set_defaults(run=run_checkpoint)


def _add_signing(parser: argparse.ArgumentParser) -> None:
    options.add_data(parser)
    parser.add_argument(
        "--key",
        type=Path,
        metavar="FILE",
        help=f"private key file, its verifier key beside it in FILE{VERIFIER_SUFFIX} 私钥文件 "
        f"({KEY_FILE} in the data directory)",
    )
    parser.add_argument("--reason", default="", metavar="TEXT", help="why; kept for ever 事由")
    acting.add_actor(parser)


def run_key(args: argparse.Namespace) -> int:
    """Make a key of the log if asked, and print its verifier keys."""
    acting.require_auditor(args)
    files = KeyFiles(args.data, args.key)
    if args.new is not None or args.rotate is not None:
        actor = acting.actor_of(args)
        with acting.open_for_writing(args) as registry:
            if args.new is not None:
                files.make(registry, args.new, actor, args.reason)
            else:
                files.rotate(registry, args.rotate, actor, args.reason)
    for key in verifiers_of(str(files.public)):
        print(key)
    return output.EXIT_OK


def run_checkpoint(args: argparse.Namespace) -> int:
    """Sign the log as it stands."""
    acting.require_auditor(args)
    files = KeyFiles(args.data, args.key)
    with acting.open_for_writing(args) as registry:
        key = files.signing(registry)
        note = registry.checkpoint(key, acting.actor_of(args), args.reason)
    give(note, args.output)
    return output.EXIT_OK
