"""`csid migrate`: bring the data of an older version of this program up to date."""

from __future__ import annotations

import argparse

from gateway.cli import acting, options, output, progress
from registry.migration import Migrated, MigrationError, migrate
from registry.zones.asked import Asked


def register(subparsers: options.Subparsers[argparse.ArgumentParser]) -> None:
    """Add `csid migrate`."""
    parser = subparsers.add_parser(
        "migrate",
        description="Bring a data directory of schema version 1 up to version 2 升级数据目录. The "
        "new data is made beside the old and takes its place at the end; the old file is kept. "
        "Interrupted or killed, it leaves the old data as it was, and given again it goes on. "
        "Nobody else may use the directory meanwhile, unless --while-serving is given. Exit code: "
        "0 it is up to date; 1 the old data is not what its audit log says, nothing was migrated; "
        "2 could not be done.",
    )
    options.add_data(parser)
    parser.add_argument("--reason", default="", metavar="TEXT", help="why; kept for ever 事由")
    parser.add_argument(
        "--dry-run",
        action="store_true",
        help="only look whether it can be done; the directory may be in use 试运行",
    )
    parser.add_argument(
        "--while-serving",
        action="store_true",
        help="while an older csid serve answers from it, and nobody writes; when all is ready, "
        "wait for it to be ended 服务期间升级",
    )
    options.add_json(parser)
    acting.add_actor(parser)
    parser.set_defaults(run=run_migrate)


def run_migrate(args: argparse.Namespace) -> int:
    """Migrate one directory; exit 1 if it is not what its log says."""
    asked = Asked(acting.actor_of(args), args.reason)
    try:
        with progress.bar() as bar:

            def on_progress(what: str, done: int, whole: int) -> None:
                bar.expect(whole)
                bar.show(done, f"{done:,}/{whole:,} {what}")

            def on_wait(process: str) -> None:
                output.err.print(
                    f"新数据已就绪 the new data is ready; it takes its place as soon as process "
                    f"{process} has ended: end csid serve now, and start the new one behind this",
                    markup=False,
                )

            migrated = migrate(
                args.data,
                asked,
                on_progress,
                keep=not args.dry_run,
                waiting=on_wait if args.while_serving else None,
            )
    except KeyboardInterrupt:
        output.complain(
            "已中断 interrupted: the old data is in use as before; give it again to go on"
        )
        raise
    except MigrationError as error:
        if args.json:
            output.print_json({"migrated": False, "reason": str(error), "faults": error.faults})
        for fault in error.faults:
            output.complain(fault)
        output.complain(error)
        return output.EXIT_BAD_INPUT
    if args.json:
        output.print_json(_json_of(args, migrated))
    else:
        output.out.print(_text_of(args, migrated), markup=False)
    return output.EXIT_OK


def _json_of(args: argparse.Namespace, migrated: Migrated) -> dict[str, object]:
    kept = None if migrated.kept is None else str(migrated.kept)
    value = migrated._asdict() | {"migrated": migrated.kept is not None, "kept": kept}
    return value | ({"dry_run": True} if args.dry_run else {})


def _text_of(args: argparse.Namespace, migrated: Migrated) -> str:
    if not migrated.rows:
        return f"{args.data} 已是新版 is of the present version already; nothing was done"
    mended = f", {migrated.mended:,} 行索引改正 of indexes put right" if migrated.mended else ""
    said = f"{migrated.rows:,} 行 rows, {migrated.carried:,} 行补记 said by the log now{mended}"
    if migrated.kept is None:
        return f"试运行，未写入 dry run, nothing kept: {said}"
    return (
        f"已升级 migrated: {said}\n"
        f"旧数据保留在 the old data is kept in {migrated.kept}; once csid audit verify --data "
        f"{args.data} says sound, and a backup is made, it may go"
    )
