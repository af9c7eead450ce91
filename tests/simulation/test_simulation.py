"""Histories of a whole network: an aggregate, region nodes and an industry node around a root.

Simulated: people assign, change, take back and file again; cuts are filed by hand or not, rejected,
withdrawn, and move between nodes, which may be taken back; region nodes hold what lies in each
other's cuts, and release it; nodes are suspended, get another scope
and other keys; messages are late, lost, doubled; connections stall and break; nodes are parted,
killed around any commit, have full disks, wrong clocks, and older copies put back. Bounds are
narrow by chance (bounds.py). What holds at each commit is in ledger.py, what in the end in
outcome.py.

Not simulated: forged signatures (the matrix of tests/resolver); cuts of several depths; a withdrawn
cut that another node files, or whose filing its node has not seen in the root zone yet; older
copies of the national node, and of any once a cut was to move; the sockets and threads of
`registry.sync.driver`.

CSID_SEEDS=N runs the first N seeds, in place of the number below; CSID_SEED=N the history of that
seed alone, and prints its whole log.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from registry.service import Registry
from tests.simulation.history import History, run
from tests.simulation.prepared import directories

SEEDS = int(os.environ.get("CSID_SEEDS", "140"))
PORTIONS = 16  # so that processes share the work
VERIFIED = 3  # of how many histories all logs are verified as well
ONE = os.environ.get("CSID_SEED")
SOURCES = Path(__file__).parents[2]


@pytest.mark.parametrize("portion", range(PORTIONS if ONE is None else 1))
def test_whatever_happens_all_is_well_in_the_end(
    portion: int, capsys: pytest.CaptureFixture[str]
) -> None:
    if ONE is None:
        for seed in range(portion, SEEDS, PORTIONS):
            run(seed)
    else:
        with directories() as folder:
            history = History(int(ONE), folder)
            try:
                history.run()
            finally:
                with capsys.disabled():
                    print("", *history.world.log, sep="\n")


@pytest.mark.parametrize("seed", range(VERIFIED))
def test_the_log_of_each_machine_comes_to_what_it_holds(seed: int) -> None:
    with directories() as folder:
        history = History(seed, folder)
        history.run()
        for name in history.machines:
            with Registry.alone(folder / name, writable=False) as registry:
                assert registry.verify(by_rules=True).faults == []


def test_a_seed_has_one_history_whatever_order_sets_have() -> None:
    code = "from tests.simulation.history import run; print(*run(7), sep='\\n')"
    logs = set()
    for order in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": order}
        done = subprocess.run(
            (sys.executable, "-c", code),
            cwd=SOURCES,
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        )
        logs.add(done.stdout)
    assert len(logs) == 1
