"""Units are pooled by what they are, and by nothing else."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from csid.capability import decode
from csid.identifier import parse
from gateway.systems.aggregation import minting
from gateway.systems.aggregation.known import Known, Unit
from gateway.systems.aggregation.pooling import key_of, place, traits_of
from gateway.systems.aggregation.told import told_of
from tests.support.supply import GRACE, NOW, ON, SOURCE, differed, node, plain, reading

UNITS = st.builds(
    node,
    st.uuids().map(str),
    st.integers(0, 4),
    st.sampled_from([4, 8]),
    group=st.sampled_from(["", "a", "b"]),
    chip=st.sampled_from(["h100", "A100-SXM4-80GB", "Ascend910B", "other"]),
)


@given(st.lists(UNITS, max_size=12, unique_by=lambda one: one.key), st.randoms())
def test_pools_depend_on_no_order_and_on_nothing_that_is_free(units, random) -> None:
    known, change = differed(Known(), reading(units))
    shuffled = [one._replace(free={}) for one in units]
    random.shuffle(shuffled)
    again, changed = differed(Known(), reading(shuffled))
    assert again == known
    assert changed.digest == change.digest
    if units:  # fewer units are in the same pools
        fewer, _ = differed(Known(), reading(units[1:]))
        assert fewer.units.items() <= known.units.items()


@given(st.lists(UNITS, max_size=12, unique_by=lambda one: one.key))
def test_capacity_is_neither_lost_nor_doubled(units) -> None:
    _, change = differed(Known(), reading(units))
    facts = [one.facts for one in change.registrations]
    assert sum(one["count"] for one in facts) == sum(one.total["chips"] for one in units)
    assert sum(one["extra"]["nodes"] for one in facts) == len(units)
    free = sum(one.free["chips"] for one in change.statuses.values())
    assert free == sum(one.free["chips"] for one in units)


def test_one_model_has_one_pool_however_sources_write_it() -> None:
    keys = {
        key_of(traits_of(node(name, chip=chip, chip_memory_gib=memory), False))
        for name, chip, memory in (
            ("a", "NVIDIA H100 80GB HBM3", 79.6),
            ("b", "h100", 0),
            ("c", "nvidia-h100", 80),
        )
    }
    assert len(keys) == 1


def test_what_is_not_alike_is_apart() -> None:
    some = [
        node("a"),
        node("b", chips=4),
        node("c", chip="A100", chip_memory_gib=80),
        node("d", chip="A100", chip_memory_gib=40),
        node("e", group="gpu"),
        plain("f"),
        plain("g", vcpu=8),
        plain("h", memory=16),
        plain("i", labels={"arch": "aarch64"}),
    ]
    known, _ = differed(Known(), reading(some))
    assert len(known.pools) == len(some)


def test_noise_moves_nothing_and_changes_no_record() -> None:
    known, _ = differed(Known(), reading([plain("a", memory=181.1)]))
    # Over the border between two classes of memory (181.02 GiB), but less than a tenth away.
    after, change = differed(known, reading([plain("a", memory=180.9)]))
    assert change.is_empty and after == known


def test_memory_of_a_chip_that_is_said_at_some_times_only_moves_nothing() -> None:
    for chip in ("h100", "Mystery 9"):
        for first, then in ((0, 64), (64, 0), (80, 79.6)):
            known, _ = differed(Known(), reading([node("a", chip=chip, chip_memory_gib=first)]))
            _, change = differed(known, reading([node("a", chip=chip, chip_memory_gib=then)]))
            assert change.is_empty or (chip, first, then) == ("h100", 0, 64)


def test_a_card_that_fell_off_moves_nothing_before_the_grace_is_over() -> None:
    known, _ = differed(Known(), reading([node("a"), node("b")]))
    short = reading([node("a", 7, 7), node("b")])
    known, change = differed(known, short, NOW)
    assert not change.registrations and not change.updates
    (told,) = change.statuses.values()
    assert told.free["chips"] == 15
    known, change = differed(known, short, NOW + GRACE - 1)
    assert change.is_empty
    _, change = differed(known, short, NOW + GRACE)
    assert len(change.registrations) == 1 and len(change.updates) == 1
    back, _ = differed(known, reading([node("a"), node("b")]), NOW + GRACE)
    assert all(one.less == 0 for one in back.units.values())


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, -8, 1e300])
def test_what_is_no_amount_is_nothing(value: float) -> None:
    total = {"chips": value, "vcpu": 4, "memory_gib": value}
    strange = node("a", total=total)._replace(free={"vcpu": value})
    row, traits = place(strange, None, False, NOW, GRACE)
    assert (row.chips, row.vcpu, row.memory_gib) == (0, 4, 0)
    assert traits is not None and traits.chip == ""
    assert told_of([strange], "x").free["vcpu"] == 0


def test_free_is_never_more_than_there_is() -> None:
    told = told_of([node("a")._replace(free={"chips": 80, "vcpu": 8})], "x")
    assert told.free["chips"] == 8


def test_the_shape_of_what_is_free() -> None:
    told = told_of(
        [
            node("a", 8),
            node("b", 4),
            node("c", 4),
            node("d", 0),
            node("e", 0, health="maintenance"),
        ],
        "aggregation/x",
    )
    assert told.free == {
        "chips": 16,
        "vcpu": 192,
        "memory_gib": 2304,
        "nodes": 3,
        "nodes_8": 1,
        "nodes_4": 2,
    }
    assert (told.health, told.load) == ("degraded", 0.5)  # of the four that can be used
    told = told_of([plain("a"), plain("b", vcpu=32)], "aggregation/x")
    assert told.free == {"vcpu": 96, "memory_gib": 512, "nodes": 2, "vcpu_64": 1, "vcpu_32": 1}


@pytest.mark.parametrize(
    ("unit", "type_", "class_"),
    [
        (node("a"), "ACP", "H69M09N6"),  # 8 × 989.5 TFLOPS, 8 × 80 GiB
        (node("a", chip="Ascend910B", chip_memory_gib=64), "ACP", "H64M09A1"),
        (node("a", chip="gaudi2", chip_memory_gib=96), "ACP", "B65M10G1"),
        (node("a", chip="Mystery 9", chip_memory_gib=0), "ACP", "G20M1000"),
        (plain("a", 64, 256, labels={"arch": "x86_64"}), "GCP", "G18M08X6"),
        (plain("a", 64, 256), "GCP", "G18M0800"),
        (plain("a", 0, 256), "GCP", "G00M0800"),
    ],
)
def test_an_identifier_says_what_a_unit_is(unit, type_, class_) -> None:
    _, change = differed(Known(), reading([unit]))
    (one,) = change.registrations
    found = parse(one.identifier, on=ON)
    assert (found.type, found.capability) == (type_, class_)
    assert decode(found.capability).family == class_[-2:]


def test_a_serial_is_the_same_each_time_and_another_at_the_second_try() -> None:
    unit = Unit("k", "n", "h100", 8, 96, 1152, 80, "")
    first, again = (minting.mint(SOURCE, "k", unit, "", ON).identifier for _ in range(2))
    assert first == again
    assert minting.mint(SOURCE, "k", unit, "", ON, 1).identifier.serial != first.serial
    assert minting.mint(SOURCE, "l", unit, "", ON).identifier.serial != first.serial


def test_each_unit_by_itself_keeps_its_name_when_it_gets_other_chips() -> None:
    import msgspec

    source = msgspec.structs.replace(SOURCE, each=True)
    known, change = differed(Known(), reading([node("a"), node("b")]), source=source)
    assert len(change.registrations) == 2
    assert all(parse(one.identifier).type == "ACB" for one in change.registrations)
    _, change = differed(known, reading([node("a", chip="H200"), node("b")]), source=source)
    assert not change.registrations
    (update,) = change.updates
    assert update.after["chip"] == "H200" and "vcpu" not in update.after
