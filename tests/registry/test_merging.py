"""What several processes change of one thing at the same time all stays."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from csid.record import decode
from registry.rules.requests import Assign
from registry.service import Registry
from registry.tables import view
from tests.support.books import accredit, ask, create
from tests.support.registering import OWNER, RECORD, identifier

CHECKOUT = Path(__file__).parents[2]
ONE = identifier()
TIMES = 25

# Changes a fact of its own and finds it so again after every change, whoever else changes others.
WRITER = """
import sys
from pathlib import Path
from tests.support.commands import run

data, code, owner, fact, number = sys.argv[1:]
print("begun", flush=True)
sys.stdin.readline()
for value in range(1, int(number) + 1):
    wanted = str(value)
    assert run("update", code, f"--{fact}", wanted, "--data", data).code == 0
    (found,) = run("show", code, "--json", "--data", data).json
    assert str(found["record"][fact]) == wanted, (fact, wanted, found["record"])
    word = "--name" if fact == "count" else "--contact"
    assert run("owner", "update", owner, word, f"{fact} {wanted}", "--data", data).code == 0
    (found,) = run("owner", "show", owner, "--json", "--data", data).json
    assert found[word[2:]] == f"{fact} {wanted}", found
"""


def test_two_processes_that_change_different_facts_lose_none(tmp_path: Path) -> None:
    data = create(tmp_path / "data")
    with Registry.open(data, writable=True) as registry:
        accredit(registry, OWNER)
        assert ask(registry, Assign(ONE, RECORD)).status.success
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(CHECKOUT), *sys.path])}
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, str(data), str(ONE), OWNER, fact, str(TIMES)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
        )
        for fact in ("count", "vcpu")
    ]
    for writer in writers:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "begun\n"
    for writer in writers:
        assert writer.stdin is not None
        writer.stdin.write("go\n")
        writer.stdin.flush()
    for writer in writers:
        _, said = writer.communicate(timeout=120)
        assert writer.returncode == 0, said
    with Registry.open(data) as registry:
        with registry.view() as seen:
            row = view.get_assignment(seen, str(ONE))
            owner = view.get_owner(seen, OWNER)
        assert row is not None and owner is not None
        assert decode(row.record) == RECORD.changed(count=TIMES, vcpu=TIMES)
        assert (owner.name, owner.contact) == (f"count {TIMES}", f"vcpu {TIMES}")
        assert len(registry.history(str(ONE))) == 1 + 2 * TIMES
        assert registry.verify().agrees
