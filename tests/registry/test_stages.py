"""What plugins may forbid and are told of, whichever way a name is changed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from registry.rules.requests import Assign, Request
from registry.rules.status import Status
from registry.service import Registry
from registry.tables import view
from registry.tables.changes import TreeChange
from registry.tables.view import View
from resolver.answer.source import Stages
from tests.support.books import OWNERS, accredit, create
from tests.support.importing import run_through, work_on
from tests.support.registering import ADMINISTRATOR, RECORD, identifier

FORBIDDEN, ALLOWED = identifier("0001"), identifier("0002")


def check(seen: View, change: TreeChange) -> str:
    """Forbids one identifier, and shows that it can look at what is registered."""
    assert seen.leaves() > 0
    return "not here" if change.name == str(FORBIDDEN) else ""


def test_a_request_that_a_plugin_forbids_changes_nothing(tmp_path: Path) -> None:
    observed: list[object] = []
    stages = Stages(check=(check,), observe=(observed.append,))
    with Registry.alone(create(tmp_path / "data"), sync=False, stages=stages) as registry:
        accredit(registry, *OWNERS)
        before = len(observed)
        refused = registry.submit(Request(ADMINISTRATOR, Assign(FORBIDDEN, RECORD)))
        done = registry.submit(Request(ADMINISTRATOR, Assign(ALLOWED, RECORD)))
        assert (refused.status, refused.detail) == (Status.POLICY_PROHIBITS, "not here")
        assert done.status is Status.DONE
        assert observed[before:] == [refused, done]
        with registry.view() as seen:
            assert view.get_assignment(seen, str(FORBIDDEN)) is None
            assert view.get_assignment(seen, str(ALLOWED)) is not None
        assert registry.verify().agrees


@pytest.mark.parametrize("keep", [False, True])
def test_a_row_that_a_plugin_forbids_is_told_and_the_others_go_in(
    tmp_path: Path, keep: bool
) -> None:
    observed: list[Any] = []
    stages = Stages(check=(check,), observe=(observed.append,))
    with Registry.alone(create(tmp_path / "data"), sync=False, stages=stages) as registry:
        accredit(registry, *OWNERS)
        observed.clear()
        table = f"identifier,state\n{FORBIDDEN},active\n{ALLOWED},active\n".encode()
        work = work_on(registry, keep=keep)
        faults = [fault for some in run_through(registry, work, table) for fault in some]
        assert [fault.line for fault in faults] == [2]
        assert faults[0].reason.endswith("not here")
        assert work.tally.added == 1
        assert [(one.status, one.subject) for one in observed] == (
            [(Status.DONE, str(ALLOWED))] if keep else []
        )
        assert registry.verify().agrees
