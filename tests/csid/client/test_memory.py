"""What a client remembers, for how long, and how much."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from csid.client.memory import Memory


@given(
    st.integers(0, 4),
    st.lists(st.tuples(st.sampled_from([b"a", b"b", b"c", b"d", b"e", b"f"]), st.integers(0, 9))),
)
def test_it_holds_what_was_put_last_until_its_time_and_never_more_than_it_may(
    entries: int, puts: list[tuple[bytes, int]]
) -> None:
    memory: Memory[int] = Memory(entries)
    model: dict[bytes, tuple[int, int]] = {}
    for now, (key, seconds) in enumerate(puts):
        memory.put(key, now, float(seconds), float(now))
        if seconds and entries:
            model.pop(key, None)
            model[key] = (now + seconds, now)
            while len(model) > entries:
                del model[next(iter(model))]
        for one in (b"a", b"b", b"c", b"d", b"e", b"f"):
            end, value = model.get(one, (0, 0))
            expected = (end - now, value) if end > now else None
            assert memory.get(one, float(now)) == expected


def test_what_is_forgotten_is_gone() -> None:
    memory: Memory[int] = Memory(2)
    memory.put(b"a", 1, 60.0, 0.0)
    memory.clear()
    assert memory.get(b"a", 1.0) is None
