"""A node learns from its copy of the root zone what became of its cuts there."""

from __future__ import annotations

from pathlib import Path

import pytest

from csid import names
from registry.network import unseen
from registry.network.filings import UNIT
from registry.rules.requests import Assign, Body, FileCut, RequestFiling, WithdrawCut
from registry.rules.status import Status
from registry.service import Registry
from registry.sync.duties.filing_duty import FilingDuty, adds
from registry.tables.enums import FilingState
from registry.tables.naming import Names
from resolver.store.difference import serial_in
from tests.registry.network.test_cuts import (
    CUT,
    ZHEJIANG,
    cut_state,
    is_sound,
)
from tests.support.books import ORIGIN, SUFFIX, ask, status
from tests.support.joined import follow_root, joined, national
from tests.support.networking import ANYWHERE
from tests.support.registering import RECORD, identifier

APEX = names.key_of(ORIGIN)
KEY = b"91330106673959654p\x006450\x00330106\0"
FILE = FileCut(CUT, "zhejiang")
ELSEWHERE = FileCut(CUT, "zhejiang", (("ns.example.net.", ()),))


def answered(registry: Registry, state: FilingState, reason: str = "") -> None:
    registry.perform(UNIT, ["zhejiang-1.", CUT, int(state), reason, ""])


def transferred(registry: Registry, path: Path, *steps: Body, whole: bool) -> None:
    """The root zone comes as these steps have left it: as a whole, or the name of the cut alone."""
    network = adds(registry.store)
    follow_root(registry, national(path, [ZHEJIANG, ANYWHERE, *steps]))
    with registry.store.write() as txn:
        if whole:
            network.watch.replaced(txn, APEX)
        else:
            network.watch.changed(txn, APEX, [b"", KEY, b"www\0"])
    for work in network.works:
        while work():
            pass


@pytest.mark.parametrize("whole", [True, False])
def test_what_is_approved_after_all_is_asked_for_again_and_filed(
    tmp_path: Path, whole: bool
) -> None:
    with joined(tmp_path / "data") as registry:
        assert ask(registry, Assign(identifier("0100"), RECORD)).status is Status.DONE
        answered(registry, FilingState.REFUSED, "no")
        transferred(registry, tmp_path / "root", whole=whole)
        assert cut_state(registry) is FilingState.REFUSED
        transferred(registry, tmp_path / "approved", FILE, whole=whole)
        assert cut_state(registry) is FilingState.WANTED
        with registry.store.read() as read:
            assert [one.name for one in FilingDuty(SUFFIX).due(read, 1)] == [b"cut/" + CUT.encode()]
        assert is_sound(registry)


GONE = {
    "never heard of": (),
    "withdrawn": (FILE, WithdrawCut(CUT, "zhejiang")),
    "another's": (FILE, WithdrawCut(CUT, "zhejiang"), FileCut(CUT, "anywhere")),
}


@pytest.mark.parametrize("whole", [True, False])
@pytest.mark.parametrize("how", GONE)
def test_a_cut_that_is_this_nodes_no_more_takes_no_codes_until_it_is_asked_for_again(
    tmp_path: Path, how: str, whole: bool
) -> None:
    with joined(tmp_path / "data") as registry:
        assert ask(registry, Assign(identifier("0100"), RECORD)).status is Status.DONE
        answered(registry, FilingState.FILED)
        transferred(registry, tmp_path / "root", FILE, whole=whole)
        assert cut_state(registry) is FilingState.FILED
        transferred(registry, tmp_path / "other", *GONE[how], whole=whole)
        assert cut_state(registry) is FilingState.REFUSED
        decision = ask(registry, Assign(identifier("0200"), RECORD))
        assert decision.status is Status.NOT_FILED
        assert "filing request" in decision.detail
        assert status(registry, RequestFiling(CUT)) is Status.DONE
        assert cut_state(registry) is FilingState.WANTED
        assert is_sound(registry)


def test_a_cut_with_other_name_servers_is_left_as_it_is(tmp_path: Path) -> None:
    with joined(tmp_path / "data") as registry:
        assert ask(registry, Assign(identifier("0100"), RECORD)).status is Status.DONE
        answered(registry, FilingState.FILED)
        transferred(registry, tmp_path / "root", ELSEWHERE, whole=True)
        assert cut_state(registry) is FilingState.FILED


@pytest.mark.parametrize("is_answer_late", [True, False])
def test_what_was_filed_and_withdrawn_between_two_versions_of_the_copy_is_found(
    tmp_path: Path, is_answer_late: bool
) -> None:
    with joined(tmp_path / "data") as registry:
        network = adds(registry.store)
        follow_root(registry, national(tmp_path / "before", [ZHEJIANG, ANYWHERE]))
        assert ask(registry, Assign(identifier("0100"), RECORD)).status is Status.DONE
        nodes = national(
            tmp_path / "after", [ZHEJIANG, ANYWHERE, FILE, WithdrawCut(CUT, "zhejiang")]
        )
        filed = serial_in(nodes[0][1]) - 1

        def transfer() -> None:
            follow_root(registry, nodes)
            with registry.store.write() as txn:  # the difference has no name of the cut
                network.watch.changed(txn, APEX, [b"", b"www\0"])

        if is_answer_late:
            transfer()
        answered(registry, FilingState.FILED, unseen.said(filed))
        assert cut_state(registry) is FilingState.FILED
        if not is_answer_late:
            assert not any(work() for work in network.works)  # the copy is older, and says nothing
            assert cut_state(registry) is FilingState.FILED
            transfer()
        [duty] = network.duties
        with registry.store.read() as read:
            duty.due(read, 1)
        assert duty.wake() == 2  # when there is work
        while any(work() for work in network.works):
            pass
        assert cut_state(registry) is FilingState.REFUSED
        with registry.store.read() as read:
            assert not list(unseen.due(read, Names(SUFFIX), 1))
        assert is_sound(registry)


def test_cuts_without_number_are_looked_at_in_pieces(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("registry.sync.duties.delegated.AT_ONCE", 2)
    with joined(tmp_path / "data") as registry:
        cuts = [f"{CUT[:-2]}{at:02}" for at in (2, 5, 6, 8, 9, 10)]
        for cut in cuts:
            assert status(registry, RequestFiling(cut)) is Status.DONE
            registry.perform(UNIT, ["zhejiang-1.", cut, int(FilingState.FILED), "", ""])
        transferred(registry, tmp_path / "root", FILE, whole=True)
        found = [cut_state(registry, cut) is FilingState.FILED for cut in cuts]
        assert found == [cut == CUT for cut in cuts]
