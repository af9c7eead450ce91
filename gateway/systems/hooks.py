"""What systems add to the processes of a node: their hooks, so called that none breaks a process.

A hook that fails refuses: a question is answered SERVFAIL, a change is not made. What only looks on
(`observe`) is passed over. Each failure is told of.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from csid.protocol import SERVFAIL
from gateway.configuration.load import load
from gateway.configuration.sections import Configuration
from gateway.systems.known import UnknownSystemError, system
from gateway.systems.run import settings_of
from resolver.answer.reply import Reply
from resolver.answer.source import NO_STAGES, Stages
from resolver.server.hooks import function_at, together
from resolver.server.notices import Repeated

FAULTS: Final = (Exception, SystemExit)  # of somebody's code, that may not end a process of ours


def of_file(file: str | Path) -> Stages:
    """The hooks of the systems that a configuration has in the node's own processes.

    Raises:
        CsidError: it cannot be read, or a system cannot be loaded.
    """
    return stages_of(load(Path(file)))


def stages_here(file: Path | None) -> Stages:
    """The same of the configuration of a command; ``file`` as `load` takes it."""
    return stages_of(load(file))


def stages_of(found: Configuration) -> Stages:
    """The same of a configuration that was read.

    Raises:
        CsidError: a system cannot be loaded.
    """
    stages = NO_STAGES
    for name in found.serve.systems:
        one = system(name, found.systems.folders)
        if not one.hooks:
            raise UnknownSystemError(
                f"[serve] systems: {name} adds nothing to a node's own processes; it is run by "
                "csid system run"
            )
        try:
            added = function_at(one.hooks)(settings_of(found, one))
        except SystemExit as error:
            said = f"system {name}: {one.hooks} cannot be loaded: {error!r}"
            raise UnknownSystemError(said) from error
        stages = together(stages, guarded(added, name))
    return stages


def guarded(stages: Stages, name: str) -> Stages:
    """The hooks of a system, none of which raises."""
    complaints = Repeated()

    def fails(hook: str, error: BaseException) -> str:
        said = f"system {name}: {hook} failed: {type(error).__name__}: {error}"[:500]
        complaints.tell(said, "hook")
        return said

    def answering(hook: str, call: Callable[[Reply], None]) -> Callable[[Reply], None]:
        def guard(reply: Reply) -> None:
            try:
                call(reply)
            except FAULTS as error:
                fails(hook, error)
                reply.clear()
                reply.rcode = SERVFAIL

        return guard

    def checking(call: Callable[[Any, Any], str]) -> Callable[[Any, Any], str]:
        def guard(seen: Any, change: Any) -> str:
            try:
                return call(seen, change)
            except FAULTS as error:
                return fails("check", error)

        return guard

    def observing(call: Callable[[Any], None]) -> Callable[[Any], None]:
        def guard(event: Any) -> None:
            try:
                call(event)
            except FAULTS as error:
                fails("observe", error)

        return guard

    return Stages(
        tuple(answering("admit", one) for one in stages.admit),
        tuple(answering("shape", one) for one in stages.shape),
        tuple(checking(one) for one in stages.check),
        tuple(observing(one) for one in stages.observe),
    )
