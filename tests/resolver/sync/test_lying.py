"""A primary that lies: the zone stays as it was, the error is clear, nothing is left over."""

from __future__ import annotations

import errno
import gc
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from resolver.store.environment import Store
from resolver.sync import tsig
from resolver.sync.transfer import intake, sorter
from resolver.sync.transfer.errors import TransferError
from resolver.sync.transfer.fetch import Fetch
from resolver.sync.transfer.incoming import Limits
from tests.support import lying, trees
from tests.support.lying import HELD, IXFR_LIES, KEY, LIES, NEXT, ORIGIN, ZONE
from tests.support.servers import make_data
from tests.support.transfers import NOW, Line, messages, soa, whole
from tests.support.transfers import given as give

Nodes = dict[bytes, bytes]
# Lies about changes behind which the whole zone is not asked for: nothing of that peer is sound.
UNFORGIVEN = (
    "changes with a gap",
    "changes that end elsewhere",
    "a stray change",
    "records behind the changes",
)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """A store with the zone at the serial held; each test leaves it so."""
    path = make_data(tmp_path_factory.mktemp("lying") / "data")
    with Store.open(path, writable=True) as opened:
        fetch = Fetch(opened, ORIGIN, None, NOW)
        assert give(fetch, messages(fetch.request, whole(ZONE, HELD, lying.lines())))
        with opened.building():  # the file of claims stays open from now on
            pass
        yield opened


def nodes(store: Store) -> Nodes:
    with store.read() as read:
        return dict(read.nodes(read.zone(ORIGIN).generation))


def files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


@pytest.fixture
def unharmed(store: Store) -> Iterator[None]:
    """Nothing of the store, its readers and files is otherwise behind a test."""
    before, readers = nodes(store), store.usage()["readers"]
    gc.collect()
    opened = files()
    yield
    assert nodes(store) == before
    assert store.usage()["readers"] == readers
    assert files() == opened
    store.sweep()
    assert trees.leftovers(store) == 0
    trees.check(store)


def refused(fetch: Fetch, sent: Iterator[bytes] | list[bytes], said: str) -> None:
    with pytest.raises(TransferError, match=said):
        give(fetch, sent)
    assert fetch.result is None


@pytest.fixture(params=["at once", "in pieces"])
def pieces(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Zones are written by one commit, or by many and sorted on disk."""
    if request.param == "in pieces":
        monkeypatch.setattr(intake, "INTAKE_NODES", 2)
        monkeypatch.setattr(intake, "AT_ONCE", 2)
        monkeypatch.setattr(sorter, "INTAKE_OCTETS", 300)


@pytest.mark.usefixtures("unharmed", "pieces")
@pytest.mark.parametrize("lie", LIES)
def test_a_lie_about_a_whole_zone_is_refused(store: Store, lie: str) -> None:
    fetch = Fetch(store, ORIGIN, None, NOW, full=True)
    refused(fetch, LIES[lie].lie(fetch.request), LIES[lie].said)
    assert not fetch.retry_full


@pytest.mark.usefixtures("unharmed")
@pytest.mark.parametrize("lie", IXFR_LIES)
def test_a_lie_about_changes_is_refused(store: Store, lie: str) -> None:
    fetch = Fetch(store, ORIGIN, None, NOW)
    refused(fetch, IXFR_LIES[lie].lie(fetch.request), IXFR_LIES[lie].said)
    assert fetch.retry_full == (lie not in UNFORGIVEN)


@pytest.mark.usefixtures("unharmed")
@pytest.mark.parametrize(
    ("limits", "said"),
    [
        (Limits(octets=20_000), "20,000 octets"),
        (Limits(records=1_000), "1,000 records"),
        (Limits(messages=9), "9 messages"),
    ],
)
def test_a_stream_without_end_comes_to_one(store: Store, limits: Limits, said: str) -> None:
    fetch = Fetch(store, ORIGIN, None, NOW, True, limits=limits)
    refused(fetch, lying.endless(fetch.request), said)


@pytest.mark.usefixtures("unharmed", "pieces")
def test_a_connection_may_end_at_any_octet(store: Store) -> None:
    """What was received by then is given up; a message that is cut short is none."""
    for answer in (lying.truth, lying.changes):
        full = answer is lying.truth
        count = len(answer(Fetch(store, ORIGIN, None, NOW, full).request))
        for number in range(count):
            fetch = Fetch(store, ORIGIN, None, NOW, full)
            sent = answer(fetch.request)
            assert not give(fetch, sent[:number])
            fetch.abandon()
            for size in range(len(sent[number])):
                fetch = Fetch(store, ORIGIN, None, NOW, full)
                sent = answer(fetch.request)
                refused(
                    fetch,
                    [*sent[:number], sent[number][:size]],
                    "shorter|within|record|not what|question",
                )


@pytest.mark.usefixtures("unharmed")
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.booleans(),
    st.lists(st.tuples(st.integers(0, 9), st.integers(0, 500), st.integers(0, 255)), min_size=1),
)
def test_octets_that_are_changed_harm_nothing(
    store: Store, full: bool, changed: list[tuple[int, int, int]]
) -> None:
    before = nodes(store)
    fetch = Fetch(store, ORIGIN, None, NOW, full)
    sent = [bytearray(one) for one in (lying.truth if full else lying.changes)(fetch.request)]
    for number, at, octet in changed:
        one = sent[number % len(sent)]
        one[at % len(one)] = octet
    try:
        through = give(fetch, [bytes(one) for one in sent])
    except TransferError as error:
        assert str(error)
        through = False
    fetch.abandon()
    if through:  # it was no lie that can be seen: the zone is whole all the same
        trees.check(store)
        back = Fetch(store, ORIGIN, None, NOW, True, forced=True)
        assert give(back, messages(back.request, whole(ZONE, HELD, lying.lines())))
        store.sweep()
    assert nodes(store) == before


# -- no room


@pytest.mark.usefixtures("unharmed", "pieces")
def test_a_disk_that_is_full_is_told(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(sorter, "INTAKE_OCTETS", 300)
    monkeypatch.setattr(os, "pwrite", full)
    lines = [lying.lines()[0], *reversed(lying.lines()[1:])]
    fetch = Fetch(store, ORIGIN, None, NOW, full=True)
    refused(fetch, messages(fetch.request, whole(ZONE, NEXT, lines), 1), "No space left")


def test_a_store_that_is_full_is_told_and_goes_on(tmp_path: Path) -> None:
    with Store.create(tmp_path / "data", "other.", "0.X", map_octets=1 << 19) as small:
        fetch = Fetch(small, ORIGIN, None, NOW)
        assert give(fetch, messages(fetch.request, whole(ZONE, HELD, lying.lines())))
        before = nodes(small)
        many = [Line(f"n{number}.net.", "TXT", '"' + "x" * 250 + '"') for number in range(2_500)]
        fetch = Fetch(small, ORIGIN, None, NOW)
        sent = messages(fetch.request, whole(ZONE, NEXT, [*lying.lines(), *many]))
        refused(fetch, sent, "the map is full")
        assert nodes(small) == before
        small.sweep()
        assert trees.leftovers(small) == 0
        fetch = Fetch(small, ORIGIN, None, NOW)
        assert give(fetch, messages(fetch.request, whole(ZONE, NEXT, lying.lines())))


# -- signatures


def answers_of(fetch: Fetch, sent: list[bytes]) -> list[bytes]:
    """Messages signed in answer to the request of a transfer."""
    found = tsig.verify(fetch.request, lambda name: KEY, NOW)
    assert isinstance(found, tsig.Signed)
    return lying.signed(fetch.request, sent, found.mac)


def unsigned_before_last(fetch: Fetch) -> list[bytes]:
    return [*answers_of(fetch, lying.truth(fetch.request))[:-1], lying.truth(fetch.request)[-1]]


def by_another_key(fetch: Fetch) -> list[bytes]:
    found = tsig.verify(fetch.request, lambda name: KEY, NOW)
    assert isinstance(found, tsig.Signed)
    sent = lying.truth(fetch.request)
    return lying.signed(fetch.request, sent, found.mac, lying.OTHER_KEY)


def of_another_request(fetch: Fetch) -> list[bytes]:
    return lying.signed(fetch.request, lying.truth(fetch.request), bytes(32))


def one_changed(fetch: Fetch) -> list[bytes]:
    sent = answers_of(fetch, lying.truth(fetch.request))
    sent[1] = sent[1][:30] + bytes((sent[1][30] ^ 1,)) + sent[1][31:]
    return sent


def one_twice(fetch: Fetch) -> list[bytes]:
    sent = answers_of(fetch, lying.truth(fetch.request))
    return [*sent[:2], *sent[1:]]


def one_left_out(fetch: Fetch) -> list[bytes]:
    sent = answers_of(fetch, lying.truth(fetch.request))
    return [sent[0], *sent[2:]]


def a_hundred_unsigned(fetch: Fetch) -> list[bytes]:
    records = [Line(f"n{number}.net.", "A", "192.0.2.1") for number in range(101)]
    first, *rest = messages(fetch.request, whole(ZONE, NEXT, [*lying.lines(), *records]), 1)
    return [*answers_of(fetch, [first]), *rest]


SIGNED: dict[str, tuple[Callable[[Fetch], list[bytes]], str]] = {
    "unsigned": (lambda fetch: lying.truth(fetch.request), "not signed"),
    "the last unsigned": (unsigned_before_last, "last message .* not signed"),
    "by another key": (by_another_key, "is wrong"),
    "of another request": (of_another_request, "is wrong"),
    "one changed": (one_changed, "is wrong"),
    "one twice": (one_twice, "is wrong"),
    "one left out": (one_left_out, "is wrong"),
    "a hundred unsigned": (a_hundred_unsigned, "100 messages in a row"),
    "refused without a word signed": (
        lambda fetch: LIES["REFUSED"].lie(fetch.request),
        "REFUSED.* not signed",
    ),
}


@pytest.mark.usefixtures("unharmed")
@pytest.mark.parametrize("lie", SIGNED)
def test_what_the_key_has_not_signed_is_refused(store: Store, lie: str) -> None:
    answers, said = SIGNED[lie]
    fetch = Fetch(store, ORIGIN, KEY, NOW, full=True)
    refused(fetch, answers(fetch), said)


@pytest.mark.usefixtures("unharmed")
@pytest.mark.parametrize("seconds", [-301, 301])
def test_clocks_that_differ_are_told(store: Store, seconds: int) -> None:
    fetch = Fetch(store, ORIGIN, KEY, NOW, full=True)
    with pytest.raises(TransferError, match="301 seconds"):
        fetch.receive(answers_of(fetch, lying.truth(fetch.request))[0], NOW + seconds)


def test_what_is_signed_is_taken(store: Store) -> None:
    fetch = Fetch(store, ORIGIN, KEY, NOW, full=True)
    assert give(fetch, answers_of(fetch, lying.truth(fetch.request)))
    back = Fetch(store, ORIGIN, None, NOW, True, forced=True)
    assert give(back, messages(back.request, whole(ZONE, HELD, lying.lines())))


def test_a_transfer_that_is_through_takes_no_more(store: Store) -> None:
    fetch = Fetch(store, ORIGIN, None, NOW)
    assert give(fetch, messages(fetch.request, [soa(ZONE, HELD)]))
    with pytest.raises(TransferError, match="behind the end"):
        fetch.receive(messages(fetch.request, [soa(ZONE, HELD)])[0], NOW)
