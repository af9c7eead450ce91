"""Resource records for the tests: one that is full, and strategies for every other."""

from __future__ import annotations

import string
from datetime import date
from typing import Any

import pytest
from hypothesis import strategies as st

from csid import endpoint
from csid.errors import RecordError
from csid.fields import PRECISIONS, STATES, hidden_in

SUCCESSOR = "X00000000000000015/0000/640502/GCV/G15M05X6-7-K0"
FULL: dict[str, Any] = {
    "bandwidth_gbps": 400,
    "chip": "昇腾 910B",
    "chip_memory_gib": 64,
    "count": 8,
    "currency": "CNY",
    "ended": "2026-03-31",
    "endpoints": ["https://a.example:8443/v1|192.0.2.1|2001:db8::1", "grpcs://b.example:443"],
    "fabric": "RoCE v2",
    "gflops": {"B": 2560000, "H": 2560000.5},
    "green_share": 0.75,
    "memory_gib": 1536,
    "name": "杭州一号池",
    "price": "12.50",
    "price_unit": "hour",
    "reason": "replaced",
    "state": "retired",
    "successor": SUCCESSOR,
    "trust": 3,
    "valid_from": "2026-01-01",
    "valid_until": "2027-12-31",
    "vcpu": 192,
}

texts = st.text(
    st.characters(exclude_categories=("C", "Zl", "Zp")), min_size=1, max_size=20
).filter(lambda text: text == text.strip() and not hidden_in(text))
days = st.dates().map(date.isoformat)
labels = st.text(string.ascii_lowercase + string.digits, min_size=1, max_size=12)
hosts = st.lists(labels, min_size=1, max_size=4).map(lambda parts: ".".join([*parts, "example"]))
addresses = st.one_of(
    st.ip_addresses(v=4), st.ip_addresses(v=6).filter(lambda address: not address.ipv4_mapped)
).map(str)
literals = addresses.map(lambda text: f"[{text}]" if ":" in text else text)
uris = st.builds(
    lambda protocol, host, port, path: f"{protocol}://{host}:{port}{path}",
    st.sampled_from(["https", "http", "grpc", "grpcs", "ssh", "x-own"]),
    st.one_of(hosts, literals),
    st.integers(1, 65535),
    st.sampled_from(["", "/", "/v1/a%20b?x=1&y=(2)", "?q"]),
)
endpoints = st.builds(
    lambda uri, hints: "|".join([uri, *hints]),
    uris,
    st.lists(addresses, max_size=endpoint.ADDRESSES_MAX, unique=True),
)


def sizes(most: int) -> st.SearchStrategy[float]:
    return st.one_of(
        st.integers(1, most), st.floats(0.001, most).map(lambda number: round(number, 9))
    )


plain = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-(2**63), 2**64 - 1), st.floats(-9, 9), texts),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(texts, inner, max_size=3)),
    max_leaves=4,
)
extras = st.dictionaries(st.from_regex(r"\A[a-z][a-z0-9_-]{2,8}\Z"), plain, min_size=1, max_size=2)
OPTIONAL: dict[str, st.SearchStrategy[Any]] = {
    "name": texts,
    "chip": texts,
    "fabric": texts,
    "endpoints": st.lists(endpoints, min_size=1, max_size=2, unique=True),
    "count": st.integers(1, 10**7),
    "chip_memory_gib": sizes(10**6),
    "vcpu": sizes(10**7),
    "memory_gib": sizes(10**9),
    "bandwidth_gbps": sizes(10**6),
    "gflops": st.dictionaries(st.sampled_from(sorted(PRECISIONS)), sizes(10**15), min_size=1),
    "green_share": st.floats(0, 1).map(lambda number: round(number, 9)),
    "trust": st.integers(1, 5),
    "valid_from": st.dates(max_value=date(2026, 1, 1)).map(date.isoformat),
    "valid_until": st.dates(min_value=date(2026, 1, 1)).map(date.isoformat),
    "extra": extras,
}
prices = st.fixed_dictionaries(
    {
        "price": st.from_regex(r"\A(0|[1-9][0-9]{0,5})(\.[0-9]{1,6})?\Z"),
        "currency": st.sampled_from(["CNY", "USD"]),
        "price_unit": st.sampled_from(["hour", "second", "card_hour"]),
    }
)
living = st.fixed_dictionaries({"state": st.sampled_from(STATES[:-1])})
ended = st.fixed_dictionaries(
    {"state": st.just("retired"), "ended": days},
    optional={"reason": texts, "successor": st.just(SUCCESSOR)},
)
facts = st.builds(
    lambda state, rest, price: {**state, **rest, **price},
    st.one_of(living, ended),
    st.fixed_dictionaries({}, optional=OPTIONAL),
    st.one_of(st.just({}), prices),
)


def refusal(call: Any, *args: Any) -> RecordError:
    """The error that `call(*args)` raises, as it must."""
    with pytest.raises(RecordError) as caught:
        call(*args)
    return caught.value
