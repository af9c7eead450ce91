"""`csid audit`: the log of all changes signed, verified, and proved to others 审计."""

from __future__ import annotations

import argparse
from pathlib import Path

from csid.identifier import parse
from gateway.cli import acting, options, output
from gateway.cli.audit_files import (
    KEY_FILE,
    TEXT_MAX,
    VERIFIER_SUFFIX,
    text_of,
    verifier_of,
)
from gateway.cli.commands import audit_resume, audit_verify, history
from registry.audit import (
    KeyFileError,
    ProofError,
    SigningKey,
    check,
)
from registry.service import Registry
from registry.tables import log_entry
from resolver.files import PRIVATE, write_whole


def register(subparsers: options.Subparsers[argparse.ArgumentParser]) -> None:
    """Add `csid audit` with its actions."""
    parser = subparsers.add_parser(
        "audit",
        description="The log of all changes 审计日志: signed, verified, and proved to others.",
    )
    actions = parser.add_subparsers(metavar="ACTION", required=True)
    _register_key(actions)
    _register_checkpoint(actions)
    audit_verify.register(actions)
    audit_resume.register(actions)
    _register_prove(actions)
    check = actions.add_parser(
        "check",
        help="judge a proof 校验证明",
        description="Judge a proof with nothing but the key of the log 校验证明. Exit code 1: it "
        "does not hold.",
    )
    check.add_argument("proof", metavar="PROOF", help="file; - is stdin 证明文件")
    check.add_argument(
        "--key", required=True, metavar="KEY", help="the verifier key: its file, or the line itself"
    )
    options.add_json(check)
    check.set_defaults(run=run_check)


def _register_key(actions: options.Subparsers[argparse.ArgumentParser]) -> None:
    key = actions.add_parser(
        "key",
        help="make or show the key of the log 日志密钥",
        description="Show the verifier key of the log, to be handed to everybody 显示公钥; with "
        "--new, make the key first. The private key stays in its file, readable to its user alone.",
    )
    key.add_argument("--new", metavar="NAME", help="make a key, named as example.cn/csid-log 新建")
    _add_key(key)
    key.set_defaults(run=run_key)


def _register_checkpoint(actions: options.Subparsers[argparse.ArgumentParser]) -> None:
    checkpoint = actions.add_parser(
        "checkpoint",
        help="sign the log as it stands 签署检查点",
        description="Sign the log as it stands, keep the checkpoint and print it 签署检查点.",
    )
    checkpoint.add_argument("--output", type=Path, metavar="FILE", help="write it there 输出文件")
    _add_key(checkpoint)
    checkpoint.set_defaults(run=run_checkpoint)


def _register_prove(actions: options.Subparsers[argparse.ArgumentParser]) -> None:
    prove = actions.add_parser(
        "prove",
        help="prove the last change of an identifier 出具证明",
        description="Write the proof that the last change of an identifier is in the log 出具证明: "
        "csid audit check judges it anywhere.",
    )
    options.add_identifier(prove)
    prove.add_argument(
        "--checkpoint", metavar="FILE", help="prove it by this one 检查点 (the last signed here)"
    )
    prove.add_argument("--output", type=Path, metavar="FILE", help="write it there 输出文件")
    options.add_data(prove)
    acting.add_actor(prove)
    prove.set_defaults(run=run_prove)


def _add_key(parser: argparse.ArgumentParser) -> None:
    options.add_data(parser)
    parser.add_argument(
        "--key",
        type=Path,
        metavar="FILE",
        help=f"private key file, its verifier key beside it in FILE{VERIFIER_SUFFIX} 私钥文件 "
        f"({KEY_FILE} in the data directory)",
    )
    acting.add_actor(parser)


def run_key(args: argparse.Namespace) -> int:
    """Make the key of the log if asked, and print its verifier key."""
    acting.require_auditor(args)
    path = _key_path(args)
    if args.new:
        Registry.open(args.data).close()  # whose log it is to sign
        key = SigningKey.generate(args.new)
        with (
            write_whole(path, PRIVATE, new=True) as private,
            write_whole(_verifier_path(path), new=True) as public,
        ):
            private.write(key.to_pem().decode("ascii"))
            public.write(f"{key.verifier}\n")
    print(verifier_of(str(_verifier_path(path))))
    return output.EXIT_OK


def run_checkpoint(args: argparse.Namespace) -> int:
    """Sign the log as it stands."""
    acting.require_auditor(args)
    key = _signing_key(_key_path(args))
    with Registry.open(args.data, writable=True) as registry:
        _give(registry.checkpoint(key), args.output)
    return output.EXIT_OK


def run_prove(args: argparse.Namespace) -> int:
    """Write the proof of the last change of an identifier."""
    acting.require_auditor(args)
    note = text_of(args.checkpoint) if args.checkpoint else ""
    with Registry.open(args.data) as registry:
        identifier = parse(args.id, suffix=registry.settings.suffix)
        _give(registry.prove(str(identifier), note).text(), args.output)
    return output.EXIT_OK


def run_check(args: argparse.Namespace) -> int:
    """Judge a proof; exit 1 if it does not hold."""
    key = verifier_of(args.key)
    try:
        checked = check(text_of(args.proof), key)
        change = log_entry.decode(checked.leaf)
    except (ProofError, ValueError) as error:
        if args.json:
            output.print_json({"holds": False, "reason": str(error)})
        output.complain(f"证明不成立 the proof does not hold: {error}")
        return output.EXIT_BAD_INPUT
    point = checked.checkpoint
    if args.json:
        value = history.json_of(checked.index, change)
        output.print_json(
            {"holds": True, "origin": point.origin, "size": point.size, "change": value}
        )
    else:
        output.out.print("证明成立 the proof holds", markup=False)
        rows = [
            ("日志 Log", point.origin),
            ("检查点 Checkpoint", f"{point.size:,} 条 changes, root {point.root.hex()}"),
            *history.rows_of(checked.index, change),
        ]
        output.print_facts(rows)
    return output.EXIT_OK


def _key_path(args: argparse.Namespace) -> Path:
    path: Path = args.key or args.data / KEY_FILE
    if not path.name:
        raise KeyFileError(f"--key {path}: is no file; give the private key's")
    return path


def _verifier_path(path: Path) -> Path:
    return path.with_name(path.name + VERIFIER_SUFFIX)


def _signing_key(path: Path) -> SigningKey:
    """The private key in a file, with the name that its verifier key has."""
    try:
        with path.open("rb") as file:
            pem = file.read(TEXT_MAX)
    except OSError as error:
        raise KeyFileError(
            f"{path}: cannot be read: {error.strerror}; make one with: csid audit key --new NAME"
        ) from None
    verifier = verifier_of(str(_verifier_path(path)))
    key = SigningKey.from_pem(verifier.name, pem)
    if key.verifier != verifier:
        raise KeyFileError(f"{path}: is not the private key of {_verifier_path(path)}")
    return key


def _give(text: str, path: Path | None) -> None:
    if path is None:
        output.for_data().write(text)
        return
    with write_whole(path) as file:
        file.write(text)
