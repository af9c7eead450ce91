"""For whom each unit is carried out, whatever it is told of who asks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from copy import deepcopy
from itertools import chain
from pathlib import Path
from typing import Any, Final

import msgpack
import pytest

from registry.bulk.importer import Import
from registry.bulk.intake import NOTHING_STANDS, Done, RowsError, Task
from registry.core import Core
from registry.network import catalogs, following, rekeying, rights
from registry.resume import GO_ON, RENEW
from registry.rules.acting import Acting, ActingError, Known, Peer, trusted
from registry.rules.plan import Transfer
from registry.rules.requests import Actor, Role
from registry.service import Registry
from registry.signing import sign
from registry.signing.keys import Told
from registry.units import FOR, UNITS, WHOAMI, perform
from registry.verify import indexes
from registry.writer import plans
from registry.writer.threads import Writer
from registry.zones.asked import Asked
from tests.support.books import opened
from tests.support.importing import run_through
from tests.support.registering import OTHER, OWNER, identifier

WHO, STRANGER = 1_001, 1_002
CODES = [str(identifier(f"{number:04d}")) for number in range(2)]
CLAIM: Final = Actor("张三", Role.ADMINISTRATOR)
ASKED: Final = Asked(CLAIM, "").told()
TOLD: Final = Told("", CLAIM).packed()
PLAN: Final = plans.arguments(plans.Task(Transfer(OWNER, OTHER), CLAIM), "")
ROWS: Final = tuple(Task(("张三", "administrator", ""), "", 0, None, NOTHING_STANDS, 0, b"\x90"))
# The arguments of units that are told who asks.
TELLING: Final[dict[str, Any]] = {
    rights.ADD_KEY: (ASKED, b"", "", b"", 0),
    rights.REMOVE_KEY: (ASKED, b"", False),
    rights.ALLOW: (ASKED, "", "", (), False),
    rights.NOTIFY: (ASKED, "", (), False),
    rekeying.UNIT: (ASKED, b"", "", b"", 0, (), b""),
    "plan": PLAN,
    "rows": ROWS,
    GO_ON: (ASKED, 0, b""),
    RENEW: ASKED,
    sign.SET_KEY: TOLD,
    sign.KEEP: TOLD,
    indexes.UNIT: ("张三", "administrator", 0, b"", ()),
    "zone.load": (ASKED, "keep", 0, ()),
    "zone.begin": (ASKED, b"", 0),
    "zone.publish": (b"", ASKED, "keep"),
    "zone.drop": (ASKED, b""),
    "zone.zonemd": (ASKED, b"", 0, 0, ()),
    catalogs.PRODUCE: (ASKED, b"", ()),
    catalogs.CONSUME: (ASKED, b"", (), ()),
    catalogs.STOP: (ASKED, b""),
    following.FOLLOW: (ASKED, "", (), False),
    following.UNFOLLOW: (ASKED, "", False),
    WHOAMI: ("张三", "administrator", ""),
}
FOR_ALL: Final = frozenset({"sweep", "zone.since"})


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Registry]:
    with opened(tmp_path / "data") as made:
        yield made


@pytest.fixture
def core(registry: Registry) -> Core:
    assert isinstance(registry.writer, Writer)
    return registry.writer._core


def by(uid: int, *known: Known) -> Acting:
    return Acting(Peer(uid, uid), 0, lambda: known, lambda _: "")


READER: Final = Known("李四", Role.READER, acts_for=frozenset({Role.REGISTRAR}), uid=WHO)


def test_every_unit_is_for_somebody() -> None:
    assert {*TELLING} | {*FOR} | FOR_ALL == {*UNITS}
    assert not {*TELLING} & {*FOR}


@pytest.mark.parametrize("known", [(), (READER,)])
@pytest.mark.parametrize("name", UNITS)
def test_no_unit_is_for_nobody(core: Core, name: str, known: tuple[Known, ...]) -> None:
    core.by = by(STRANGER, *known)
    with pytest.raises(ActingError, match=f"user id {STRANGER} is nobody here"):
        perform(core, name, TELLING.get(name))


@pytest.mark.parametrize("name", sorted({*TELLING} | {*FOR}))
def test_no_unit_believes_who_may_not_act_so(core: Core, name: str) -> None:
    core.by = by(WHO, READER)
    with pytest.raises(ActingError, match=f"user id {WHO} is 李四, read-only"):
        perform(core, name, TELLING.get(name))


@pytest.mark.parametrize("name", [name for name, role in FOR.items() if role is Role.NODE])
def test_what_the_node_does_is_for_no_administrator(core: Core, name: str) -> None:
    every = frozenset({Role.ADMINISTRATOR, Role.REGISTRAR, Role.AUDITOR, Role.READER})
    core.by = by(WHO, Known("张三", Role.ADMINISTRATOR, acts_for=every, uid=WHO))
    with pytest.raises(ActingError, match="is for: node"):
        perform(core, name, None)


def test_the_role_is_the_true_one_where_none_is_claimed(core: Core) -> None:
    core.by = by(WHO, Known("张三", Role.AUDITOR, uid=WHO))
    actor, own, may, is_configured = perform(core, WHOAMI, ("", "", ""))
    assert actor == own == ["张三", "auditor", "", f"{WHO}/{WHO}"]
    assert (may, is_configured) == ((), True)


def unit_of(registry: Registry) -> list[Any]:
    """The groups of the one unit that a table of two rows comes to."""
    found: list[bytes] = []

    def perform(_: str, args: Any) -> Any:
        found.append(args[-1])
        return (2, 0, 0, 0, (), NOTHING_STANDS)

    table = "\n".join(["identifier,state,name", *(f"{one},active,x" for one in CODES), ""]).encode()
    assert not [*chain.from_iterable(run_through(registry, Import(perform, CLAIM), table))]
    groups: list[Any] = msgpack.unpackb(found[0])
    return groups


def _another_state(group: list[Any]) -> None:
    group[3][1] = "reserved"


def _another_node(group: list[Any]) -> None:
    node, size = group[4][1], group[5][1]
    group[4][1] = node[: -size - 1] + b"?" + node[-size:]


def _no_record(group: list[Any]) -> None:
    group[5][1] = 1


def _no_identifier(group: list[Any]) -> None:
    group[1][1] = group[1][1].lower()


@pytest.mark.parametrize("forge", [_another_state, _another_node, _no_record, _no_identifier])
def test_rows_of_those_who_may_not_write_zones_are_held_against_their_records(
    core: Core, registry: Registry, forge: Callable[[list[Any]], None]
) -> None:
    def rows(groups: list[Any]) -> Done:
        task = Task(
            ("王", "registrar", OWNER), "", 0, None, NOTHING_STANDS, 0, msgpack.packb(groups)
        )
        return Done(*perform(core, "rows", tuple(task)))

    core.by = by(WHO, Known("王", Role.REGISTRAR, OWNER, uid=WHO))
    groups = unit_of(registry)
    forged = deepcopy(groups)
    forge(forged[0])
    with pytest.raises(RowsError, match="line 3"):
        rows(forged)
    assert rows(groups).added == 2
    core.by = trusted()
    assert registry.verify().agrees


def test_the_registry_of_a_process_has_the_same_rule(tmp_path: Path) -> None:
    opened(tmp_path / "data").close()
    known = (Known("李四", Role.READER, uid=STRANGER),)
    with (
        Registry.open(tmp_path / "data", writable=True, known=lambda: known) as other,
        pytest.raises(ActingError, match="is nobody here"),
    ):
        other.perform("sweep")
