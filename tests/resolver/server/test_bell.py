"""The bell: what is rung is heard, what nobody hears holds nobody up."""

from __future__ import annotations

from pathlib import Path

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from resolver.server import bell
from resolver.server.bell import Bell, Rung, rung

APEX, HERE = b"internal\0csid\0", bytes((127, 0, 0, 1))


def test_what_is_rung_is_heard(tmp_path: Path) -> None:
    ringing = Bell(tmp_path)
    ringing.ring(APEX, 1, HERE)  # nobody listens yet
    with bell.listen(tmp_path) as heard:
        ringing.ring(APEX, 7, HERE)
        ringing.ring(b"", None, bytes(16))
        assert rung(heard.recv(bell.MAX_OCTETS)) == Rung(APEX, 7, HERE)
        assert rung(heard.recv(bell.MAX_OCTETS)) == Rung(b"", None, bytes(16))
        with pytest.raises(BlockingIOError):
            heard.recv(bell.MAX_OCTETS)
    ringing.ring(APEX, 8, HERE)  # nobody listens any more
    with bell.listen(tmp_path) as heard:  # in place of the socket that was left
        ringing.ring(APEX, 9, HERE)
        assert rung(heard.recv(bell.MAX_OCTETS)) == Rung(APEX, 9, HERE)
    ringing.close()


def test_a_listener_that_does_not_hear_holds_nobody_up(tmp_path: Path) -> None:
    ringing = Bell(tmp_path)
    with bell.listen(tmp_path):
        for serial in range(10_000):
            ringing.ring(APEX, serial, HERE)
    ringing.close()


def test_a_path_may_be_longer_than_an_address_of_a_socket(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 100) / ("e" * 100)
    deep.mkdir(parents=True)
    with bell.listen(deep) as heard:
        ringing = Bell(deep)
        ringing.ring(APEX, 1, HERE)
        ringing.close()
        assert heard.recv(bell.MAX_OCTETS)


def test_nobody_else_may_ring(tmp_path: Path) -> None:
    with bell.listen(tmp_path):
        assert (tmp_path / bell.SOCKET).stat().st_mode & 0o777 == 0o600


@given(
    st.one_of(
        st.binary(max_size=200),
        st.recursive(
            st.none() | st.integers(-(2**63), 2**64 - 1) | st.binary() | st.text(),
            lambda inner: st.lists(inner, max_size=5),
        ).map(msgpack.packb),
        st.tuples(
            st.just("notify"),
            st.binary(max_size=600),
            st.integers(-1, 2**33),
            st.binary(max_size=20),
        ).map(msgpack.packb),
    )
)
def test_what_is_not_ours_is_none(datagram: bytes) -> None:
    heard = rung(datagram)
    if heard is not None:
        assert heard.serial is None or heard.serial < 2**32
        assert len(heard.address) in (4, 16) and len(heard.apex) <= 511


def test_a_directory_that_is_gone_is_told(tmp_path: Path) -> None:
    for use in (Bell, bell.listen):
        with pytest.raises(OSError):
            use(tmp_path / "gone")
