"""What nodes are known by, whatever others say of themselves."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.systems.aggregation.adapters.kubernetes.keys import Keys, Named, Remembered
from tests.support.kubernetes_objects import Cluster, Object, node

SAME = "4c4c4544-0044-4a10-8052-b4c04f4e3132"


def said(name: str, created: str = "", uid: str = "", uuid: str = SAME) -> Object:
    metadata = {"uid": uid or f"u-{name}", "creationTimestamp": created or None}
    return node(name, uuid=uuid, metadata=metadata)


def keys(cluster: Cluster) -> dict[str, str]:
    return {unit.name: unit.key for unit in cluster.poll().units}


def test_a_newcomer_that_says_to_be_a_machine_that_is_there_moves_nobody() -> None:
    cluster = Cluster([said("n1")])
    assert keys(cluster) == {"n1": f"uuid:{SAME}"}
    reading = cluster.tell("nodes", said("evil", "2020-01-01T00:00:00Z"), "ADDED")
    assert reading is not None
    expected = {"n1": f"uuid:{SAME}", "evil": "u-evil"}
    assert {unit.name: unit.key for unit in reading.units} == expected
    assert reading.notes == ("1 nodes say the UUID of another and go by the one of their object",)
    # However old it says to be, and in whatever order they are listed.
    cluster.lists["nodes"] = [said("evil", "2020-01-01T00:00:00Z"), said("n1")]
    assert keys(cluster) == expected
    # It does not become the machine when that one's object is made anew.
    assert cluster.tell("nodes", said("n1"), "DELETED") is not None
    reading = cluster.tell("nodes", said("n1", uid="made-anew"), "ADDED")
    assert reading is not None
    assert {unit.name: unit.key for unit in reading.units} == expected


def test_at_first_sight_the_oldest_is_the_machine() -> None:
    nodes = [
        said("a"),  # which does not say
        said("b", "2026-11-26T08:00:00Z"),
        said("c", "2025-11-26T08:00:00Z"),
    ]
    expected = {"a": "u-a", "b": "u-b", "c": f"uuid:{SAME}"}
    assert keys(Cluster(nodes)) == keys(Cluster(reversed(nodes))) == expected


def test_no_two_nodes_have_one_uid_and_none_has_one_like_a_machines_key() -> None:
    cluster = Cluster([said("n1"), said("n2", uid="u-n1", uuid=""), said("n3", uid=f"uuid:{SAME}")])
    reading = cluster.poll()
    assert [unit.name for unit in reading.units] == ["n1"] and not reading.whole


def test_a_machine_that_is_another_now_leaves_its_key() -> None:
    cluster = Cluster([said("n1"), said("n2", uuid="")])
    assert keys(cluster) == {"n1": f"uuid:{SAME}", "n2": "machine:mn2"}
    other = SAME.replace("4c4c", "5d5d")
    cluster.lists["nodes"] = [said("n1", uuid=other), said("n2", uuid="")]
    assert keys(cluster) == {"n1": f"uuid:{other}", "n2": "machine:mn2"}
    cluster.lists["nodes"] = [said("n1", uuid=other), said("n2", uuid=SAME)]
    assert keys(cluster) == {"n1": f"uuid:{other}", "n2": f"uuid:{SAME}"}


NODES = st.dictionaries(st.sampled_from("abcd"), st.sampled_from(["", "m1", "m2"]), max_size=4)


@given(st.lists(NODES, max_size=6))
def test_nobodys_key_changes_while_it_says_the_same_and_none_is_had_twice(
    polls: list[dict[str, str]],
) -> None:
    remembered = Remembered()
    had: dict[str, tuple[str, str]] = {}
    for machines in polls:
        remembered.keep(machines)
        given_out = Keys(remembered)
        given_out.give(Named(uid, machine, "") for uid, machine in machines.items())
        now = {uid: (machine, given_out.of(uid)) for uid, machine in machines.items()}
        assert len({key for _, key in now.values()}) == len(now)
        for uid, (machine, key) in now.items():
            assert key in (uid, machine)
            if uid in had and had[uid][0] == machine:
                assert had[uid][1] == key
        had = now
