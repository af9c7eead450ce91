"""Who acts: the operating system and the configuration say so, and not who asks."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.rules.acting import OWN, ActingError, Asker, Known, asker_of
from registry.rules.requests import Actor, Role
from registry.writer.admission import Admission, packed, unpacked
from tests.support.registering import OTHER, OWNER

ZHANG = Known("张三", Role.REGISTRAR, OWNER, 1000, None, False)
DESK = Known("desk", Role.AUDITOR, "", None, 50, True)
BOTH = Known("both", Role.ADMINISTRATOR, "", 1001, 50, False)
KNOWN = (ZHANG, BOTH, DESK)
OWNS = {0, 70}  # root, and whose the data are


def asker(uid: int, *groups: int) -> Asker:
    return asker_of(uid, groups[0] if groups else uid, set(groups), KNOWN, OWNS)


@pytest.mark.parametrize("uid", sorted(OWNS))
@pytest.mark.parametrize("role", Role)
def test_root_and_whose_the_data_are_may_act_for_all(uid: int, role: Role) -> None:
    actor = asker(uid).actor("王", role.value, "")
    assert actor == Actor("王", role, "", f"{uid}/{uid}")


def test_whom_nobody_knows_is_nobody() -> None:
    with pytest.raises(ActingError, match="user/group 1002/7 is nobody here"):
        asker(1002, 7).actor("王", "read-only", "")


def test_who_is_known_acts_as_the_configuration_says() -> None:
    assert asker(1000).actor("张三", "registrar", OWNER) == Actor(
        "张三", Role.REGISTRAR, OWNER, "1000/1000"
    )


@pytest.mark.parametrize(
    "claim",
    [
        ("张三", "administrator", ""),
        ("张三", "node", ""),
        ("张三", "registrar", OTHER),
        ("张三", "registrar", ""),
        ("李四", "registrar", OWNER),
    ],
)
def test_a_claim_is_refused_of_who_does_not_act_for_others(claim: tuple[str, str, str]) -> None:
    with pytest.raises(ActingError, match="acts for others only if"):
        asker(1000).actor(*claim)


def test_a_claim_of_who_acts_for_others_is_written_down_beside_the_true_name() -> None:
    actor = asker(9, 8, 50).actor("王", "registrar", OWNER)
    assert actor == Actor("王", Role.REGISTRAR, OWNER, "9/8 desk")
    assert asker(9, 50).actor("desk", "auditor", "").peer == "9/50"


def test_nobody_acts_for_a_node_of_the_network() -> None:
    with pytest.raises(ActingError):
        asker(9, 50).actor("node", "node", "")


def test_where_user_and_group_are_named_both_have_to_be_so() -> None:
    assert asker(1001, 50).actor("both", "administrator", "").name == "both"
    with pytest.raises(ActingError, match="nobody"):
        asker(1001, 51).actor("both", "administrator", "")


def test_the_configuration_goes_before_whose_the_data_are() -> None:
    only = Known("root", Role.READER, "", 0, None, False)
    with pytest.raises(ActingError):
        asker_of(0, 0, {0}, (only,), OWNS).actor("root", "administrator", "")


def test_processes_of_the_node_itself_are_believed_whatever_the_configuration_says(
    tmp_path: Path,
) -> None:
    only = Known("service", Role.READER, "", 900, None, False)
    asked = Admission(tmp_path, (only,), {900}).asker(900, 900, ())
    assert asked.actor("zhejiang", "node", "zhejiang").peer == "900/900"
    with pytest.raises(ActingError):
        Admission(tmp_path, (only,)).asker(900, 900, ()).actor("zhejiang", "node", "zhejiang")


def test_a_role_that_there_is_not_is_none() -> None:
    with pytest.raises(ValueError, match="king"):
        OWN.actor("王", "king", "")


@given(
    st.lists(
        st.builds(
            Known,
            st.text(),
            st.sampled_from(Role),
            st.text(),
            st.none() | st.integers(0, 2**32),
            st.none() | st.integers(0, 2**32),
            st.booleans(),
        )
    )
)
def test_actors_get_to_the_process_as_they_are(known: list[Known]) -> None:
    assert unpacked(packed(known)) == tuple(known)
