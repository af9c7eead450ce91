"""Server-sent events, however they are cut."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.systems.event_stream import EVENT_OCTETS, Event, Events, StreamError

PLAIN = st.text(st.characters(exclude_characters="\r\n\0", exclude_categories=["Cs"]), max_size=20)
SENT = st.lists(
    st.tuples(PLAIN.filter(bool), st.lists(PLAIN, min_size=1, max_size=3), PLAIN.filter(bool)),
    max_size=5,
)


def test_the_example_of_the_standard() -> None:
    events = Events()
    found = events.feed(
        b": test stream\n\ndata: first event\nid: 1\n\n"
        b"data:second event\nid\n\ndata:  third event\n\n"
    )
    assert found == [
        Event("message", "first event", "1"),
        Event("message", "second event", ""),
        Event("message", " third event", ""),
    ]


@given(SENT, st.sampled_from(["\n", "\r\n", "\r"]), st.data())
def test_events_are_as_they_were_sent(
    sent: list[tuple[str, list[str], str]], end: str, data: st.DataObject
) -> None:
    lines = []
    for name, texts, number in sent:
        lines += [f"id: {number}", f"event: {name}", *(f"data: {one}" for one in texts), ""]
    octets = "".join(line + end for line in lines).encode()
    events, found = Events(), []
    while octets:
        size = data.draw(st.integers(1, len(octets)))
        found += events.feed(octets[:size])
        octets = octets[size:]
    # What the last line break of one that ends in \r belongs to is not known yet; it has ended.
    assert found == [Event(name, "\n".join(texts), number) for name, texts, number in sent]


def test_what_has_no_end_is_not_kept() -> None:
    events = Events()
    with pytest.raises(StreamError):
        for _ in range(EVENT_OCTETS // 1_000 + 2):
            events.feed(b"data: " + b"x" * 1_000)
    events = Events()
    with pytest.raises(StreamError):
        for _ in range(EVENT_OCTETS // 1_000 + 2):
            events.feed(b"data: " + b"x" * 1_000 + b"\n")
